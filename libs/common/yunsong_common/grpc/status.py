"""Errors on the wire: a gRPC status with google.rpc details, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2

from yunsong_common.errors import Kind, Violation, YunsongError, error_of

_DOMAIN = "yunsong"
_DETAILS = "grpc-status-details-bin"
# Metadata beyond 8 kB is refused by some peers and beyond 16 kB by all: then the whole error would be lost.
_MAX_VIOLATIONS_BYTES = 4_000

_CODES = {kind: getattr(grpc.StatusCode, kind.value) for kind in Kind}
_KINDS = {code: kind for kind, code in _CODES.items()}
# What a caller can do about the codes that none of our services raises.
_FOREIGN = {
    grpc.StatusCode.CANCELLED: Kind.UNAVAILABLE,
    grpc.StatusCode.OUT_OF_RANGE: Kind.INVALID_ARGUMENT,
}


def code_of(error: YunsongError) -> grpc.StatusCode:
    """The gRPC status code of an error."""
    code: grpc.StatusCode = _CODES[error.kind]
    return code


def trailing_metadata(error: YunsongError) -> tuple[tuple[str, bytes], ...]:
    """The details of an error as trailing metadata."""
    status = status_pb2.Status(code=code_pb2.Code.Value(error.kind.value), message=error.message)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=_DOMAIN, metadata=error.metadata)
    status.details.add().Pack(info)
    if error.violations:
        request = error_details_pb2.BadRequest(
            field_violations=[
                error_details_pb2.BadRequest.FieldViolation(
                    field=item.field, description=item.description, reason=item.reason
                )
                for item in error.violations
            ]
        )
        while request.ByteSize() > _MAX_VIOLATIONS_BYTES and len(request.field_violations) > 1:
            del request.field_violations[len(request.field_violations) // 2 :]
        status.details.add().Pack(request)
    if error.retry_after_s is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(int(error.retry_after_s * 1e9))
        status.details.add().Pack(retry)
    return ((_DETAILS, status.SerializeToString()),)


def error_from(error: grpc.aio.AioRpcError, method: str = "") -> YunsongError:
    """The error that a failed call stands for."""
    code = error.code()
    kind = _KINDS.get(code) or _FOREIGN.get(code, Kind.INTERNAL)
    payload = _details(error.trailing_metadata() or ())
    if payload is None:
        # Not from a handler of ours: the transport, or a method that the other side does not have.
        return error_of(kind)(
            reason=f"RPC_{code.name}",
            message=f"{method}: {error.details() or code.name}",
            retry_after_s=1.0 if kind is Kind.UNAVAILABLE else None,
        )
    return _from_status(kind, status_pb2.Status.FromString(payload))


def _from_status(kind: Kind, status: status_pb2.Status) -> YunsongError:
    info, request, retry = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
    )
    retry_after_s = None
    for detail in status.details:
        # Unpack leaves a message of another type alone.
        if not (detail.Unpack(info) or detail.Unpack(request)) and detail.Unpack(retry):
            retry_after_s = retry.retry_delay.ToNanoseconds() / 1e9
    error = error_of(kind)(
        reason=info.reason,
        message=status.message,
        violations=[
            Violation(item.field, item.description, item.reason) for item in request.field_violations
        ],
        retry_after_s=retry_after_s,
    )
    error.metadata = dict(info.metadata)
    return error


def _details(metadata: Iterable[Any]) -> bytes | None:
    for key, value in metadata:
        if key == _DETAILS:
            payload: bytes = value
            return payload
    return None
