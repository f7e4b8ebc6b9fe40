"""The one family of errors that crosses a service's borders: gRPC status and problem+json are made from it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar


class Kind(enum.Enum):
    """What sort of refusal it is. The names are those of the gRPC status codes."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    ABORTED = "ABORTED"
    UNAVAILABLE = "UNAVAILABLE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with one field of a request."""

    field: str  # path in the request, such as "queue.name" or "skills[2].level"
    description: str  # for a person: what is wrong and what is allowed
    reason: str = "INVALID"  # stable, UPPER_SNAKE


class YunsongError(Exception):
    """A refusal with a reason that a program can act on and a message that a person can act on.

    `reason` is stable UPPER_SNAKE. `retry_after_s` tells the caller when another try makes sense. Every other
    keyword lands in `metadata`, which travels to the caller: no secrets, no message text.
    """

    kind: ClassVar[Kind] = Kind.INTERNAL

    def __init__(
        self,
        *,
        reason: str,
        message: str,
        violations: list[Violation] | None = None,
        retry_after_s: float | None = None,
        **metadata: str,
    ) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.violations = violations or []
        self.retry_after_s = retry_after_s
        self.metadata = {name: str(value) for name, value in metadata.items()}


class InvalidArgument(YunsongError):
    """The request itself is wrong, whatever the state; `violations` name the fields."""

    kind = Kind.INVALID_ARGUMENT


class NotFound(YunsongError):
    """What the request names does not exist, or the caller must not know that it does."""

    kind = Kind.NOT_FOUND


class AlreadyExists(YunsongError):
    """Something with this name or key exists already."""

    kind = Kind.ALREADY_EXISTS


class FailedPrecondition(YunsongError):
    """The request is right but the state does not allow it; trying again unchanged does not help."""

    kind = Kind.FAILED_PRECONDITION


class PermissionDenied(YunsongError):
    """The caller is known and may not do this."""

    kind = Kind.PERMISSION_DENIED


class Unauthenticated(YunsongError):
    """The caller is not known."""

    kind = Kind.UNAUTHENTICATED


class ResourceExhausted(YunsongError):
    """A bound is reached: a rate, a quota or a queue inside a process. Carries `retry_after_s`."""

    kind = Kind.RESOURCE_EXHAUSTED


class Aborted(YunsongError):
    """A conflict with a concurrent change; reading again and repeating may succeed."""

    kind = Kind.ABORTED


class Unavailable(YunsongError):
    """A dependency does not answer just now; the same request may succeed later."""

    kind = Kind.UNAVAILABLE


class DeadlineExceeded(YunsongError):
    """The answer did not come in time; the effect may have happened."""

    kind = Kind.DEADLINE_EXCEEDED


class Internal(YunsongError):
    """A fault of this system."""

    kind = Kind.INTERNAL


_BY_KIND: dict[Kind, type[YunsongError]] = {
    cls.kind: cls
    for cls in (
        InvalidArgument,
        NotFound,
        AlreadyExists,
        FailedPrecondition,
        PermissionDenied,
        Unauthenticated,
        ResourceExhausted,
        Aborted,
        Unavailable,
        DeadlineExceeded,
        Internal,
    )
}


def error_of(kind: Kind) -> type[YunsongError]:
    """The class that stands for a kind."""
    return _BY_KIND[kind]
