"""An error crosses gRPC and HTTP without losing what a caller can act on."""

from __future__ import annotations

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from yunsong_common.errors import (
    Internal,
    InvalidArgument,
    Kind,
    NotFound,
    ResourceExhausted,
    Unavailable,
    Violation,
    error_of,
)
from yunsong_common.grpc.status import code_of, error_from, trailing_metadata
from yunsong_common.http import STATUS, problem


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_survives(kind: Kind) -> None:
    error = error_of(kind)(
        reason="WHY",
        message="what was wrong",
        violations=[Violation("a.b[1]", "is wrong", "REQUIRED")],
        retry_after_s=1.5,
        queue="sales",
    )
    received = error_from(
        AioRpcError(code_of(error), Metadata(), Metadata(*trailing_metadata(error)), error.message)
    )
    assert type(received) is type(error)
    assert vars(received) == vars(error)
    assert kind in STATUS


def test_what_the_transport_says_becomes_an_error_of_ours() -> None:
    lost = error_from(AioRpcError(grpc.StatusCode.UNAVAILABLE, Metadata(), Metadata(), "refused"), "/S/M")
    assert isinstance(lost, Unavailable)
    assert lost.retry_after_s is not None
    unknown = error_from(
        AioRpcError(grpc.StatusCode.UNIMPLEMENTED, Metadata(), Metadata(), "no method"), "/S/M"
    )
    assert isinstance(unknown, Internal)
    assert "/S/M" in unknown.message


def test_the_problem_document_holds_everything() -> None:
    error = InvalidArgument(
        reason="INVALID_REQUEST",
        message="name: is required",
        violations=[Violation("name", "is required", "REQUIRED")],
    )
    assert problem(error, instance="/api/v1/queues") == {
        "type": "about:blank",
        "title": "Invalid argument",
        "status": 400,
        "code": "INVALID_REQUEST",
        "detail": "name: is required",
        "instance": "/api/v1/queues",
        "violations": [{"field": "name", "reason": "REQUIRED", "description": "is required"}],
    }
    assert problem(ResourceExhausted(reason="R", message="m", retry_after_s=2.0))["retry_after_s"] == 2.0
    assert problem(NotFound(reason="R", message="m", queue="q"))["metadata"] == {"queue": "q"}
