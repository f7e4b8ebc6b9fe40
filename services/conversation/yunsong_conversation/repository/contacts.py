"""Contacts and how inboxes know them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import asyncpg

from yunsong_common.db import Transaction
from yunsong_conversation.domain.contacts import Contact, Identity, unknown_contact
from yunsong_conversation.segmentation import grams

_COLUMNS = (
    "k.id, k.name, k.email, k.phone, k.avatar_url, k.locale, k.attributes::text AS attributes, k.blocked, "
    "k.merged_into, k.rev, k.created_at, k.last_seen_at"
)


@dataclass(frozen=True, slots=True)
class Known:
    """Whom an identity stands for."""

    contact_id: str
    verified: bool
    blocked: bool


@dataclass(frozen=True, slots=True)
class Route:
    """Where the messages of a contact on an inbox go."""

    contact_id: str  # another one after a merge
    contact_name: str
    blocked: bool
    locale: str
    conversation_id: str  # the open one, else the last that was resolved; empty for none
    proved_only: bool  # after a merge: only a session that proved who it is may go on


async def routes(tx: Transaction, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Route]:
    """Finds for each (inbox, contact) where its messages go; unknown contacts are left out."""
    rows = await tx.raw.fetch(
        "SELECT t.inbox_id, t.contact_id, k.id, k.name, k.blocked, k.locale, coalesce(o.id, r.id) AS conversation_id, "
        "k0.merged_into IS NOT NULL AND EXISTS (SELECT 1 FROM identities i WHERE i.contact_id = k.id "
        "AND i.inbox_id = t.inbox_id AND i.verified) AS proved_only "
        "FROM unnest($1::uuid[], $2::uuid[]) AS t(inbox_id, contact_id) "
        "JOIN contacts k0 ON k0.id = t.contact_id JOIN contacts k ON k.id = coalesce(k0.merged_into, k0.id) "
        "LEFT JOIN LATERAL (SELECT id FROM conversations WHERE inbox_id = t.inbox_id AND contact_id = k.id AND state <> 6 "
        "LIMIT 1) o ON true "
        "LEFT JOIN LATERAL (SELECT id FROM conversations WHERE o.id IS NULL AND inbox_id = t.inbox_id AND contact_id = k.id "
        "AND state = 6 ORDER BY resolved_at DESC LIMIT 1) r ON true",
        [inbox_id for inbox_id, _ in pairs],
        [contact_id for _, contact_id in pairs],
    )
    return {
        (str(row["inbox_id"]), str(row["contact_id"])): Route(
            contact_id=str(row["id"]),
            contact_name=row["name"],
            blocked=row["blocked"],
            locale=row["locale"],
            conversation_id=str(row["conversation_id"]) if row["conversation_id"] else "",
            proved_only=row["proved_only"],
        )
        for row in rows
    }


async def known_identities(tx: Transaction, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Known]:
    """Whom these (inbox, external id) stand for; unknown ones are left out."""
    rows = await tx.raw.fetch(
        "SELECT i.inbox_id, i.external_id, i.contact_id, i.verified, k.blocked "
        "FROM unnest($1::uuid[], $2::text[]) AS t(inbox_id, external_id) "
        "JOIN identities i ON i.inbox_id = t.inbox_id AND i.external_id = t.external_id "
        "JOIN contacts k ON k.id = i.contact_id",
        [inbox_id for inbox_id, _ in pairs],
        [external_id for _, external_id in pairs],
    )
    return {
        (str(row["inbox_id"]), row["external_id"]): Known(
            str(row["contact_id"]), row["verified"], row["blocked"]
        )
        for row in rows
    }


async def mark_verified(tx: Transaction, pairs: Sequence[tuple[str, str]]) -> None:
    """Keeps that these (inbox, external id) have been proved."""
    await tx.raw.execute(
        "UPDATE identities i SET verified = true FROM unnest($1::uuid[], $2::text[]) AS t(inbox_id, external_id) "
        "WHERE i.inbox_id = t.inbox_id AND i.external_id = t.external_id",
        [inbox_id for inbox_id, _ in pairs],
        [external_id for _, external_id in pairs],
    )


async def insert(tx: Transaction, contacts: Sequence[Contact]) -> set[str]:
    """Stores new contacts with their identities; answers with the ids of those whose every identity was free.

    The others are not stored. Sorted by identity, so that two writers wait for each other in the same order.
    """
    claims = sorted(
        (i.inbox_id, i.external_id, c.id, i.verified, i.created_at) for c in contacts for i in c.identities
    )
    await tx.raw.executemany(
        "INSERT INTO contacts (id, name, email, phone, avatar_url, locale, attributes, search, created_at, last_seen_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, array_to_tsvector($8::text[]), $9, $10)",
        [
            (
                c.id,
                c.name,
                c.email,
                c.phone,
                c.avatar_url,
                c.locale,
                c.attributes,
                search_pieces(c),
                c.created_at,
                c.last_seen_at,
            )
            for c in contacts
        ],
    )
    won = await tx.raw.fetch(
        "INSERT INTO identities (inbox_id, external_id, contact_id, verified, created_at) "
        "SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::bool[], $5::timestamptz[]) "
        "ON CONFLICT DO NOTHING RETURNING contact_id",
        *([claim[n] for claim in claims] for n in range(5)),
    )
    count: dict[str, int] = {}
    for row in won:
        count[str(row[0])] = count.get(str(row[0]), 0) + 1
    stored = {c.id for c in contacts if count.get(c.id, 0) == len(c.identities)}
    if lost := [c.id for c in contacts if c.id not in stored]:
        await tx.raw.execute("DELETE FROM contacts WHERE id = ANY($1::uuid[])", lost)
    return stored


async def get(tx: Transaction, contact_id: str, *, lock: bool = False) -> Contact:
    """One contact with its identities. Raises NOT_FOUND / CONTACT_UNKNOWN, also for one that was merged away."""
    row = await tx.raw.fetchrow(
        f"SELECT {_COLUMNS} FROM contacts k WHERE k.id = $1 AND k.merged_into IS NULL{' FOR UPDATE' if lock else ''}",  # noqa: S608
        contact_id,
    )
    if row is None:
        raise unknown_contact(contact_id)
    return (await _with_identities(tx, [row]))[0]


async def survivor_id(tx: Transaction, contact_id: str) -> str:
    """The contact that a contact's session stands for now. Raises NOT_FOUND / CONTACT_UNKNOWN."""
    found = await tx.raw.fetchval("SELECT coalesce(merged_into, id) FROM contacts WHERE id = $1", contact_id)
    if found is None:
        raise unknown_contact(contact_id)
    return str(found)


async def save(tx: Transaction, contact: Contact) -> None:
    """Writes a contact's fields; identities have statements of their own."""
    await tx.raw.execute(
        "UPDATE contacts SET name = $2, email = $3, phone = $4, avatar_url = $5, locale = $6, attributes = $7, blocked = $8, "
        "rev = $9, search = array_to_tsvector($10::text[]), last_seen_at = $11 WHERE id = $1",
        contact.id, contact.name, contact.email, contact.phone, contact.avatar_url, contact.locale, contact.attributes,
        contact.blocked, contact.rev, search_pieces(contact), contact.last_seen_at,
    )  # fmt: skip


async def add_identity(tx: Transaction, contact_id: str, identity: Identity) -> bool:
    """Gives a contact one more identity; False when it is taken."""
    return bool(
        await tx.raw.fetchval(
            "INSERT INTO identities (inbox_id, external_id, contact_id, verified, created_at) VALUES ($1, $2, $3, $4, $5) "
            "ON CONFLICT DO NOTHING RETURNING 1",
            identity.inbox_id, identity.external_id, contact_id, identity.verified, identity.created_at,
        )
    )  # fmt: skip


async def lock_identity(tx: Transaction, inbox_id: str, external_id: str) -> Known | None:
    """Whom an identity stands for, locked."""
    row = await tx.raw.fetchrow(
        "SELECT i.contact_id, i.verified, k.blocked FROM identities i JOIN contacts k ON k.id = i.contact_id "
        "WHERE i.inbox_id = $1 AND i.external_id = $2 FOR UPDATE OF i",
        inbox_id, external_id,
    )  # fmt: skip
    return None if row is None else Known(str(row["contact_id"]), row["verified"], row["blocked"])


async def drop_identity(tx: Transaction, inbox_id: str, external_id: str) -> None:
    """Forgets an identity."""
    await tx.raw.execute(
        "DELETE FROM identities WHERE inbox_id = $1 AND external_id = $2", inbox_id, external_id
    )


async def has_verified_identity(tx: Transaction, contact_id: str, inbox_id: str | None = None) -> bool:
    """Whether the contact has proved who it is, on this inbox or on any."""
    return bool(
        await tx.raw.fetchval(
            "SELECT EXISTS (SELECT 1 FROM identities WHERE contact_id = $1 AND verified AND ($2::uuid IS NULL OR inbox_id = $2))",
            contact_id, inbox_id,
        )
    )  # fmt: skip


async def seen(tx: Transaction, contact_ids: Iterable[str], now: dt.datetime) -> None:
    """Keeps that contacts wrote; one whose row somebody holds is left for its next message."""
    await tx.raw.execute(
        "UPDATE contacts SET last_seen_at = $2 WHERE id IN ("
        "SELECT id FROM contacts WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED)",
        list(contact_ids), now,
    )  # fmt: skip


async def take_over(tx: Transaction, *, from_id: str, to_id: str) -> None:
    """Gives everything of one contact to another and leaves a sign where it went."""
    await tx.raw.execute("UPDATE identities SET contact_id = $2 WHERE contact_id = $1", from_id, to_id)
    await tx.raw.execute("UPDATE conversations SET contact_id = $2 WHERE contact_id = $1", from_id, to_id)
    await tx.raw.execute(
        "UPDATE contacts SET merged_into = $2 WHERE id = $1 OR merged_into = $1", from_id, to_id
    )


async def page(
    tx: Transaction,
    *,
    query: str,
    pieces: list[str],
    inbox_id: str,
    blocked: bool,
    after: Sequence[object] | None,
    limit: int,
) -> list[Contact]:
    """Contacts, last seen first, from behind `after`."""
    where: list[str] = ["k.merged_into IS NULL"]
    params: list[object] = []

    def param(value: object) -> str:
        params.append(value)
        return f"${len(params)}"

    if pieces:
        where.append(f"k.search @@ {param(' & '.join(_quoted(piece) for piece in pieces))}::text::tsquery")
        # Pieces can all be there without being neighbours, so the text itself decides.
        pattern = param("%" + query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%")
        known_as = f"SELECT 1 FROM identities i WHERE i.contact_id = k.id AND i.external_id ILIKE {pattern}"  # noqa: S608
        where.append(f"(concat_ws(chr(10), k.name, k.email, k.phone) ILIKE {pattern} OR EXISTS ({known_as}))")
    if inbox_id:
        where.append(
            f"EXISTS (SELECT 1 FROM identities i WHERE i.contact_id = k.id AND i.inbox_id = {param(inbox_id)}::uuid)"  # noqa: S608
        )
    if blocked:
        where.append("k.blocked")
    if after is not None:
        where.append(f"(k.last_seen_at, k.id) < ({param(after[0])}::timestamptz, {param(after[1])}::uuid)")
    rows = await tx.raw.fetch(
        f"SELECT {_COLUMNS} FROM contacts k WHERE {' AND '.join(where)} "  # noqa: S608 - parts of our own, values as parameters
        f"ORDER BY k.last_seen_at DESC, k.id DESC LIMIT {param(limit)}",
        *params,
    )
    return await _with_identities(tx, rows)


def search_pieces(contact: Contact) -> list[str]:
    """What a contact is looked up by."""
    texts = [contact.name, contact.email, contact.phone, *(i.external_id for i in contact.identities)]
    return grams(" ".join(texts))


async def _with_identities(tx: Transaction, rows: Sequence[asyncpg.Record]) -> list[Contact]:
    contacts = {str(row["id"]): _contact(row) for row in rows}
    if contacts:
        for row in await tx.raw.fetch(
            "SELECT contact_id, inbox_id, external_id, verified, created_at FROM identities "
            "WHERE contact_id = ANY($1::uuid[]) ORDER BY created_at, external_id",
            list(contacts),
        ):
            contacts[str(row["contact_id"])].identities.append(
                Identity(str(row["inbox_id"]), row["external_id"], row["verified"], row["created_at"])
            )
    return list(contacts.values())


def _contact(row: asyncpg.Record) -> Contact:
    return Contact(
        id=str(row["id"]),
        name=row["name"],
        email=row["email"],
        phone=row["phone"],
        avatar_url=row["avatar_url"],
        locale=row["locale"],
        attributes=row["attributes"],
        blocked=row["blocked"],
        rev=row["rev"],
        created_at=row["created_at"],
        last_seen_at=row["last_seen_at"],
    )


def _quoted(piece: str) -> str:
    return "'" + piece.replace("\\", "\\\\").replace("'", "''") + "'"
