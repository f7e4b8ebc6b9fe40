"""The compact topology's process: all six services together."""

from __future__ import annotations

from yunsong_common.service import run_together
from yunsong_standalone.catalogue import SERVICES


def main() -> None:
    run_together([service.build() for service in SERVICES])


if __name__ == "__main__":
    main()
