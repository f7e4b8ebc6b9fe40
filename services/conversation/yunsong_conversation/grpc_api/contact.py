"""Contacts as staff manages them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Collection
from uuid import UUID

import orjson

from yunsong.conversation.v1 import contact_pb2, contact_pb2_grpc, model_pb2
from yunsong_common.db import Database, Transaction, once
from yunsong_common.errors import InvalidArgument, NotFound, Violation
from yunsong_common.grpc import current_call
from yunsong_conversation.contact_protocol import contact_of
from yunsong_conversation.domain.contacts import Contact
from yunsong_conversation.grpc_api.context import Context
from yunsong_conversation.handlers import contacts as handlers
from yunsong_conversation.inbox_directory import InboxDirectory
from yunsong_conversation.paging import key_of, page_size, token_of
from yunsong_conversation.protocol import json_of
from yunsong_conversation.repository import contacts, projections
from yunsong_conversation.segmentation import query_grams

_TEXTS = ("name", "email", "phone", "avatar_url", "locale")


class ContactServicer(contact_pb2_grpc.ContactServiceServicer):
    """See the contract."""

    def __init__(self, db: Database, inboxes: InboxDirectory) -> None:
        self._db = db
        self._inboxes = inboxes

    async def ListContacts(
        self, request: contact_pb2.ListContactsRequest, context: Context
    ) -> contact_pb2.ListContactsResponse:
        """See the contract."""
        limit = page_size(request.page_size, 50, 200)
        after = key_of("contacts", request.page_token, [dt.datetime, UUID])
        query = request.query.replace("\0", " ").strip()
        async with self._db.read() as tx:
            found = await contacts.page(
                tx,
                query=query,
                pieces=query_grams(query),
                inbox_id=request.inbox_id,
                blocked=request.blocked,
                after=after,
                limit=limit + 1,
            )
        shown = found[:limit]
        return contact_pb2.ListContactsResponse(
            contacts=[contact_of(contact) for contact in shown],
            next_page_token=token_of("contacts", [shown[-1].last_seen_at, shown[-1].id])
            if len(found) > limit
            else "",
        )

    async def GetContact(self, request: contact_pb2.GetContactRequest, context: Context) -> model_pb2.Contact:
        """See the contract."""
        async with self._db.read() as tx:
            return contact_of(await contacts.get(tx, request.contact_id))

    async def CreateContact(
        self, request: contact_pb2.CreateContactRequest, context: Context
    ) -> model_pb2.Contact:
        """See the contract."""
        call = current_call()
        inbox_ids = {identity.inbox_id for identity in request.identities}
        async with self._db.read() as tx:
            known = await projections.inboxes(tx, inbox_ids)
        for inbox_id in inbox_ids - known.keys():
            await self._inboxes.learn(inbox_id)

        async def effect() -> model_pb2.Contact:
            await _check_inboxes(tx, inbox_ids)
            pairs = dict.fromkeys((i.inbox_id, _plain(i.external_id)) for i in request.identities)
            contact = handlers.blank(list(pairs), await tx.now())
            contact.fill({name: _plain(getattr(request.contact, name)) for name in _TEXTS}, proved=True)
            if request.contact.HasField("attributes"):
                contact.attributes = handlers.merge_attributes("{}", json_of(request.contact.attributes))
            return contact_of(await handlers.create(tx, contact))

        async with self._db.transaction() as tx:
            return await once(
                tx,
                key=call.idempotency_key,
                principal=f"{call.principal.kind}:{call.principal.actor_id}",
                method="CreateContact",
                request=request,
                response=model_pb2.Contact,
                effect=effect,
            )

    async def UpdateContact(
        self, request: contact_pb2.UpdateContactRequest, context: Context
    ) -> model_pb2.Contact:
        """See the contract."""
        values = dict(_value(path, request.contact) for path in request.update_mask.paths)
        async with self._db.transaction() as tx:
            return contact_of(await handlers.update(tx, request.contact_id, values, rev=request.rev))

    async def MergeContacts(
        self, request: contact_pb2.MergeContactsRequest, context: Context
    ) -> model_pb2.Contact:
        """See the contract."""
        return await self._db.run(
            lambda tx: _shown(handlers.merge(tx, request.contact_id, request.merged_contact_id))
        )

    async def SetContactBlocked(
        self, request: contact_pb2.SetContactBlockedRequest, context: Context
    ) -> model_pb2.Contact:
        """See the contract."""
        async with self._db.transaction() as tx:
            return contact_of(await handlers.block_in(tx, request.contact_id, blocked=request.blocked))

    async def EraseContact(
        self, request: contact_pb2.EraseContactRequest, context: Context
    ) -> contact_pb2.EraseContactResponse:
        """See the contract."""
        await self._db.run(lambda tx: handlers.erase(tx, request.contact_id))
        return contact_pb2.EraseContactResponse()


async def _check_inboxes(tx: Transaction, inbox_ids: Collection[str]) -> None:
    known = await projections.inboxes(tx, inbox_ids)
    for inbox_id in sorted(inbox_ids):
        if inbox_id not in known or known[inbox_id].deleted:
            raise NotFound(reason="INBOX_UNKNOWN", message=f"there is no inbox {inbox_id}")


async def _shown(work: Awaitable[Contact]) -> model_pb2.Contact:
    return contact_of(await work)


def _value(path: str, fields: contact_pb2.ContactFields) -> tuple[str, str]:
    """What an entry of the mask sets, as `handlers.update` takes it."""
    if path in _TEXTS:
        return path, _plain(getattr(fields, path))
    if path == "attributes":
        return path, json_of(fields.attributes)
    if path.startswith("attributes.") and (key := path.removeprefix("attributes.")):
        values = orjson.loads(json_of(fields.attributes))
        return path, orjson.dumps(values[key]).decode() if key in values else ""
    raise InvalidArgument(
        reason="INVALID_REQUEST",
        message=f"update_mask can name {', '.join(_TEXTS)}, attributes or attributes.<key>, not {path!r}",
        violations=[Violation("update_mask", f"{path!r} cannot be changed", "UNKNOWN_FIELD")],
    )


def _plain(text: str) -> str:
    return text.replace("\0", "")
