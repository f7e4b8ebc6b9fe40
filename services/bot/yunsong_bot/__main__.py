"""Runs the bot."""

from yunsong_bot.wiring import build
from yunsong_common.service import run_service

run_service(build)
