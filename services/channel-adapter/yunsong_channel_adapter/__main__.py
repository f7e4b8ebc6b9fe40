"""Runs the channel adapter."""

from yunsong_channel_adapter.wiring import build
from yunsong_common.service import run_service

if __name__ == "__main__":
    run_service(build)
