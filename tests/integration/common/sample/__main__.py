"""The sample as a process of its own."""

from __future__ import annotations

from tests.integration.common.sample.wiring import build
from yunsong_common.service import run_service

if __name__ == "__main__":
    run_service(build)
