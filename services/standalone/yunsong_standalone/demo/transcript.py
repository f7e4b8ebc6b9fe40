"""The story as lines on the terminal: who sees what, and how long it took."""

from __future__ import annotations

import time

_WHO = 12


class Transcript:
    """Prints as it happens; times are since the beginning."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def chapter(self, title: str) -> None:
        print(f"\n{title}", flush=True)

    def says(self, who: str, text: str) -> None:
        self._line(who, f"“{text}”")

    def sees(self, who: str, what: str) -> None:
        self._line(who, f"· {what}")

    def _line(self, who: str, text: str) -> None:
        print(f"  {time.monotonic() - self._began:6.2f} s  {who:<{_WHO}} {text}", flush=True)
