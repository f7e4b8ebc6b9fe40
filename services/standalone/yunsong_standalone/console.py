"""What `yunsong run` prints: its own lines, and its parts' logs made readable."""

from __future__ import annotations

import json
import sys
from datetime import datetime

_WIDTH = 16
# Shown at the start of a line, so not among the rest.
_SHOWN_FIRST = ("time", "timestamp", "level", "service", "logger", "message")


class Console:
    """Writes whole lines; `raw` passes JSON logs on as they are."""

    def __init__(self, *, raw: bool) -> None:
        self._raw = raw

    def say(self, line: str = "") -> None:
        """A line of the command itself."""
        print(line, flush=True)

    def part(self, name: str, line: str) -> None:
        """A line of a part's log, with the part's name before it."""
        if self._raw:
            print(f"{name:<{_WIDTH}}| {line}", flush=True)
            return
        readable = _readable(line)
        if readable is not None:
            print(f"{name:<{_WIDTH}}| {readable}", flush=True)

    def warn(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


def _readable(line: str) -> str | None:
    """One JSON log record as a line of text; what is no JSON stays as it is."""
    try:
        record = json.loads(line)
    except ValueError:
        return line
    if not isinstance(record, dict) or "message" not in record:
        return line
    rest = " ".join(f"{key}={value}" for key, value in record.items() if key not in _SHOWN_FIRST)
    when = _clock(record.get("time") or record.get("timestamp"))
    return " ".join(filter(None, (when, str(record.get("level", "")), str(record["message"]), rest)))


def _clock(value: object) -> str:
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value).astimezone().strftime("%H:%M:%S")
        except ValueError:
            return value
    return ""
