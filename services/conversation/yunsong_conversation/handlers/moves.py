"""Moves that other services and the contact ask for: handoff, assignment, back to a queue, closed."""

from __future__ import annotations

from dataclasses import dataclass, field

from yunsong_common.db import Database, Transaction
from yunsong_common.errors import FailedPrecondition, InvalidArgument
from yunsong_conversation.domain.conversation import Conversation
from yunsong_conversation.domain.messages import SYSTEM, Actor, AuthorKind
from yunsong_conversation.domain.states import WAITING, Asker, CloseReason, State
from yunsong_conversation.handlers.record import staff_actor
from yunsong_conversation.handlers.unit import Unit, changing
from yunsong_conversation.repository import commands, projections
from yunsong_conversation.repository.commands import Done


@dataclass(frozen=True, slots=True, kw_only=True)
class Handoff:
    """What the bot asks of people."""

    reason: str
    queue_id: str = ""  # the inbox's default when empty
    required_skills: dict[str, int] = field(default_factory=dict)
    summary: str = ""


async def request_handoff(
    db: Database, conversation_id: str, handoff: Handoff, asker: Asker, actor: Actor
) -> Conversation:
    """Moves a conversation from the bot to people. One that already left BOT stays as it is.

    Raises NOT_FOUND / CONVERSATION_UNKNOWN.
    """
    async with changing(db, conversation_id) as unit:
        if unit.conversation.state == State.BOT:
            await hand_off(unit, handoff, asker, actor)
    return unit.conversation


async def hand_off(unit: Unit, handoff: Handoff, asker: Asker, actor: Actor) -> None:
    """The move itself, with its summary as a note before it."""
    conversation = unit.conversation
    conversation.queue_id = (
        handoff.queue_id or conversation.queue_id or await _default_queue(unit.tx, conversation)
    )
    conversation.required_skills = {**conversation.required_skills, **handoff.required_skills}
    if handoff.summary:
        unit.recorder.note(conversation, unit.now, handoff.summary, actor)
    unit.say("conversation.handed_off")
    unit.record(conversation.move(State.QUEUED, asker, unit.now, handoff.reason), actor)


async def _default_queue(tx: Transaction, conversation: Conversation) -> str:
    inbox = (await projections.inboxes(tx, [conversation.inbox_id])).get(conversation.inbox_id)
    return inbox.queue_id if inbox else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """An agent who gets a conversation, by the router's decision."""

    assignment_id: str
    epoch: int
    agent_id: str
    agent_name: str
    queue_id: str
    reason: str
    actor_id: str = ""


async def set_assignment(db: Database, conversation_id: str, assignment: Assignment) -> Done:
    """Gives the conversation to an agent; the same assignment is answered again.

    Raises NOT_FOUND / CONVERSATION_UNKNOWN, FAILED_PRECONDITION / EPOCH_STALE, TRANSITION_REFUSED.
    """
    async with changing(db, conversation_id) as unit:
        if (done := await commands.find(unit.tx, assignment.assignment_id)) is not None:
            return done
        conversation = unit.conversation
        _check_epoch(conversation, assignment.epoch)
        agent = Actor(AuthorKind.AGENT, assignment.agent_id, assignment.agent_name)
        change = conversation.assign(agent, assignment.queue_id, unit.now, assignment.reason)
        unit.record(change, staff_actor(assignment.actor_id))
        unit.say("conversation.assigned", agent_name=assignment.agent_name)
        done = Done(change.rev, conversation.epoch)
        await commands.keep(unit.tx, assignment.assignment_id, conversation_id, done)
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A move that the router or the bot asks for."""

    command_id: str
    to: State
    epoch: int
    reason: str
    queue_id: str = ""
    queue_name: str = ""
    preferred_agent_id: str = ""
    required_agent_id: str = ""
    actor_id: str = ""
    note: str = ""
    expected: frozenset[State] = frozenset()


async def move(db: Database, conversation_id: str, command: Move, asker: Asker) -> Done:
    """Moves a conversation on another service's behalf; the same command is answered again.

    Raises NOT_FOUND / CONVERSATION_UNKNOWN, FAILED_PRECONDITION / TRANSITION_REFUSED, EPOCH_STALE.
    """
    if command.to not in (State.QUEUED, State.OFF_HOURS, State.RESOLVED):
        raise InvalidArgument(
            reason="STATE_INVALID",
            message=f"a move goes to QUEUED, OFF_HOURS or RESOLVED, not {command.to.name}",
        )
    async with changing(db, conversation_id) as unit:
        if (done := await commands.find(unit.tx, command.command_id)) is not None:
            return done
        conversation = unit.conversation
        _check_epoch(conversation, command.epoch)
        if command.expected and conversation.state not in command.expected:
            raise FailedPrecondition(
                reason="TRANSITION_REFUSED",
                message=f"the conversation is {conversation.state.name}, which the caller does not expect",
                from_state=conversation.state.name,
                to_state=command.to.name,
            )
        done = _carry_out(unit, command, asker)
        await commands.keep(unit.tx, command.command_id, conversation_id, done)
    return done


def _carry_out(unit: Unit, command: Move, asker: Asker) -> Done:
    conversation, actor = unit.conversation, _actor(command, asker)
    if command.note:
        unit.recorder.note(conversation, unit.now, command.note, actor)
    if command.to == State.RESOLVED:
        reason = _close_reason(conversation, asker)
        change = conversation.resolve(reason, asker, unit.now, command.reason)
    else:
        if command.to == State.QUEUED:
            conversation.queue_id = command.queue_id or conversation.queue_id
        change = conversation.move(
            command.to,
            asker,
            unit.now,
            command.reason,
            preferred_agent_id=command.preferred_agent_id,
            required_agent_id=command.required_agent_id,
        )
    unit.record(change, actor)
    _line(unit, command)
    return Done(change.rev, conversation.epoch)


def _line(unit: Unit, command: Move) -> None:
    if command.to == State.RESOLVED:
        unit.say("conversation.closed", reason=command.reason)
    elif command.to == State.OFF_HOURS:
        unit.say("conversation.off_hours")
    elif command.queue_name:
        unit.say("conversation.transferred", queue_name=command.queue_name)


def _close_reason(conversation: Conversation, asker: Asker) -> CloseReason:
    if asker == Asker.BOT:
        return CloseReason.BOT
    return CloseReason.ABANDONED if conversation.state in WAITING else CloseReason.AGENT


def _actor(command: Move, asker: Asker) -> Actor:
    if command.actor_id:
        return staff_actor(command.actor_id)
    return Actor(AuthorKind.BOT) if asker == Asker.BOT else SYSTEM


def _check_epoch(conversation: Conversation, epoch: int) -> None:
    if epoch < conversation.epoch:
        raise FailedPrecondition(
            reason="EPOCH_STALE",
            message=f"the conversation was handed over since: its epoch is {conversation.epoch}, not {epoch}",
            epoch=str(conversation.epoch),
        )
