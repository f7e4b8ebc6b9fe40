"""The conversation service on a real PostgreSQL and a real NATS, and everybody who calls it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.polling import eventually
from yunsong.auth.v1 import principal_pb2
from yunsong.conversation.v1 import (
    contact_door_pb2,
    contact_door_pb2_grpc,
    contact_pb2_grpc,
    conversation_pb2,
    conversation_pb2_grpc,
    internal_pb2,
    internal_pb2_grpc,
    message_pb2,
    model_pb2,
)
from yunsong_common.bus import declare_streams
from yunsong_common.db import Database, run_migrations
from yunsong_common.errors import YunsongError
from yunsong_common.grpc import Channels
from yunsong_common.grpc.principal import sign
from yunsong_common.ids import new_id
from yunsong_common.service import Registries, serve
from yunsong_conversation.domain.inboxes import Inbox
from yunsong_conversation.repository import projections
from yunsong_conversation.wiring import build

RELEASE_KEY = "a-release-key-that-is-long-enough-for-tests"
AGENT_PERMISSIONS = ("conversation.read", "conversation.write", "contact.read", "contact.write", "label.read")
SUPERVISOR_PERMISSIONS = (
    *AGENT_PERMISSIONS,
    "conversation.read_all",
    "conversation.supervise",
    "label.write",
)
ADMIN_PERMISSIONS = (*SUPERVISOR_PERMISSIONS, "contact.block", "contact.erase")


def text(words: str) -> message_pb2.Content:
    """A text."""
    return message_pb2.Content(text=message_pb2.TextContent(text=words))


@dataclass
class Staff:
    """A member of staff, as the gateway calls for it."""

    name: str
    permissions: tuple[str, ...] = AGENT_PERMISSIONS
    id: str = field(default_factory=new_id)

    @property
    def principal(self) -> principal_pb2.Principal:
        return principal_pb2.Principal(
            kind=principal_pb2.ACTOR_KIND_STAFF,
            actor_id=self.id,
            display_name=self.name,
            permissions=self.permissions,
        )


@dataclass
class Visitor:
    """A contact with a session, as the gateway calls for it."""

    id: str
    inbox_id: str
    verified: bool = False

    @property
    def principal(self) -> principal_pb2.Principal:
        return principal_pb2.Principal(
            kind=principal_pb2.ACTOR_KIND_CONTACT,
            actor_id=self.id,
            inbox_id=self.inbox_id,
            verified=self.verified,
        )


@dataclass
class Replica:
    """One running conversation service, and what callers do with it."""

    channels: dict[str, Channels]
    db: Database
    task: asyncio.Task[None]
    registries: Registries

    def internal(self, caller: str) -> internal_pb2_grpc.ConversationInternalServiceStub:
        return internal_pb2_grpc.ConversationInternalServiceStub(self.channels[caller].conversation)

    @property
    def staff(self) -> conversation_pb2_grpc.ConversationServiceStub:
        return conversation_pb2_grpc.ConversationServiceStub(self.channels["gateway"].conversation)

    @property
    def taxonomy(self) -> conversation_pb2_grpc.TaxonomyServiceStub:
        return conversation_pb2_grpc.TaxonomyServiceStub(self.channels["gateway"].conversation)

    @property
    def contacts(self) -> contact_pb2_grpc.ContactServiceStub:
        return contact_pb2_grpc.ContactServiceStub(self.channels["gateway"].conversation)

    @property
    def door(self) -> contact_door_pb2_grpc.ContactConversationServiceStub:
        return contact_door_pb2_grpc.ContactConversationServiceStub(self.channels["gateway"].conversation)

    def as_(self, who: Staff | Visitor, *, idempotency_key: str = "") -> Any:
        return self.channels["gateway"].as_principal(who.principal, idempotency_key=idempotency_key)

    def token(self, who: Staff | Visitor) -> str:
        return sign(who.principal, RELEASE_KEY)

    async def inbox(self, **settings: Any) -> Inbox:
        """An inbox as an event of the channel adapter would have told of it."""
        inbox = Inbox(new_id(), 1, settings.pop("channel", "web"), **{"bot_enabled": True, **settings})
        async with self.db.transaction() as tx:
            await projections.save_inbox(tx, inbox)
        return inbox

    async def queue(self, *members: Staff, name: str = "售后") -> str:
        """A queue as an event of the router would have told of it."""
        queue_id = new_id()
        async with self.db.transaction() as tx:
            await projections.save_queue(tx, queue_id, name, [one.id for one in members], 1, deleted=False)
        return queue_id

    async def visitor(self, inbox: Inbox, external_id: str = "", **claim: Any) -> Visitor:
        answer = await self.internal("gateway").EnsureContact(
            internal_pb2.EnsureContactRequest(
                inbox_id=inbox.id, external_id=external_id or uuid.uuid4().hex, **claim
            )
        )
        return Visitor(answer.contact.id, inbox.id, bool(claim.get("verified")))

    async def say(self, visitor: Visitor, words: str, client_id: str = "") -> contact_door_pb2.ContactMessage:
        """The contact writes."""
        return await self.door.SendMyMessage(
            contact_door_pb2.SendMyMessageRequest(client_id=client_id or new_id(), content=text(words)),
            metadata=self.as_(visitor),
        )

    async def answer(
        self, agent: Staff, conversation_id: str, words: str, **more: Any
    ) -> message_pb2.Message:
        """Staff writes."""
        return await self.staff.SendMessage(
            conversation_pb2.SendMessageRequest(
                conversation_id=conversation_id,
                client_id=more.pop("client_id", None) or new_id(),
                content=text(words),
                **more,
            ),
            metadata=self.as_(agent),
        )

    async def get(self, conversation_id: str) -> model_pb2.Conversation:
        return await self.staff.GetConversation(
            conversation_pb2.GetConversationRequest(conversation_id=conversation_id),
            metadata=self.channels["router"].as_service(),
        )

    async def hand_off(self, conversation_id: str, queue_id: str = "", **more: Any) -> int:
        """The bot hands off; gives the epoch."""
        answer = await self.internal("bot").RequestHandoff(
            internal_pb2.RequestHandoffRequest(
                conversation_id=conversation_id, reason="contact_asked", queue_id=queue_id, **more
            )
        )
        return int(answer.epoch)

    async def assign(self, conversation_id: str, agent: Staff, epoch: int, **more: Any) -> Any:
        """The router assigns."""
        return await self.internal("router").SetAssignment(
            internal_pb2.SetAssignmentRequest(
                conversation_id=conversation_id,
                assignment_id=more.pop("assignment_id", None) or new_id(),
                epoch=epoch,
                agent_id=agent.id,
                agent_name=agent.name,
                reason="assigned",
                **more,
            )
        )

    async def active(self, inbox: Inbox, agent: Staff, queue_id: str = "") -> tuple[Visitor, str]:
        """A contact in conversation with an agent."""
        visitor = await self.visitor(inbox, name="客户 1")
        conversation_id = (await self.say(visitor, "转人工")).conversation_id
        await self.assign(conversation_id, agent, await self.hand_off(conversation_id, queue_id))
        return visitor, conversation_id

    def later(self, **by: float) -> None:
        """Moves the database's clock as this replica sees it."""
        database: Database = self.registries.shared["conversation/database"]
        database.clock_offset += dt.timedelta(**by)


Start = Callable[..., Awaitable[Replica]]


@pytest.fixture
async def start(postgres_url: str, nats_url: str) -> AsyncIterator[Start]:
    """`await start()` gives a replica; all stop with the test."""
    await run_migrations("yunsong_conversation.migrations", postgres_url, "conversation")
    await declare_streams(nats_url, ["conversation", "channel", "router"])
    running: list[Replica] = []

    async def start_one(**settings: Any) -> Replica:
        registries = Registries()
        overrides = {
            "database_url": postgres_url,
            "nats_url": nats_url,
            "release_key": RELEASE_KEY,
            "grpc_host": "127.0.0.1",
            "grpc_port": 0,
            "ops_host": "127.0.0.1",
            "ops_port": 0,
            "timer_s": 0.05,
            "grace_s": 2.0,
            # Nobody is there, also when a copy of the product runs on this machine.
            "channel_adapter_address": "127.0.0.1:1",
            "router_address": "127.0.0.1:1",
        }
        task = asyncio.create_task(serve([build], registries, **{**overrides, **settings}))
        address = await eventually(
            lambda: task.done() or registries.addresses.get("conversation"), what="an address"
        )
        if task.done():
            await task
        channels = {
            name: Channels(service=name, release_key=RELEASE_KEY, addresses={"conversation": str(address)})
            for name in ("gateway", "bot", "router", "channel-adapter", "qa")
        }
        replica = Replica(channels, Database(postgres_url, schema="conversation"), task, registries)
        await eventually(lambda: _serves(replica), what="a service that serves")
        running.append(replica)
        return replica

    yield start_one
    for replica in running:
        for channel in replica.channels.values():
            await channel.close()
        replica.task.cancel()
        await asyncio.gather(replica.task, return_exceptions=True)
        await replica.db.close()


@pytest.fixture
async def service(start: Start) -> Replica:
    """One replica."""
    return await start()


async def _serves(replica: Replica) -> bool:
    with contextlib.suppress(YunsongError):
        await replica.internal("gateway").ReadHeads(
            internal_pb2.ReadHeadsRequest(conversation_ids=[new_id()])
        )
        return True
    return False
