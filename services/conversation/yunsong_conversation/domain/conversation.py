"""A conversation: everything that changes it, each change with its revision."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from yunsong_common.errors import FailedPrecondition
from yunsong_conversation.domain.changes import (
    Change,
    ConversationCreated,
    ConversationRated,
    ConversationUpdated,
    DeliveryChanged,
    MessageEdited,
    MessagePosted,
    MessageRecalled,
    MessagesRead,
    StateChanged,
)
from yunsong_conversation.domain.messages import (
    Actor,
    AuthorKind,
    Delivery,
    Message,
)
from yunsong_conversation.domain.states import HELD, Asker, CloseReason, State, check_move

RATING_WINDOW = dt.timedelta(days=7)
NORMAL_PRIORITY = 3


@dataclass(slots=True)
class Conversation:
    """One thread between a contact and the business, as it is stored.

    Every method that changes it takes the next `rev`, and the next `public_rev` when the contact may see the change;
    both are gapless. The caller holds the row's lock.
    """

    id: str
    inbox_id: str
    channel: str
    contact_id: str
    created_at: dt.datetime
    last_message_at: dt.datetime
    state: State = State.NEW
    contact_name: str = ""
    contact_blocked: bool = False
    contact_seen_at: dt.datetime | None = None
    queue_id: str = ""
    assignee_id: str = ""
    assignee_name: str = ""
    last_assignee_id: str = ""
    participant_ids: list[str] = field(default_factory=list)
    mentioned_ids: list[str] = field(default_factory=list)
    priority: int = NORMAL_PRIORITY
    subject: str = ""
    attributes: str = "{}"  # JSON
    label_ids: list[str] = field(default_factory=list)
    required_skills: dict[str, int] = field(default_factory=dict)
    locale: str = ""
    rev: int = 0
    public_rev: int = 0
    epoch: int = 0
    agent_read_rev: int = 0
    agent_read_public_rev: int = 0
    contact_read_rev: int = 0
    contact_read_public_rev: int = 0
    unread_count: int = 0
    contact_unread_count: int = 0
    last_message_preview: str = ""
    last_author_kind: AuthorKind = AuthorKind.NONE
    queued_at: dt.datetime | None = None
    first_assigned_at: dt.datetime | None = None
    first_reply_at: dt.datetime | None = None
    due_at: dt.datetime | None = None
    due_seq: int = 0
    snoozed_until: dt.datetime | None = None
    idle_reminded_at: dt.datetime | None = None
    resolved_at: dt.datetime | None = None
    close_reason: CloseReason = CloseReason.NONE
    wrap_up_category_id: str = ""
    wrap_up_category_name: str = ""
    summary: str = ""
    csat_score: int = 0
    csat_comment: str = ""
    spam: bool = False
    moved: bool = False  # more changed than a message's counters
    announced: bool = True  # False while it began in a queue and nobody was told that it waits

    # -- revisions

    def _next(self, *, public: bool) -> tuple[int, int]:
        self.rev += 1
        if not public:
            return self.rev, 0
        self.public_rev += 1
        return self.rev, self.public_rev

    def _contact_sees(self) -> tuple[object, ...]:
        """What of this record the contact is shown."""
        shown = State.ACTIVE if self.state == State.SNOOZED else self.state
        rating = self.first_assigned_at is not None or self.state == State.RESOLVED
        return shown, self.assignee_name, self.resolved_at, self.csat_score, rating

    # -- life

    def begin(self, state: State, asker: Asker, now: dt.datetime) -> Change:
        """It comes to be, in its first state."""
        check_move(State.NEW, state, asker)
        self.state = state
        if state == State.QUEUED:
            self.epoch, self.queued_at, self.announced = 1, now, False
        self.moved = True
        rev, public_rev = self._next(public=True)
        return ConversationCreated(rev, public_rev, now)

    def announce(self, now: dt.datetime, reason: str, *, required_agent_id: str = "") -> Change:
        """It began in a queue: tells, after its first message, that it waits, as every other move into a queue does."""
        self.announced = True
        rev, _ = self._next(public=False)
        return StateChanged(rev, 0, now, State.NEW, self.state, reason, "", required_agent_id)

    def move(
        self,
        to: State,
        asker: Asker,
        now: dt.datetime,
        reason: str,
        *,
        preferred_agent_id: str = "",
        required_agent_id: str = "",
    ) -> Change:
        """A move of the state machine, except into ACTIVE, which is `assign`. A new wait raises the epoch, so that older plans are refused.

        Raises FAILED_PRECONDITION / TRANSITION_REFUSED.
        """
        check_move(self.state, to, asker)
        before, start = self._contact_sees(), self.state
        if start == State.RESOLVED:
            self._reopen()
        if start in HELD and to not in HELD and to != State.RESOLVED:
            self._leave_agent()
        self.state = to
        self.queued_at = now if to == State.QUEUED and start != State.QUEUED else self.queued_at
        if to == State.QUEUED:
            self.epoch += 1
        else:
            self.queued_at = None
        if to != State.SNOOZED:
            self.snoozed_until = None
        if to == State.RESOLVED:
            self.resolved_at, self.due_at = now, None
        self.idle_reminded_at = None
        return self._state_changed(before, start, now, reason, preferred_agent_id, required_agent_id)

    def assign(self, agent: Actor, queue_id: str, now: dt.datetime, reason: str) -> Change:
        """An agent gets it, from the router. The epoch stays: only a new wait raises it."""
        check_move(self.state, State.ACTIVE, Asker.ROUTER)
        before, start = self._contact_sees(), self.state
        self.state = State.ACTIVE
        self.assignee_id, self.assignee_name = agent.id, agent.name
        self.last_assignee_id = agent.id
        if agent.id not in self.participant_ids:
            self.participant_ids = [*self.participant_ids, agent.id]
        self.queue_id = queue_id or self.queue_id
        self.first_assigned_at = self.first_assigned_at or now
        self.queued_at = self.snoozed_until = self.idle_reminded_at = None
        return self._state_changed(before, start, now, reason, "", "")

    def resolve(self, close_reason: CloseReason, asker: Asker, now: dt.datetime, reason: str) -> Change:
        """It is closed."""
        check_move(self.state, State.RESOLVED, asker)
        self.close_reason = close_reason
        return self.move(State.RESOLVED, asker, now, reason)

    def snooze(self, until: dt.datetime, asker: Asker, now: dt.datetime) -> Change:
        """It is put aside; its agent stays named, the load is the router's to free."""
        check_move(self.state, State.SNOOZED, asker)
        self.snoozed_until = until
        return self.move(State.SNOOZED, asker, now, "snoozed")

    def _reopen(self) -> None:
        self.resolved_at, self.close_reason = None, CloseReason.NONE
        self.wrap_up_category_id = self.wrap_up_category_name = self.summary = ""
        self._leave_agent()

    def _leave_agent(self) -> None:
        self.assignee_id = self.assignee_name = ""

    def _state_changed(
        self,
        before: tuple[object, ...],
        start: State,
        now: dt.datetime,
        reason: str,
        preferred: str,
        required: str,
    ) -> Change:
        self.moved = True
        rev, public_rev = self._next(public=before != self._contact_sees())
        return StateChanged(rev, public_rev, now, start, self.state, reason, preferred, required)

    # -- messages

    def post(self, message: Message) -> Change:
        """A message is written. Whether its author may is decided before."""
        message.rev, message.public_rev = self._next(public=message.public)
        if message.outgoing:
            message.delivery = Delivery.PENDING
        if message.kind != "system":
            self._count(message)
        return MessagePosted(message.rev, message.public_rev, message.created_at, message)

    def _count(self, message: Message) -> None:
        by_contact = message.author.kind == AuthorKind.CONTACT
        if message.public:
            self.last_message_preview = message.preview
            self.last_author_kind = message.author.kind
            self.last_message_at = max(self.last_message_at, message.created_at)
            self.idle_reminded_at = None
        if by_contact:
            self.unread_count += 1
        elif message.public:
            self.contact_unread_count += 1
        if message.public and message.author.kind == AuthorKind.AGENT and self.first_reply_at is None:
            self.first_reply_at = message.created_at
        new = [user for user in message.mention_user_ids if user not in self.mentioned_ids]
        if new:
            self.mentioned_ids = [*self.mentioned_ids, *new]
            self.moved = True

    def edit(self, message: Message, content: bytes, preview: str, now: dt.datetime) -> Change:
        """A message's text is replaced."""
        message.content, message.preview, message.edited_at = content, preview, now
        self._touch_preview(message, preview)
        rev, public_rev = self._next(public=message.public)
        return MessageEdited(rev, public_rev, now, message)

    def recall(self, message: Message, now: dt.datetime) -> Change:
        """A message is taken back; what it said is gone."""
        message.content, message.preview, message.recalled_at = None, "", now
        self._touch_preview(message, "")
        rev, public_rev = self._next(public=message.public)
        return MessageRecalled(rev, public_rev, now, message.id, message.visibility)

    def _touch_preview(self, message: Message, preview: str) -> None:
        self.moved = True
        if (
            message.public
            and message.author.kind == self.last_author_kind
            and (message.created_at >= self.last_message_at)
        ):
            self.last_message_preview = preview

    def delivered(self, message: Message, to: Delivery, error: str, now: dt.datetime) -> Change:
        """A delivery came further."""
        message.delivery, message.delivery_error = to, error
        rev, _ = self._next(public=False)
        return DeliveryChanged(rev, 0, now, message.id, to, error)

    def read_by_agent(
        self, read_rev: int, read_public_rev: int, unread: int, now: dt.datetime
    ) -> Change | None:
        """The assignee has read up to `read_rev`, of which the contact knows `read_public_rev`; None when that is not new."""
        if read_rev <= self.agent_read_rev:
            return None
        shows = read_public_rev > self.agent_read_public_rev
        self.agent_read_rev, self.unread_count = read_rev, unread
        self.agent_read_public_rev = max(read_public_rev, self.agent_read_public_rev)
        self.moved = True
        rev, public_rev = self._next(public=shows)
        return MessagesRead(rev, public_rev, now, AuthorKind.AGENT, read_rev, self.agent_read_public_rev)

    def read_by_contact(
        self, read_rev: int, read_public_rev: int, unread: int, now: dt.datetime
    ) -> Change | None:
        """The contact has read up to `read_public_rev`; None when that is not new."""
        if read_public_rev <= self.contact_read_public_rev:
            return None
        self.contact_read_rev, self.contact_read_public_rev = read_rev, read_public_rev
        self.contact_unread_count = unread
        self.moved = True
        rev, public_rev = self._next(public=True)
        return MessagesRead(rev, public_rev, now, AuthorKind.CONTACT, read_rev, read_public_rev)

    # -- fields

    def update(self, fields: list[str], now: dt.datetime) -> Change:
        """Fields that only staff sees were changed by the caller; `fields` names them."""
        self.moved = True
        rev, _ = self._next(public=False)
        return ConversationUpdated(rev, 0, now, fields)

    def rate(self, score: int, comment: str, now: dt.datetime) -> Change:
        """The contact rates it. Raises FAILED_PRECONDITION / RATING_NOT_OPEN."""
        if not rating_open(self.state, self.first_assigned_at, self.resolved_at, now):
            raise FailedPrecondition(
                reason="RATING_NOT_OPEN",
                message="a conversation can be rated once an agent had it or it is closed, until 7 days after its end",
            )
        self.csat_score, self.csat_comment = score, comment
        self.moved = True
        rev, public_rev = self._next(public=True)
        return ConversationRated(rev, public_rev, now, score, comment)

    def reopens(self, window_s: int, now: dt.datetime) -> bool:
        """It is closed, and a message of the contact opens it again."""
        return (
            self.state == State.RESOLVED
            and self.resolved_at is not None
            and not self.spam
            and self.close_reason != CloseReason.MERGED
            and now < self.resolved_at + dt.timedelta(seconds=window_s)
        )

    @property
    def open(self) -> bool:
        """It is not closed."""
        return self.state != State.RESOLVED


def rating_open(
    state: State, first_assigned_at: dt.datetime | None, resolved_at: dt.datetime | None, now: dt.datetime
) -> bool:
    """Whether the contact can rate: an agent had it or it is closed, and its end is less than 7 days ago."""
    if state != State.RESOLVED:
        return first_assigned_at is not None
    return resolved_at is None or now < resolved_at + RATING_WINDOW
