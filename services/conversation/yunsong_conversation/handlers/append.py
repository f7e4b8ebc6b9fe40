"""One batch of messages in one transaction: find where each goes, lock, drop repetitions, apply, write.

An entry that is refused fails alone. A conversation that somebody else holds is left out with its entries, for the next batch.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import asyncpg

from yunsong_common import telemetry
from yunsong_common.db import Database, Transaction
from yunsong_common.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    PermissionDenied,
    YunsongError,
)
from yunsong_common.ids import new_id
from yunsong_conversation.domain.access import (
    Viewer,
    check_answer,
    check_read,
    check_whisper,
    unknown_conversation,
)
from yunsong_conversation.domain.contacts import SEEN_EVERY, blocked_contact, unknown_contact
from yunsong_conversation.domain.conversation import Conversation
from yunsong_conversation.domain.inboxes import Inbox
from yunsong_conversation.domain.messages import Actor, AuthorKind, Message, Visibility
from yunsong_conversation.domain.states import Asker, State
from yunsong_conversation.handlers.entry import PENDING, Appended, Entry, Left
from yunsong_conversation.handlers.identify import identify
from yunsong_conversation.handlers.record import Recorder
from yunsong_conversation.repository import contacts, conversations, messages, projections


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
        batch = _Batch(tx, entries, await tx.now(), wait=wait)
        return await batch.run()


class _Batch:
    def __init__(self, tx: Transaction, entries: Sequence[Entry], now: dt.datetime, *, wait: bool) -> None:
        self.tx = tx
        self.entries = entries
        self.now = now
        self.wait = wait
        self.recorder = Recorder(tx)
        self.left = Left([], [])
        self.undecided = list(entries)
        self.contact_of: dict[Entry, str] = {}
        self.routes: dict[tuple[str, str], contacts.Route] = {}
        self.inboxes: dict[str, Inbox] = {}
        self.held: dict[str, Conversation] = {}
        self.created: dict[tuple[str, str], Conversation] = {}
        self.seen: set[str] = set()
        self._in_batch: dict[tuple[str, str, str, int], messages.Stored] = {}

    async def run(self) -> Left:
        await self._identify()
        targets = await self._route()
        await self._lock(targets)
        await self._drop_repetitions()
        await self._queues_of_staff()
        await self._begin_conversations(targets)
        await self._check_replies(targets)
        for entry in self.undecided:
            self._apply(entry, targets)
        await self.recorder.write()
        if self.seen:
            await contacts.seen(self.tx, self.seen, self.now)
        return self.left

    # -- where each goes

    async def _identify(self) -> None:
        """Contacts of messages from outside channels, found or created."""
        outside = [entry for entry in self.undecided if entry.sender.identity]
        for entry in self.undecided:
            if entry.sender.contact_id:
                self.contact_of[entry] = entry.sender.contact_id
        if outside:
            found = await identify(self.tx, [entry.sender for entry in outside], self.now)
            for entry, contact in zip(outside, found, strict=True):
                if isinstance(contact, YunsongError):
                    self._refuse(entry, contact)
                elif contact is None:
                    self._skip(entry)
                else:
                    self.contact_of[entry] = contact
        self._settle()

    async def _route(self) -> dict[Entry, str]:
        """The conversation of each entry; empty where one has to begin."""
        targets: dict[Entry, str] = {}
        pairs: dict[tuple[str, str], None] = {}
        for entry in self.undecided:
            if entry.sender.is_contact:
                pairs[entry.sender.inbox_id, self.contact_of[entry]] = None
            else:
                targets[entry] = entry.conversation_id
        if not pairs:
            return targets
        self.routes = await contacts.routes(self.tx, list(pairs))
        strays: list[Entry] = []
        for entry in self.undecided:
            if not entry.sender.is_contact:
                continue
            route = self.routes.get((entry.sender.inbox_id, self.contact_of[entry]))
            if route is None:
                self._refuse(entry, unknown_contact(self.contact_of[entry]))
            elif route.blocked:
                self._refuse(entry, blocked_contact())
            elif route.proved_only and not entry.sender.verified:
                self._refuse(entry, _merged_away())
            else:
                self.contact_of[entry] = route.contact_id
                targets[entry] = route.conversation_id
                if entry.conversation_id and entry.conversation_id != route.conversation_id:
                    strays.append(entry)
        if strays:
            await self._check_strays(strays)
        self._settle()
        return targets

    async def _check_strays(self, strays: list[Entry]) -> None:
        """A contact may name an older conversation of its own, never another's."""
        own = await self.tx.raw.fetch(
            "SELECT id, inbox_id, contact_id FROM conversations WHERE id = ANY($1::uuid[])",
            [entry.conversation_id for entry in strays],
        )
        owner = {str(row["id"]): (str(row["inbox_id"]), str(row["contact_id"])) for row in own}
        for entry in strays:
            if owner.get(entry.conversation_id) != (entry.sender.inbox_id, self.contact_of[entry]):
                self._refuse(entry, unknown_conversation(entry.conversation_id))

    async def _lock(self, targets: dict[Entry, str]) -> None:
        wanted = {targets[entry] for entry in self.undecided if targets[entry]}
        if not wanted:
            return
        self.held = await conversations.lock_many(self.tx, wanted, wait=self.wait)
        missing = wanted - self.held.keys()
        if not missing:
            return
        taken = await conversations.existing(self.tx, missing)
        for entry in self.undecided:
            target = targets[entry]
            if target in taken:
                self._skip(entry)
            elif target in missing:
                self._refuse(entry, unknown_conversation(target))
        self._settle()

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
        self._settle()

    def _key(self, entry: Entry) -> messages.Key:
        # A contact's repetition is found wherever it was written: its conversation may have been closed meanwhile.
        if entry.sender.is_contact:
            return messages.Key(entry.client_id, self.contact_of[entry], AuthorKind.CONTACT, "")
        actor = entry.sender.actor
        return messages.Key(entry.client_id, actor.id, actor.kind, entry.conversation_id)

    def _repeat(self, entry: Entry, stored: messages.Stored) -> None:
        # What a channel sends again may differ in form; its id alone says that it is the same.
        if entry.client_id and stored.digest != entry.digest:
            self._refuse(
                entry,
                AlreadyExists(
                    reason="CLIENT_ID_REUSED",
                    message=f"the client_id {entry.client_id!r} was used for another message; use a new one",
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

    # -- conversations that begin

    async def _begin_conversations(self, targets: dict[Entry, str]) -> None:
        needed = {
            entry.sender.inbox_id
            for entry in self.undecided
            if entry.sender.is_contact and not (targets[entry] and self.held[targets[entry]].open)
        }
        if not needed:
            return
        self.inboxes = await projections.inboxes(self.tx, needed)
        fresh: dict[tuple[str, str], Conversation] = {}
        for entry in self.undecided:
            if not entry.sender.is_contact or (targets[entry] and self._goes_on(self.held[targets[entry]])):
                continue
            pair = entry.sender.inbox_id, self.contact_of[entry]
            if pair not in fresh and (inbox := self._inbox(entry)) is not None:
                fresh[pair] = self._conversation(entry, inbox)
        self._settle()
        if not fresh:
            return
        stored = await conversations.insert_new(self.tx, list(fresh.values()))
        for pair, conversation in fresh.items():
            if conversation.id in stored:
                self.created[pair] = conversation
        for entry in self.undecided:
            pair = entry.sender.inbox_id, self.contact_of.get(entry, "")
            if pair in fresh:
                if pair in self.created:
                    targets[entry] = self.created[pair].id
                    self.held[targets[entry]] = self.created[pair]
                else:
                    self._skip(entry)
        self._settle()

    def _goes_on(self, conversation: Conversation) -> bool:
        inbox = self.inboxes.get(conversation.inbox_id)
        return conversation.open or (
            inbox is not None and conversation.reopens(inbox.reopen_window_s, self.now)
        )

    def _inbox(self, entry: Entry) -> Inbox | None:
        inbox = self.inboxes.get(entry.sender.inbox_id)
        if inbox is None:
            self.left.unknown_inbox.append(entry)
            entry.outcome = PENDING
            return None
        if inbox.deleted or not inbox.enabled:
            self._refuse(
                entry, FailedPrecondition(reason="INBOX_DISABLED", message="this inbox takes no messages")
            )
            return None
        return inbox

    def _conversation(self, entry: Entry, inbox: Inbox) -> Conversation:
        contact_id = self.contact_of[entry]
        route = self.routes.get((inbox.id, contact_id))
        return Conversation(
            id=new_id(),
            inbox_id=inbox.id,
            channel=inbox.channel,
            contact_id=contact_id,
            contact_name=route.contact_name if route else entry.sender.contact_name,
            created_at=self.now,
            last_message_at=self.now,
            state=inbox.first_state,
            queue_id=inbox.queue_id,
            required_skills=dict(inbox.required_skills),
            locale=(route.locale if route else "") or entry.sender.locale,
            contact_seen_at=self.now,
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

    async def _check_replies(self, targets: dict[Entry, str]) -> None:
        replying = [entry for entry in self.undecided if entry.reply_to]
        if not replying:
            return
        found = await messages.replies(self.tx, [(targets[entry], entry.reply_to) for entry in replying])
        for entry in replying:
            public = found.get((targets[entry], entry.reply_to))
            if public is None or (entry.sender.is_contact and not public):
                self._refuse(
                    entry,
                    InvalidArgument(
                        reason="REPLY_UNKNOWN",
                        message=f"the conversation has no message {entry.reply_to} to reply to",
                    ),
                )
        self._settle()

    def _apply(self, entry: Entry, targets: dict[Entry, str]) -> None:
        if entry.outcome is not None:
            return
        conversation = self.held[targets[entry]]
        token = telemetry.set_traceparent(entry.traceparent)
        try:
            if (repeated := self._in_batch.get(self._batch_key(entry, conversation))) is not None:
                self._repeat(entry, repeated)
                return
            self._check(entry, conversation)
            self._post(entry, conversation)
        except YunsongError as refusal:
            self._refuse(entry, refusal)
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

    def _refuse(self, entry: Entry, error: YunsongError) -> None:
        entry.outcome = error

    def _skip(self, entry: Entry) -> None:
        self.left.skipped.append(entry)
        entry.outcome = PENDING

    def _settle(self) -> None:
        self.undecided = [entry for entry in self.undecided if entry.outcome is None]


def _merged_away() -> PermissionDenied:
    return PermissionDenied(
        reason="IDENTITY_VERIFIED", message="this contact has proved who it is; sign in to go on"
    )
