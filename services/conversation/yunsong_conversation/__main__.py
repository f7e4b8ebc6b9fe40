"""Runs the conversation service."""

from yunsong_common.service import run_service
from yunsong_conversation.wiring import build

run_service(build)
