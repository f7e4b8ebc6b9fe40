"""Runs the gateway."""

from yunsong_common.service import run_service
from yunsong_gateway.wiring import build

if __name__ == "__main__":
    run_service(build)
