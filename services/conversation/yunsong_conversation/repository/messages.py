"""Messages: writing many at once, reading, finding repetitions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from yunsong_common.db import Transaction
from yunsong_common.errors import NotFound
from yunsong_conversation.domain.messages import Actor, AuthorKind, Delivery, Message, Visibility

COLUMNS = (
    "m.id, m.conversation_id, m.rev, m.public_rev, m.author_kind, m.author_id, m.author_name, m.visibility, m.kind, "
    "m.content, m.client_id, m.digest, m.reply_to, m.mention_ids, m.external_id, m.metadata, m.whisper, m.delivery_state, "
    "m.delivery_error, m.created_at, m.edited_at, m.recalled_at"
)


@dataclass(frozen=True, slots=True)
class Stored:
    """What a repetition is answered with."""

    id: str
    conversation_id: str
    rev: int
    public_rev: int
    digest: bytes
    created_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Key:
    """What makes an entry a repetition: its author's own id, in one conversation or, for a contact, in any."""

    client_id: str
    author_id: str
    author_kind: AuthorKind
    conversation_id: str  # empty = any


async def insert(
    tx: Transaction, messages: Sequence[Message], inbox_ids: Sequence[str], terms: Sequence[list[str]]
) -> None:
    """Stores messages in one statement. `terms` are what each is found by."""
    await tx.raw.execute(
        "INSERT INTO messages (id, conversation_id, rev, public_rev, inbox_id, author_kind, author_id, author_name, "
        "visibility, kind, content, client_id, digest, reply_to, mention_ids, external_id, metadata, whisper, "
        "delivery_state, search, created_at) "
        "SELECT id, conversation_id, rev, public_rev, inbox_id, author_kind, author_id, author_name, visibility, kind, "
        "content, client_id, digest, reply_to, mention_ids::uuid[], external_id, metadata, whisper, delivery_state, "
        # Terms hold no white space, so splitting gives back exactly what was joined.
        "array_to_tsvector(string_to_array(terms, ' ')), created_at "
        "FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::uuid[], $6::smallint[], $7::text[], "
        "$8::text[], $9::smallint[], $10::text[], $11::bytea[], $12::text[], $13::bytea[], $14::uuid[], $15::text[], "
        "$16::text[], $17::bytea[], $18::bool[], $19::smallint[], $20::text[], $21::timestamptz[]) "
        "AS t(id, conversation_id, rev, public_rev, inbox_id, author_kind, author_id, author_name, visibility, kind, "
        "content, client_id, digest, reply_to, mention_ids, external_id, metadata, whisper, delivery_state, terms, created_at)",
        [m.id for m in messages],
        [m.conversation_id for m in messages],
        [m.rev for m in messages],
        [m.public_rev for m in messages],
        inbox_ids,
        [m.author.kind for m in messages],
        [m.author.id for m in messages],
        [m.author.name for m in messages],
        [m.visibility for m in messages],
        [m.kind for m in messages],
        [m.content for m in messages],
        [m.client_id for m in messages],
        [m.digest for m in messages],
        [m.reply_to_message_id or None for m in messages],
        ["{" + ",".join(m.mention_user_ids) + "}" for m in messages],
        [m.external_id for m in messages],
        [m.metadata for m in messages],
        [m.whisper for m in messages],
        [m.delivery for m in messages],
        [" ".join(words) or None for words in terms],
        [m.created_at for m in messages],
    )


async def repetitions(tx: Transaction, keys: Sequence[Key]) -> dict[Key, Stored]:
    """Which of these were written before."""
    rows = await tx.raw.fetch(
        "SELECT t.n, m.* FROM unnest($1::text[], $2::text[], $3::smallint[], $4::uuid[]) WITH ORDINALITY "
        "AS t(client_id, author_id, author_kind, conversation_id, n) CROSS JOIN LATERAL ("
        "SELECT id, conversation_id, rev, public_rev, digest, created_at FROM messages "
        "WHERE client_id = t.client_id AND client_id <> '' AND author_id = t.author_id AND author_kind = t.author_kind "
        "AND (t.conversation_id IS NULL OR conversation_id = t.conversation_id) LIMIT 1) m",
        [key.client_id for key in keys],
        [key.author_id for key in keys],
        [key.author_kind for key in keys],
        [key.conversation_id or None for key in keys],
    )
    return {keys[row["n"] - 1]: _stored(row) for row in rows}


async def inbound_repetitions(
    tx: Transaction, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Stored]:
    """Which of these (inbox, external id) came in before."""
    rows = await tx.raw.fetch(
        "SELECT t.n, m.* FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS t(inbox_id, external_id, n) "
        "CROSS JOIN LATERAL (SELECT id, conversation_id, rev, public_rev, digest, created_at FROM messages "
        "WHERE inbox_id = t.inbox_id AND external_id = t.external_id AND author_kind = 1 AND external_id <> '' LIMIT 1) m",
        [inbox_id for inbox_id, _ in keys],
        [external_id for _, external_id in keys],
    )
    return {keys[row["n"] - 1]: _stored(row) for row in rows}


async def get(tx: Transaction, conversation_id: str, message_id: str) -> Message:
    """One message. Raises NOT_FOUND / MESSAGE_UNKNOWN."""
    row = await tx.raw.fetchrow(
        f"SELECT {COLUMNS} FROM messages m WHERE m.id = $1 AND m.conversation_id = $2",  # noqa: S608
        message_id, conversation_id,
    )  # fmt: skip
    if row is None:
        raise unknown_message(message_id)
    return message_from(row)


async def get_many(tx: Transaction, ids: Sequence[str]) -> dict[str, Message]:
    """Messages by id; unknown ones are left out."""
    rows = await tx.raw.fetch(f"SELECT {COLUMNS} FROM messages m WHERE m.id = ANY($1::uuid[])", list(ids))  # noqa: S608
    return {str(row["id"]): message_from(row) for row in rows}


async def replies(tx: Transaction, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bool]:
    """Which of these (conversation, message) exist, and whether the contact may see the message."""
    rows = await tx.raw.fetch(
        "SELECT m.conversation_id, m.id, m.visibility FROM unnest($1::uuid[], $2::uuid[]) AS t(conversation_id, id) "
        "JOIN messages m ON m.id = t.id AND m.conversation_id = t.conversation_id",
        [conversation_id for conversation_id, _ in pairs],
        [message_id for _, message_id in pairs],
    )
    return {(str(row[0]), str(row[1])): row[2] == Visibility.PUBLIC for row in rows}


async def page(
    tx: Transaction, conversation_id: str, *, before_rev: int = 0, after_rev: int = 0, limit: int
) -> tuple[list[Message], bool]:
    """A page by rev, ascending: after `after_rev` the oldest, else the newest before `before_rev`; and whether there are more."""
    if after_rev:
        bound, value, order = ">", after_rev, "ASC"
    else:
        bound, value, order = "<", before_rev or 2**62, "DESC"
    rows = await tx.raw.fetch(
        f"SELECT {COLUMNS} FROM messages m WHERE m.conversation_id = $1 AND m.rev {bound} $2 ORDER BY m.rev {order} LIMIT $3",  # noqa: S608
        conversation_id, value, limit + 1,
    )  # fmt: skip
    found = [message_from(row) for row in rows[:limit]]
    return (found if after_rev else found[::-1]), len(rows) > limit


async def public_page(
    tx: Transaction, conversation_id: str, *, before_public_rev: int, limit: int
) -> tuple[list[Message], bool]:
    """The newest page that the contact may see, ascending, and whether there are older ones."""
    rows = await tx.raw.fetch(
        f"SELECT {COLUMNS} FROM messages m WHERE m.conversation_id = $1 AND m.public_rev > 0 AND m.public_rev < $2 "  # noqa: S608
        "ORDER BY m.public_rev DESC LIMIT $3",
        conversation_id, before_public_rev or 2**62, limit + 1,
    )  # fmt: skip
    return [message_from(row) for row in rows[:limit]][::-1], len(rows) > limit


async def save(tx: Transaction, message: Message, terms: list[str] | None = None) -> None:
    """Writes what can change of a message; `terms` only when its text changed."""
    await tx.raw.execute(
        "UPDATE messages SET content = $2, edited_at = $3, recalled_at = $4, delivery_state = $5, delivery_error = $6, "
        "external_id = $7, search = CASE WHEN $8 THEN array_to_tsvector(string_to_array($9::text, ' ')) ELSE search END "
        "WHERE id = $1",
        message.id, message.content, message.edited_at, message.recalled_at, message.delivery, message.delivery_error,
        message.external_id, terms is not None, " ".join(terms or []) or None,
    )  # fmt: skip


async def public_rev_at(tx: Transaction, conversation_id: str, rev: int) -> int:
    """The public revision of the last message up to `rev` that the contact may see; 0 for none."""
    value = await tx.raw.fetchval(
        "SELECT public_rev FROM messages WHERE conversation_id = $1 AND rev <= $2 AND public_rev > 0 ORDER BY rev DESC LIMIT 1",
        conversation_id, rev,
    )  # fmt: skip
    return int(value or 0)


async def rev_at(tx: Transaction, conversation_id: str, public_rev: int) -> int:
    """The revision of the last message up to `public_rev`; 0 for none."""
    value = await tx.raw.fetchval(
        "SELECT rev FROM messages WHERE conversation_id = $1 AND public_rev > 0 AND public_rev <= $2 "
        "ORDER BY public_rev DESC LIMIT 1",
        conversation_id, public_rev,
    )  # fmt: skip
    return int(value or 0)


async def unread_by_agent(tx: Transaction, conversation_id: str, after_rev: int) -> int:
    """How many messages the contact wrote after `after_rev`."""
    count: int = await tx.raw.fetchval(
        "SELECT count(*) FROM messages WHERE conversation_id = $1 AND rev > $2 AND author_kind = 1 AND kind <> 'system'",
        conversation_id, after_rev,
    )  # fmt: skip
    return count


async def unread_by_contact(tx: Transaction, conversation_id: str, after_public_rev: int) -> int:
    """How many messages to the contact came after `after_public_rev`."""
    count: int = await tx.raw.fetchval(
        "SELECT count(*) FROM messages WHERE conversation_id = $1 AND public_rev > $2 AND public_rev > 0 "
        "AND author_kind <> 1 AND kind <> 'system'",
        conversation_id, after_public_rev,
    )  # fmt: skip
    return count


def message_from(row: asyncpg.Record) -> Message:
    """The message of a row with `COLUMNS`."""
    return Message(
        id=str(row["id"]),
        conversation_id=str(row["conversation_id"]),
        author=Actor(AuthorKind(row["author_kind"]), row["author_id"], row["author_name"]),
        visibility=Visibility(row["visibility"]),
        content=row["content"],
        created_at=row["created_at"],
        kind=row["kind"],
        client_id=row["client_id"],
        reply_to_message_id=str(row["reply_to"]) if row["reply_to"] else "",
        mention_user_ids=[str(user) for user in row["mention_ids"]],
        external_id=row["external_id"],
        metadata=row["metadata"],
        whisper=row["whisper"],
        digest=row["digest"],
        delivery=Delivery(row["delivery_state"]),
        delivery_error=row["delivery_error"],
        rev=row["rev"],
        public_rev=row["public_rev"],
        edited_at=row["edited_at"],
        recalled_at=row["recalled_at"],
    )


def unknown_message(message_id: str) -> NotFound:
    """There is no such message in the conversation."""
    return NotFound(reason="MESSAGE_UNKNOWN", message=f"the conversation has no message {message_id}")


def _stored(row: asyncpg.Record) -> Stored:
    return Stored(
        str(row["id"]),
        str(row["conversation_id"]),
        row["rev"],
        row["public_rev"],
        row["digest"],
        row["created_at"],
    )
