"""Finds or creates the contacts behind what outside channels send."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Protocol

from yunsong.conversation.v1 import events_pb2
from yunsong_common.db import Transaction
from yunsong_common.errors import YunsongError
from yunsong_common.ids import new_id
from yunsong_conversation.contact_protocol import contact_of
from yunsong_conversation.domain.contacts import Contact, Identity, blocked_contact, check_identity
from yunsong_conversation.repository import contacts


class Outsider(Protocol):
    """Somebody who writes through an outside channel."""

    inbox_id: str
    identity: str
    verified: bool
    contact_name: str
    locale: str


async def identify(
    tx: Transaction, outsiders: Sequence[Outsider], now: dt.datetime
) -> list[str | YunsongError | None]:
    """The contact's id of each, in order; a refusal; or None where another writer creates the same one right now."""
    pairs = list(dict.fromkeys((o.inbox_id, o.identity) for o in outsiders))
    known = await contacts.known_identities(tx, pairs)
    fresh: dict[tuple[str, str], Contact] = {}
    proved: set[tuple[str, str]] = set()
    for outsider in outsiders:
        pair = outsider.inbox_id, outsider.identity
        if pair not in known and pair not in fresh:
            fresh[pair] = _new(outsider, now)
        elif pair in known and outsider.verified and not known[pair].verified:
            # These identities come from the channel alone, so nobody can have claimed one before.
            proved.add(pair)
    stored: set[str] = set()
    if fresh:
        stored = await contacts.insert(tx, list(fresh.values()))
        for contact in fresh.values():
            if contact.id in stored:
                tx.emit(events_pb2.ContactChanged(contact=contact_of(contact)), rev=contact.rev)
    if proved:
        await contacts.mark_verified(tx, sorted(proved))
    answers: list[str | YunsongError | None] = []
    for outsider in outsiders:
        pair = outsider.inbox_id, outsider.identity
        if pair not in fresh:
            answers.append(_admit(known[pair], outsider))
        elif fresh[pair].id in stored:
            first = fresh[pair].identities[0]
            answers.append(_admit(contacts.Known(fresh[pair].id, first.verified, blocked=False), outsider))
        else:
            answers.append(None)
    return answers


def _admit(known: contacts.Known, outsider: Outsider) -> str | YunsongError:
    try:
        check_identity(known_verified=known.verified, claim_verified=outsider.verified)
    except YunsongError as refusal:
        return refusal
    return blocked_contact() if known.blocked else known.contact_id


def _new(outsider: Outsider, now: dt.datetime) -> Contact:
    return Contact(
        id=new_id(),
        created_at=now,
        last_seen_at=now,
        name=outsider.contact_name,
        locale=outsider.locale,
        identities=[Identity(outsider.inbox_id, outsider.identity, outsider.verified, now)],
    )
