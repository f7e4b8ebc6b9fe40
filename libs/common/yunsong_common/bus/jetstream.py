"""The part of JetStream's API that the product uses, as JSON over request and reply.

Reference: https://docs.nats.io/reference/reference-protocols/nats_api_reference
"""

from __future__ import annotations

import json
from typing import Any

from yunsong_common.bus.nats import NatsClient
from yunsong_common.errors import FailedPrecondition, NotFound, Unavailable

_STREAM_MISSING = 10059
_CONSUMER_MISSING = 10014


async def call(client: NatsClient, operation: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """One call. Raises `NotFound` (STREAM_MISSING, CONSUMER_MISSING), `Unavailable`, or `FailedPrecondition` with the server's words."""
    payload = json.dumps(body).encode() if body is not None else b""
    msg = await client.request(f"$JS.API.{operation}", payload)
    answer: dict[str, Any] = json.loads(msg.data)
    error = answer.get("error")
    if error is None:
        return answer
    description = f"JetStream {operation}: {error.get('description', 'refused')}"
    code = error.get("err_code")
    if code == _STREAM_MISSING:
        raise NotFound(reason="STREAM_MISSING", message=description)
    if code == _CONSUMER_MISSING:
        raise NotFound(reason="CONSUMER_MISSING", message=description)
    if error.get("code") == 503:
        raise Unavailable(reason="NATS_UNAVAILABLE", message=description, retry_after_s=1.0)
    raise FailedPrecondition(reason="JETSTREAM_REFUSED", message=description)
