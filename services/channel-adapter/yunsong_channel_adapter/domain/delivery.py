"""A delivery: one outgoing message on its way, and the rules by which it is tried again or given up."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yunsong_common.errors import FailedPrecondition


class Status(enum.StrEnum):
    """How a delivery stands. The names are those of the contract without their prefix."""

    QUEUED = "QUEUED"
    SENDING = "SENDING"
    SENT = "SENT"
    RETRYING = "RETRYING"
    DEAD = "DEAD"
    UNCERTAIN = "UNCERTAIN"
    SKIPPED = "SKIPPED"


# The later ones of the conversation wait for these.
OPEN = (Status.QUEUED, Status.SENDING, Status.RETRYING)
_REPLAYABLE = (Status.DEAD, Status.UNCERTAIN, Status.SKIPPED)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One outgoing message on its way to an outside channel."""

    id: str
    inbox_id: str
    conversation_id: str
    message_id: str
    rev: int
    status: Status
    attempts: int
    error: str
    next_attempt_at: dt.datetime | None
    created_at: dt.datetime
    sent_at: dt.datetime | None
    message: Mapping[str, Any]

    def must_be_replayable(self) -> None:
        """Raises `FailedPrecondition` unless it was given up."""
        if self.status not in _REPLAYABLE:
            raise FailedPrecondition(
                reason="DELIVERY_NOT_DEAD",
                message=f"the delivery is {self.status.lower()}; "
                "only a dead, uncertain or skipped one is sent again",
                delivery_id=self.id,
            )

    def must_be_open(self) -> None:
        """Raises `FailedPrecondition` when nothing is left to give up, or it is on the wire just now."""
        if self.status is Status.SENDING:
            raise FailedPrecondition(
                reason="DELIVERY_SENDING",
                message="the delivery is being sent just now; try again in some seconds",
                delivery_id=self.id,
            )
        if self.status not in OPEN:
            raise FailedPrecondition(
                reason="DELIVERY_DONE",
                message=f"the delivery is {self.status.lower()} and blocks nothing",
                delivery_id=self.id,
            )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt came to."""

    status: Status  # SENT, RETRYING, DEAD or UNCERTAIN
    error: str = ""
    external_id: str = ""
    retry_after_s: float | None = None  # what the channel asked for


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a delivery is tried, and how long the pauses are."""

    max_attempts: int = 12
    base_s: float = 2.0
    max_s: float = 1800.0

    def settle(self, outcome: Outcome, attempts: int) -> Outcome:
        """The same outcome, but dead when it was the last attempt."""
        if outcome.status is Status.RETRYING and attempts >= self.max_attempts:
            return Outcome(Status.DEAD, f"given up after {attempts} attempts: {outcome.error}")
        return outcome

    def pause_s(self, attempts: int, retry_after_s: float | None, chance: float) -> float:
        """Seconds until the next attempt after `attempts` failed ones; `chance` is uniform in [0, 1).

        Half of an exponentially growing pause is random, so that what failed together does not return
        together. A channel that asks for more time gets it, within the bound.
        """
        ceiling = min(self.max_s, self.base_s * 2.0 ** min(attempts - 1, 30))
        pause = ceiling / 2 + ceiling / 2 * chance
        return min(max(pause, retry_after_s or 0.0), max(self.max_s, self.base_s))
