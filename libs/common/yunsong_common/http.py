"""HTTP: serving an ASGI app inside the event loop, and errors as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from typing import Any

from yunsong_common.errors import Kind, YunsongError

STATUS: dict[Kind, int] = {
    Kind.INVALID_ARGUMENT: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.PERMISSION_DENIED: 403,
    Kind.NOT_FOUND: 404,
    Kind.ALREADY_EXISTS: 409,
    Kind.ABORTED: 409,
    Kind.FAILED_PRECONDITION: 409,
    Kind.RESOURCE_EXHAUSTED: 429,
    Kind.INTERNAL: 500,
    Kind.UNAVAILABLE: 503,
    Kind.DEADLINE_EXCEEDED: 504,
}


def problem(error: YunsongError, *, instance: str = "") -> dict[str, Any]:
    """The problem document of an error: type, title, status, detail, `code` (the reason), `violations`, `metadata`."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": error.kind.value.replace("_", " ").capitalize(),
        "status": STATUS[error.kind],
        "code": error.reason,
        "detail": error.message,
    }
    if instance:
        document["instance"] = instance
    if error.violations:
        document["violations"] = [
            {"field": item.field, "reason": item.reason, "description": item.description} for item in error.violations
        ]
    if error.metadata:
        document["metadata"] = error.metadata
    if error.retry_after_s is not None:
        document["retry_after_s"] = error.retry_after_s
    return document
