"""Errors as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import math
from typing import Any

import orjson

from yunsong_common.errors import YunsongError
from yunsong_common.http import STATUS
from yunsong_gateway.http import BodyTooLarge, Response, UnsupportedMediaType

MEDIA_TYPE = "application/problem+json"

_TITLES = {
    400: "The request is wrong",
    401: "Sign-in needed",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    415: "Media type not supported",
    429: "Too many requests",
    500: "Internal error",
    503: "Not available",
    504: "No answer in time",
}


def status_of(error: YunsongError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, BodyTooLarge):
        return 413
    return 415 if isinstance(error, UnsupportedMediaType) else STATUS[error.kind]


def body_of(error: YunsongError, trace_id: str, status: int | None = None) -> dict[str, Any]:
    """The members of the problem document: also the `error` of a WebSocket frame."""
    status = status or status_of(error)
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "code": error.reason,
        "detail": error.message,
        "violations": [
            {"field": one.field, "description": one.description, "reason": one.reason}
            for one in error.violations
        ],
        "trace_id": trace_id,
    }
    if error.metadata:
        body["metadata"] = dict(error.metadata)
    return body


def problem(error: YunsongError, trace_id: str, status: int | None = None) -> Response:
    status = status or status_of(error)
    headers: list[tuple[str, str]] = []
    if error.retry_after_s is not None:
        headers.append(("retry-after", str(max(1, math.ceil(error.retry_after_s)))))
    elif status in (429, 503):
        headers.append(("retry-after", "1"))
    if status == 401:
        headers.append(("www-authenticate", "Bearer"))
    return Response(status, orjson.dumps(body_of(error, trace_id, status)), MEDIA_TYPE, headers)
