"""JSON logs on standard output, with trace ids; never a message's text or a secret."""

from __future__ import annotations


def setup_logging(service: str, level: str = "INFO") -> None:
    """Sends every log record of the process to standard output as one JSON object per line."""
    raise NotImplementedError
