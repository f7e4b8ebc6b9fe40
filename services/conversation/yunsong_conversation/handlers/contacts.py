"""Contacts: who comes in under an identity, and what staff does with contacts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from yunsong.conversation.v1 import events_pb2
from yunsong_common.db import Database, Transaction
from yunsong_common.errors import Aborted, AlreadyExists, FailedPrecondition, InvalidArgument
from yunsong_common.ids import new_id
from yunsong_conversation.contact_protocol import contact_of
from yunsong_conversation.domain.contacts import (
    Contact,
    Identity,
    blocked_contact,
    check_identity,
    clean_name,
)
from yunsong_conversation.domain.messages import SYSTEM
from yunsong_conversation.domain.states import Asker, CloseReason
from yunsong_conversation.handlers.unit import changing_in
from yunsong_conversation.repository import contacts, erasure

MAX_ATTRIBUTES = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Somebody who comes to an inbox and says who it is."""

    inbox_id: str
    external_id: str
    verified: bool
    previous_external_id: str = ""
    values: dict[str, str] = field(default_factory=dict)  # name, email, phone, locale
    attributes: str = "{}"


async def ensure(db: Database, claim: Claim) -> Contact:
    """Finds or creates the contact behind an identity. Raises PERMISSION_DENIED / IDENTITY_VERIFIED, CONTACT_BLOCKED."""
    return await db.run(lambda tx: _ensure(tx, claim))


async def _ensure(tx: Transaction, claim: Claim) -> Contact:
    now = await tx.now()
    known = await contacts.lock_identity(tx, claim.inbox_id, claim.external_id)
    if known is not None:
        check_identity(known_verified=known.verified, claim_verified=claim.verified)
        if not claim.verified and await contacts.has_verified_identity(tx, known.contact_id, claim.inbox_id):
            # Merged by staff with somebody who has proved it: the weaker door stays shut.
            check_identity(known_verified=True, claim_verified=False)
        if known.blocked:
            raise blocked_contact()
    if known is not None and claim.verified and not known.verified:
        # Whoever used this name without proof keeps what it wrote, and loses the name to its owner: a session that was opened
        # before must not read what the owner writes from now on.
        await contacts.drop_identity(tx, claim.inbox_id, claim.external_id)
        known = None
    contact = await _known(tx, known.contact_id, claim, now) if known else await _new(tx, claim, now)
    if claim.verified and claim.previous_external_id:
        contact = await _carry_over(tx, contact, claim)
    return contact


async def _known(tx: Transaction, contact_id: str, claim: Claim, now: dt.datetime) -> Contact:
    contact = await contacts.get(tx, contact_id, lock=True)
    changed = contact.fill(claim.values, proved=claim.verified)
    merged = merge_attributes(contact.attributes, claim.attributes)
    if changed or merged != contact.attributes:
        contact.attributes = merged
        contact.last_seen_at = now
        await _save(tx, contact)
    return contact


async def _new(tx: Transaction, claim: Claim, now: dt.datetime) -> Contact:
    contact = Contact(
        id=new_id(),
        created_at=now,
        last_seen_at=now,
        attributes=merge_attributes("{}", claim.attributes),
        identities=[Identity(claim.inbox_id, claim.external_id, claim.verified, now)],
    )
    contact.fill(claim.values, proved=True)
    if not await contacts.insert(tx, [contact]):
        # Somebody created it a moment ago; `db.run` looks again.
        raise Aborted(
            reason="TRANSACTION_CONFLICT", message="the identity is being created elsewhere; try again"
        )
    tx.emit(events_pb2.ContactChanged(contact=contact_of(contact)), rev=contact.rev)
    return contact


async def _carry_over(tx: Transaction, contact: Contact, claim: Claim) -> Contact:
    """Moves what the person wrote before signing in, unless that identity has been proved itself."""
    previous = await contacts.lock_identity(tx, claim.inbox_id, claim.previous_external_id)
    if previous is None or previous.verified or previous.contact_id == contact.id:
        return contact
    # The old name led here without proof, so it must not go on doing so.
    await contacts.drop_identity(tx, claim.inbox_id, claim.previous_external_id)
    if await contacts.has_verified_identity(tx, previous.contact_id):
        return contact
    other = await contacts.get(tx, previous.contact_id, lock=True)
    return await _join(tx, contact, other, resolve_conflicts=True)


async def create(tx: Transaction, contact: Contact) -> Contact:
    """Stores a contact that staff enters. Raises ALREADY_EXISTS / IDENTITY_TAKEN, INVALID_ARGUMENT / ATTRIBUTES_TOO_LARGE."""
    merge_attributes("{}", contact.attributes)
    if not await contacts.insert(tx, [contact]):
        raise AlreadyExists(
            reason="IDENTITY_TAKEN",
            message="one of the identities belongs to another contact; merge the two instead",
        )
    tx.emit(events_pb2.ContactChanged(contact=contact_of(contact)), rev=contact.rev)
    return contact


async def update(tx: Transaction, contact_id: str, values: dict[str, str], *, rev: int = 0) -> Contact:
    """Sets fields by name; `attributes` is a whole JSON object and `attributes.<key>` the JSON of one value, empty to drop it.

    Raises NOT_FOUND / CONTACT_UNKNOWN, ABORTED / REVISION_CHANGED when `rev` is given and has moved on.
    """
    contact = await contacts.get(tx, contact_id, lock=True)
    if rev and rev != contact.rev:
        raise Aborted(
            reason="REVISION_CHANGED",
            message=f"the contact was changed since: its rev is {contact.rev}, not {rev}",
        )
    attributes = orjson.loads(contact.attributes)
    for name, value in values.items():
        if name == "attributes":
            attributes = orjson.loads(value)
        elif name.startswith("attributes."):
            key = name.removeprefix("attributes.")
            if value:
                attributes[key] = orjson.loads(value)
            else:
                attributes.pop(key, None)
        else:
            setattr(contact, name, clean_name(value) if name == "name" else value)
    contact.attributes = _checked_attributes(attributes)
    await _save(tx, contact)
    return contact


async def block_in(tx: Transaction, contact_id: str, *, blocked: bool) -> Contact:
    """Refuses what a contact writes, or admits it again."""
    contact = await contacts.get(tx, contact_id, lock=True)
    if contact.blocked != blocked:
        contact.blocked = blocked
        await _save(tx, contact)
    return contact


async def merge(tx: Transaction, contact_id: str, merged_id: str) -> Contact:
    """Merges one contact into another; the other disappears.

    Raises FAILED_PRECONDITION / MERGE_SELF, MERGE_OPEN_CONFLICT, NOT_FOUND / CONTACT_UNKNOWN.
    """
    if contact_id == merged_id:
        raise FailedPrecondition(reason="MERGE_SELF", message="a contact cannot be merged into itself")
    # In the order of the ids, so that two merges of the same pair wait for each other.
    locked = {one: await contacts.get(tx, one, lock=True) for one in sorted((contact_id, merged_id))}
    return await _join(tx, locked[contact_id], locked[merged_id], resolve_conflicts=False)


async def _join(tx: Transaction, contact: Contact, other: Contact, *, resolve_conflicts: bool) -> Contact:
    for conversation_id in await erasure.open_on_same_inbox(tx, contact.id, other.id):
        if not resolve_conflicts:
            raise FailedPrecondition(
                reason="MERGE_OPEN_CONFLICT",
                message="both contacts have an open conversation on the same inbox; close one of them first",
            )
        async with changing_in(tx, conversation_id) as unit:
            unit.record(
                unit.conversation.resolve(CloseReason.MERGED, Asker.TIMER, unit.now, "merged"), SYSTEM
            )
    await contacts.take_over(tx, from_id=other.id, to_id=contact.id)
    contact.fill(
        {name: getattr(other, name) for name in ("name", "email", "phone", "avatar_url", "locale")},
        proved=False,
    )
    contact.attributes = merge_attributes(other.attributes, contact.attributes)
    contact.blocked = contact.blocked or other.blocked
    contact.last_seen_at = max(contact.last_seen_at, other.last_seen_at)
    contact.identities = (await contacts.get(tx, contact.id)).identities
    await _save(tx, contact, merged_id=other.id)
    return contact


async def erase(tx: Transaction, contact_id: str) -> None:
    """Erases a contact for good, with its messages and their change log. Raises NOT_FOUND / CONTACT_UNKNOWN."""
    contact = await contacts.get(tx, contact_id, lock=True)
    conversation_ids = await erasure.erase(tx, contact.id)
    tx.emit(
        events_pb2.ContactErased(contact_id=contact_id, conversation_ids=conversation_ids),
        rev=contact.rev + 1,
    )


def merge_attributes(base: str, added: str) -> str:
    """Two JSON objects as one; `added` wins. Raises INVALID_ARGUMENT / ATTRIBUTES_TOO_LARGE."""
    if added in ("", "{}"):
        return base
    return _checked_attributes({**orjson.loads(base), **orjson.loads(added)})


def _checked_attributes(attributes: dict[str, object]) -> str:
    text = orjson.dumps(attributes, option=orjson.OPT_SORT_KEYS).decode()
    if len(text.encode()) > MAX_ATTRIBUTES:
        raise InvalidArgument(
            reason="ATTRIBUTES_TOO_LARGE",
            message=f"attributes can have {MAX_ATTRIBUTES} bytes as JSON at most",
        )
    if "\\u0000" in text:
        raise InvalidArgument(
            reason="ATTRIBUTES_INVALID", message="attributes cannot hold the character U+0000"
        )
    return text


async def _save(tx: Transaction, contact: Contact, *, merged_id: str = "") -> None:
    contact.rev += 1
    await contacts.save(tx, contact)
    tx.emit(
        events_pb2.ContactChanged(contact=contact_of(contact), merged_contact_id=merged_id), rev=contact.rev
    )


async def own_contact(tx: Transaction, contact_id: str, inbox_id: str, *, verified: bool) -> str:
    """The contact that a contact's session acts as. After a merge with somebody who has proved it, only with proof.

    Raises NOT_FOUND / CONTACT_UNKNOWN, PERMISSION_DENIED / IDENTITY_VERIFIED.
    """
    survivor = await contacts.survivor_id(tx, contact_id)
    if survivor != contact_id and not verified:
        proved = await contacts.has_verified_identity(tx, survivor, inbox_id)
        check_identity(known_verified=proved, claim_verified=False)
    return survivor


def blank(identities: Sequence[tuple[str, str]], now: dt.datetime) -> Contact:
    """A new contact with unproved identities."""
    return Contact(
        id=new_id(),
        created_at=now,
        last_seen_at=now,
        identities=[
            Identity(inbox_id, external_id, verified=False, created_at=now)
            for inbox_id, external_id in identities
        ],
    )


__all__ = [
    "Claim",
    "blank",
    "block_in",
    "create",
    "ensure",
    "erase",
    "merge",
    "merge_attributes",
    "own_contact",
    "update",
]
