"""Runs quality assurance."""

from yunsong_common.service import run_service
from yunsong_qa.wiring import build

run_service(build)
