"""What a failed call to a service means to a client of the door."""

from __future__ import annotations

import grpc

from yunsong_common.errors import DeadlineExceeded, Internal, Unavailable, YunsongError
from yunsong_common.grpc.status import error_from as described

_ABSENT = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.CANCELLED)


def error_from(error: grpc.aio.AioRpcError, service: str) -> YunsongError:
    """The callee's own error; one that the transport made says no more than a client can use."""
    made = described(error)
    if not made.reason.startswith("RPC_"):
        return made
    if error.code() in _ABSENT:
        return Unavailable(
            reason="SERVICE_UNAVAILABLE",
            message=f"The service {service} does not answer just now; try again.",
            retry_after_s=1,
        )
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(
            reason="TIMEOUT", message="The answer did not come in time; the effect may have happened."
        )
    return Internal(reason="INTERNAL", message="The request failed inside; the fault is logged.")
