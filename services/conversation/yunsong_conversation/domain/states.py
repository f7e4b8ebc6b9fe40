"""The state machine of a conversation: which moves there are, and who may ask for each."""

from __future__ import annotations

import enum

from yunsong_common.errors import FailedPrecondition


class State(enum.IntEnum):
    """Where a conversation stands. The numbers are the contract's."""

    NEW = 0  # not stored yet
    BOT = 1
    QUEUED = 2
    OFF_HOURS = 3
    ACTIVE = 4
    SNOOZED = 5
    RESOLVED = 6


class CloseReason(enum.IntEnum):
    """Why a conversation was resolved. The numbers are the contract's."""

    NONE = 0
    AGENT = 1
    IDLE = 2
    ABANDONED = 3
    BOT = 4
    SPAM = 5
    CONTACT = 6
    MERGED = 7


class Asker(enum.Enum):
    """Who asks for a move."""

    STAFF = "a member of staff"
    CONTACT = "the contact"
    BOT = "the bot"
    ROUTER = "the router"
    TIMER = "a timer"


_ANYONE = frozenset(Asker)
_STAFF, _CONTACT, _BOT, _ROUTER, _TIMER = (
    frozenset({asker}) for asker in (Asker.STAFF, Asker.CONTACT, Asker.BOT, Asker.ROUTER, Asker.TIMER)
)

# Every move that exists. What is not here is refused, whoever asks.
MOVES: dict[tuple[State, State], frozenset[Asker]] = {
    (State.NEW, State.BOT): _CONTACT,
    (State.NEW, State.QUEUED): _CONTACT | _STAFF,
    (State.NEW, State.OFF_HOURS): _CONTACT,
    (State.BOT, State.QUEUED): _BOT | _CONTACT | _STAFF | _ROUTER,
    (State.BOT, State.OFF_HOURS): _BOT | _ROUTER,
    (State.BOT, State.RESOLVED): _ANYONE,
    # The router owns opening hours: what is queued while closed it moves on at once.
    (State.QUEUED, State.OFF_HOURS): _ROUTER,
    (State.OFF_HOURS, State.QUEUED): _ROUTER,
    (State.OFF_HOURS, State.ACTIVE): _ROUTER,
    (State.OFF_HOURS, State.RESOLVED): _ANYONE,
    # To another queue: overflow, or a transfer while it waits.
    (State.QUEUED, State.QUEUED): _ROUTER,
    (State.QUEUED, State.ACTIVE): _ROUTER,
    (State.QUEUED, State.RESOLVED): _ANYONE,
    (State.ACTIVE, State.ACTIVE): _ROUTER,
    (State.ACTIVE, State.QUEUED): _ROUTER,
    (State.ACTIVE, State.SNOOZED): _STAFF,
    (State.ACTIVE, State.RESOLVED): _ANYONE,
    (State.SNOOZED, State.QUEUED): _TIMER | _CONTACT | _ROUTER,
    (State.SNOOZED, State.ACTIVE): _ROUTER,
    (State.SNOOZED, State.RESOLVED): _STAFF | _CONTACT | _TIMER,
    (State.RESOLVED, State.BOT): _CONTACT,
    (State.RESOLVED, State.QUEUED): _CONTACT,
}

WAITING = frozenset({State.QUEUED, State.OFF_HOURS})
HELD = frozenset({State.ACTIVE, State.SNOOZED})


def check_move(start: State, end: State, asker: Asker) -> None:
    """Returns when the move is allowed. Raises FAILED_PRECONDITION / TRANSITION_REFUSED when it is not."""
    askers = MOVES.get((start, end))
    if askers is None:
        message = f"a conversation that is {start.name} cannot become {end.name}"
    elif asker not in askers:
        message = f"{asker.value} cannot move a conversation from {start.name} to {end.name}"
    else:
        return
    raise FailedPrecondition(
        reason="TRANSITION_REFUSED", message=message, from_state=start.name, to_state=end.name
    )
