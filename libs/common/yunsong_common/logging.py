"""JSON logs on standard output, with trace ids; never a message's text or a secret."""

from __future__ import annotations

import contextvars
import datetime as dt
import json
import logging
import re
import sys
import traceback
from typing import Any

from yunsong_common.telemetry import current_traceparent

# Which of a process's services a record comes from.
service_name: contextvars.ContextVar[str] = contextvars.ContextVar("yunsong_service", default="")

_MAX_TEXT = 2000
_SECRETS = (
    # userinfo of an address
    (re.compile(r"(?<=://)[^/@\s:]*:[^/@\s]+(?=@)"), "***"),
    # "password=…", "token": "…", "Authorization: Bearer …"
    (
        re.compile(
            r"(?i)((?:password|passwd|secret|token|api[_-]?key|release[_-]?key|authorization|cookie|credential)s?"
            r"[\"']?\s*[:=]\s*[\"']?)(?:bearer\s+|basic\s+)?[^\s,;\"'}\])]+"
        ),
        r"\1***",
    ),
)
# Extra fields that hold what people wrote, whatever a caller passes.
_CONTENT = frozenset({"text", "content", "body", "payload", "message_text", "comment", "note"})
_SECRET_NAME = re.compile(r"(?i)password|secret|token|key$|authorization|cookie|credential")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


def setup_logging(level: str = "INFO") -> None:
    """Sends every log record of the process to standard output as one JSON object per line."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("asyncio", "grpc", "alembic", "sqlalchemy", "uvicorn.access", "httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))


class JsonFormatter(logging.Formatter):
    """One record as one line of JSON: time, level, logger, service, message, trace and the caller's extra fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Part of logging's interface."""
        line: dict[str, Any] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        if service := service_name.get():
            line["service"] = service
        if traceparent := current_traceparent():
            line["trace_id"], line["span_id"] = traceparent.split("-")[1:3]
        for name, value in vars(record).items():
            if name not in _STANDARD:
                line[name] = _extra(name, value)
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = _exception(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)


def redact(text: str) -> str:
    """The text without secrets that can be recognised, at most 2,000 characters."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…"


def _extra(name: str, value: Any) -> Any:
    if name in _CONTENT or _SECRET_NAME.search(name):
        return "***"
    return redact(value) if isinstance(value, str) else value


def _exception(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    return {
        "type": type(error).__name__,
        "message": redact(str(error)),
        "stack": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
