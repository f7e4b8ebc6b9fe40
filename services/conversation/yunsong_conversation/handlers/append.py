"""One batch of messages in one transaction: find where each goes, lock, drop repetitions, apply, write.

An entry that is refused fails alone. A conversation that somebody else holds is left out with its entries, for the next batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from yunsong_common import telemetry
from yunsong_common.db import Database, Transaction
from yunsong_common.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    YunsongError,
)
from yunsong_common.ids import new_id
from yunsong_conversation.domain.access import (
    Viewer,
    check_answer,
    check_read,
    check_whisper,
)
from yunsong_conversation.domain.contacts import SEEN_EVERY, blocked_contact
from yunsong_conversation.domain.conversation import Conversation
from yunsong_conversation.domain.messages import Actor, AuthorKind, Message, Visibility
from yunsong_conversation.domain.states import Asker, State
from yunsong_conversation.handlers.entry import Appended, Entry, Left
from yunsong_conversation.handlers.placing import Placing
from yunsong_conversation.handlers.record import Recorder
from yunsong_conversation.repository import contacts, messages, projections


async def append(db: Database, entries: Sequence[Entry], *, wait: bool = False) -> Left:
    """Appends what it can in one transaction and sets each entry's `outcome`; with `wait` it waits for locks.

    When PostgreSQL refuses the batch as a whole, the entries go one by one, so that only the culprit fails.
    """
    try:
        return await _append(db, entries, wait=wait)
    except (
        asyncpg.DataError,
        asyncpg.IntegrityConstraintViolationError,
        asyncpg.ProgramLimitExceededError,
    ) as error:
        if len(entries) == 1:
            return await _append_refused(db, entries[0], error)
    left = Left([], [])
    for entry in entries:
        one = await append(db, [entry], wait=wait)
        left.skipped.extend(one.skipped)
        left.unknown_inbox.extend(one.unknown_inbox)
    return left


async def _append_refused(db: Database, entry: Entry, error: Exception) -> Left:
    if isinstance(error, asyncpg.UniqueViolationError):
        # Somebody stored the same, or opened a conversation, a moment ago; a second look finds it.
        try:
            return await _append(db, [entry], wait=True)
        except asyncpg.UniqueViolationError:
            entry.outcome = Aborted(
                reason="APPEND_CONFLICT",
                message="the conversation is being changed elsewhere; try again",
                retry_after_s=0.2,
            )
            return Left([], [])
    entry.outcome = InvalidArgument(
        reason="CONTENT_INVALID", message=f"the message cannot be stored: {type(error).__name__}"
    )
    return Left([], [])


async def _append(db: Database, entries: Sequence[Entry], *, wait: bool) -> Left:
    for entry in entries:
        entry.outcome = None
    async with db.transaction() as tx:
        batch = _Batch(tx, entries, wait=wait)
        return await batch.run()


class _Batch(Placing):
    """Placed entries, and what is done with them."""

    def __init__(self, tx: Transaction, entries: Sequence[Entry], *, wait: bool) -> None:
        super().__init__(tx, entries, wait=wait)
        self.recorder = Recorder(tx)
        self.seen: set[str] = set()
        self._in_batch: dict[tuple[str, str, str, int], messages.Stored] = {}

    async def run(self) -> Left:
        await self.place()
        await self._drop_repetitions()
        await self._queues_of_staff()
        await self.begin()
        await self._check_replies()
        for entry in self.undecided:
            self._apply(entry)
        await self.recorder.write()
        if self.seen:
            await contacts.seen(self.tx, self.seen, self.now)
        return self.left

    # -- repetitions

    async def _drop_repetitions(self) -> None:
        """Under the lock, so that whatever is found is committed and whatever is not found cannot come in beside us."""
        keys: dict[messages.Key, list[Entry]] = {}
        outside: dict[tuple[str, str], list[Entry]] = {}
        for entry in self.undecided:
            if entry.external_id:
                outside.setdefault((entry.sender.inbox_id, entry.external_id), []).append(entry)
            elif entry.client_id:
                keys.setdefault(self._key(entry), []).append(entry)
        if keys:
            for key, stored in (await messages.repetitions(self.tx, list(keys))).items():
                for entry in keys[key]:
                    self._repeat(entry, stored)
        if outside:
            for pair, stored in (await messages.inbound_repetitions(self.tx, list(outside))).items():
                for entry in outside[pair]:
                    self._repeat(entry, stored)
        self.settle()

    def _key(self, entry: Entry) -> messages.Key:
        # A contact's repetition is found wherever it was written: its conversation may have been closed meanwhile.
        if entry.sender.is_contact:
            return messages.Key(entry.client_id, self.contact_of[entry], AuthorKind.CONTACT, "")
        actor = entry.sender.actor
        return messages.Key(entry.client_id, actor.id, actor.kind, entry.conversation_id)

    def _repeat(self, entry: Entry, stored: messages.Stored) -> None:
        if stored.digest != entry.digest:
            name, value = (
                ("external_id", entry.external_id) if entry.external_id else ("client_id", entry.client_id)
            )
            self.refuse(
                entry,
                AlreadyExists(
                    reason=f"{name.upper()}_REUSED",
                    message=f"the {name} {value!r} was used for another message; use a new one",
                ),
            )
            return
        entry.outcome = Appended(
            stored.id,
            stored.conversation_id,
            stored.rev,
            stored.public_rev,
            stored.created_at,
            duplicate=True,
        )

    # -- who may, and what follows

    async def _queues_of_staff(self) -> None:
        agents = {
            e.sender.viewer.actor.id
            for e in self.undecided
            if e.sender.viewer and not e.sender.viewer.sees_all
        }
        if not agents:
            return
        queues = await projections.queues_of(self.tx, agents)
        for entry in self.undecided:
            viewer = entry.sender.viewer
            if viewer is not None and viewer.actor.id in queues:
                entry.sender.viewer = Viewer(viewer.actor, viewer.permissions, queues[viewer.actor.id])

    async def _check_replies(self) -> None:
        replying = [entry for entry in self.undecided if entry.reply_to]
        if not replying:
            return
        found = await messages.replies(self.tx, [(self.targets[entry], entry.reply_to) for entry in replying])
        for entry in replying:
            public = found.get((self.targets[entry], entry.reply_to))
            if public is None or (entry.sender.is_contact and not public):
                self.refuse(
                    entry,
                    InvalidArgument(
                        reason="REPLY_UNKNOWN",
                        message=f"the conversation has no message {entry.reply_to} to reply to",
                    ),
                )
        self.settle()

    def _apply(self, entry: Entry) -> None:
        if entry.outcome is not None:
            return
        conversation = self.held[self.targets[entry]]
        token = telemetry.set_traceparent(entry.traceparent)
        try:
            if (repeated := self._in_batch.get(self._batch_key(entry, conversation))) is not None:
                self._repeat(entry, repeated)
                return
            self._check(entry, conversation)
            self._post(entry, conversation)
        except YunsongError as refusal:
            self.refuse(entry, refusal)
        finally:
            telemetry.reset_traceparent(token)

    def _check(self, entry: Entry, conversation: Conversation) -> None:
        sender = entry.sender
        if sender.is_contact:
            if conversation.contact_blocked:
                raise blocked_contact()
        elif sender.viewer is not None:
            if entry.whisper:
                check_whisper(sender.viewer)
            if entry.visibility == Visibility.PUBLIC:
                check_answer(conversation, sender.viewer)
            else:
                check_read(conversation, sender.viewer)
        elif entry.expected_state is not None and conversation.state != entry.expected_state:
            raise FailedPrecondition(
                reason="STATE_UNEXPECTED",
                message=f"the conversation is {conversation.state.name}, not {entry.expected_state.name}",
                state=conversation.state.name,
            )
        elif entry.visibility == Visibility.PUBLIC and not conversation.open:
            raise FailedPrecondition(reason="CONVERSATION_RESOLVED", message="the conversation is closed")

    def _post(self, entry: Entry, conversation: Conversation) -> None:
        actor = self._author(entry, conversation)
        if conversation.rev == 0:
            # `insert_new` stored where it begins; the change that says so is the first.
            state, conversation.state = conversation.state, State.NEW
            self.recorder.record(conversation, conversation.begin(state, Asker.CONTACT, self.now), actor)
        elif entry.sender.is_contact and not conversation.open:
            # Before the message, so that whoever answers in the new state (the bot) sees it arrive there.
            self._reopen(conversation, actor)
        message = Message(
            id=new_id(),
            conversation_id=conversation.id,
            author=actor,
            visibility=entry.visibility,
            content=entry.stored,
            created_at=self.now,
            kind=entry.kind,
            preview=entry.preview,
            client_id=entry.client_id,
            reply_to_message_id=entry.reply_to,
            mention_user_ids=entry.mentions,
            external_id=entry.external_id,
            metadata=entry.metadata,
            whisper=entry.whisper,
            digest=entry.digest,
        )
        change = conversation.post(message)
        self.recorder.record(conversation, change, actor, entry.content, entry.terms)
        entry.outcome = Appended(
            message.id, conversation.id, message.rev, message.public_rev, self.now, message=message
        )
        self._in_batch[self._batch_key(entry, conversation)] = messages.Stored(
            message.id, conversation.id, message.rev, message.public_rev, entry.digest, self.now
        )
        if entry.sender.is_contact:
            self._contact_wrote(conversation, actor)

    def _contact_wrote(self, conversation: Conversation, actor: Actor) -> None:
        if conversation.contact_seen_at is None or self.now > conversation.contact_seen_at + SEEN_EVERY:
            self.seen.add(conversation.contact_id)
            conversation.contact_seen_at = self.now
        if conversation.state == State.SNOOZED:
            change = conversation.move(
                State.QUEUED,
                Asker.CONTACT,
                self.now,
                "contact_wrote",
                preferred_agent_id=conversation.last_assignee_id,
            )
        elif conversation.state == State.QUEUED and not conversation.announced:
            change = conversation.announce(self.now, "contact_wrote")
        else:
            return
        self.recorder.record(conversation, change, actor)

    def _reopen(self, conversation: Conversation, actor: Actor) -> None:
        inbox = self.inboxes[conversation.inbox_id]
        conversation.queue_id = conversation.queue_id or inbox.queue_id
        change = conversation.move(
            inbox.first_state,
            Asker.CONTACT,
            self.now,
            "reopened",
            preferred_agent_id=conversation.last_assignee_id,
        )
        self.recorder.record(conversation, change, actor)

    def _author(self, entry: Entry, conversation: Conversation) -> Actor:
        if not entry.sender.is_contact:
            return entry.sender.actor
        return Actor(
            AuthorKind.CONTACT, conversation.contact_id, conversation.contact_name or entry.sender.actor.name
        )

    # -- bookkeeping

    def _batch_key(self, entry: Entry, conversation: Conversation) -> tuple[str, str, str, int]:
        sender = entry.sender
        if entry.external_id:
            return entry.external_id, sender.inbox_id, "", 0
        author = conversation.contact_id if sender.is_contact else sender.actor.id
        return entry.client_id, conversation.id, author, int(sender.actor.kind)
