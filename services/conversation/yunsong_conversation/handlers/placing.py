"""Where the messages of a batch go: whose they are, which conversation, its lock, and conversations that begin."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from yunsong_common.db import Transaction
from yunsong_common.errors import FailedPrecondition, PermissionDenied, YunsongError
from yunsong_common.ids import new_id
from yunsong_conversation.domain.access import unknown_conversation
from yunsong_conversation.domain.contacts import blocked_contact, unknown_contact
from yunsong_conversation.domain.conversation import Conversation
from yunsong_conversation.domain.inboxes import Inbox
from yunsong_conversation.handlers.entry import PENDING, Entry, Left
from yunsong_conversation.handlers.identify import identify
from yunsong_conversation.repository import contacts, conversations, projections


class Placing:
    """The entries of one batch, each with its conversation under lock, refused, or left for another batch.

    `undecided` are those that go on; call `place`, then `begin`.
    """

    now: dt.datetime

    def __init__(self, tx: Transaction, entries: Sequence[Entry], *, wait: bool) -> None:
        self.tx = tx
        self.entries = entries
        self.wait = wait
        self.left = Left([], [])
        self.undecided = list(entries)
        self.contact_of: dict[Entry, str] = {}
        self.targets: dict[Entry, str] = {}
        self.routes: dict[tuple[str, str], contacts.Route] = {}
        self.inboxes: dict[str, Inbox] = {}
        self.held: dict[str, Conversation] = {}

    async def place(self) -> None:
        """Finds and locks the conversations that are there."""
        await self._identify()
        await self._route()
        await self._lock()
        self.now = await self.tx.now()

    async def _identify(self) -> None:
        """Contacts of messages from outside channels, found or created."""
        outside = [entry for entry in self.undecided if entry.sender.identity]
        for entry in self.undecided:
            if entry.sender.contact_id:
                self.contact_of[entry] = entry.sender.contact_id
        if outside:
            found = await identify(self.tx, [entry.sender for entry in outside], await self.tx.now())
            for entry, contact in zip(outside, found, strict=True):
                if isinstance(contact, YunsongError):
                    self.refuse(entry, contact)
                elif contact is None:
                    self.skip(entry)
                else:
                    self.contact_of[entry] = contact
        self.settle()

    async def _route(self) -> None:
        """The conversation of each entry; empty where one has to begin."""
        pairs: dict[tuple[str, str], None] = {}
        for entry in self.undecided:
            if entry.sender.is_contact:
                pairs[entry.sender.inbox_id, self.contact_of[entry]] = None
            else:
                self.targets[entry] = entry.conversation_id
        if not pairs:
            return
        self.routes = await contacts.routes(self.tx, list(pairs))
        strays: list[Entry] = []
        for entry in self.undecided:
            if not entry.sender.is_contact:
                continue
            route = self.routes.get((entry.sender.inbox_id, self.contact_of[entry]))
            if route is None:
                self.refuse(entry, unknown_contact(self.contact_of[entry]))
            elif route.blocked:
                self.refuse(entry, blocked_contact())
            elif route.proved_only and not entry.sender.verified:
                self.refuse(entry, _merged_away())
            else:
                self.contact_of[entry] = route.contact_id
                self.routes[entry.sender.inbox_id, route.contact_id] = route
                self.targets[entry] = route.conversation_id
                if entry.conversation_id and entry.conversation_id != route.conversation_id:
                    strays.append(entry)
        if strays:
            await self._check_strays(strays)
        self.settle()

    async def _check_strays(self, strays: list[Entry]) -> None:
        """A contact may name an older conversation of its own, never another's."""
        own = await self.tx.raw.fetch(
            "SELECT id, inbox_id, contact_id FROM conversations WHERE id = ANY($1::uuid[])",
            [entry.conversation_id for entry in strays],
        )
        owner = {str(row["id"]): (str(row["inbox_id"]), str(row["contact_id"])) for row in own}
        for entry in strays:
            if owner.get(entry.conversation_id) != (entry.sender.inbox_id, self.contact_of[entry]):
                self.refuse(entry, unknown_conversation(entry.conversation_id))

    async def _lock(self) -> None:
        wanted = {self.targets[entry] for entry in self.undecided if self.targets[entry]}
        if not wanted:
            return
        self.held = await conversations.lock_many(self.tx, wanted, wait=self.wait)
        missing = wanted - self.held.keys()
        if not missing:
            return
        taken = await conversations.existing(self.tx, missing)
        for entry in self.undecided:
            target = self.targets[entry]
            if target in taken:
                self.skip(entry)
            elif target in missing:
                self.refuse(entry, unknown_conversation(target))
        self.settle()

    async def begin(self) -> None:
        """Begins conversations for contacts who have none that goes on."""
        needed = {
            entry.sender.inbox_id
            for entry in self.undecided
            if entry.sender.is_contact and not (self.targets[entry] and self.held[self.targets[entry]].open)
        }
        if not needed:
            return
        self.inboxes = await projections.inboxes(self.tx, needed)
        fresh: dict[tuple[str, str], Conversation] = {}
        for entry in self.undecided:
            if not entry.sender.is_contact or (
                self.targets[entry] and self._goes_on(self.held[self.targets[entry]])
            ):
                continue
            pair = entry.sender.inbox_id, self.contact_of[entry]
            if pair not in fresh and (inbox := self._inbox(entry)) is not None:
                fresh[pair] = self._conversation(entry, inbox)
        self.settle()
        if not fresh:
            return
        stored = await conversations.insert_new(self.tx, list(fresh.values()))
        created = {pair: conversation for pair, conversation in fresh.items() if conversation.id in stored}
        for entry in self.undecided:
            pair = entry.sender.inbox_id, self.contact_of.get(entry, "")
            if pair in fresh:
                if pair in created:
                    self.targets[entry] = created[pair].id
                    self.held[self.targets[entry]] = created[pair]
                else:
                    self.skip(entry)
        self.settle()

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
            self.refuse(
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

    def refuse(self, entry: Entry, error: YunsongError) -> None:
        """It fails, alone."""
        entry.outcome = error

    def skip(self, entry: Entry) -> None:
        """Somebody holds its conversation: the next batch."""
        self.left.skipped.append(entry)
        entry.outcome = PENDING

    def settle(self) -> None:
        """Keeps those that are undecided."""
        self.undecided = [entry for entry in self.undecided if entry.outcome is None]


def _merged_away() -> PermissionDenied:
    return PermissionDenied(
        reason="IDENTITY_VERIFIED", message="this contact has proved who it is; sign in to go on"
    )
