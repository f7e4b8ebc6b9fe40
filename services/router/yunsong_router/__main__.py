"""Runs the router."""

from yunsong_common.service import run_service
from yunsong_router.wiring import build

if __name__ == "__main__":
    run_service(build)
