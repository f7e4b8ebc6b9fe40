"""The router as a running service beside a stand-in for the conversation service, on a real database and a real NATS."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import ClassVar

from tests.support.polling import eventually
from yunsong.auth.v1 import principal_pb2
from yunsong.channel.v1 import channel_pb2, channel_pb2_grpc
from yunsong.channel.v1 import model_pb2 as channel_model_pb2
from yunsong.conversation.v1 import (
    contact_door_pb2,
    contact_door_pb2_grpc,
    conversation_pb2,
    conversation_pb2_grpc,
    events_pb2,
    internal_pb2,
    internal_pb2_grpc,
    model_pb2,
)
from yunsong.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from yunsong.gateway.v1 import model_pb2 as gateway_model_pb2
from yunsong_common.db import Database, run_migrations
from yunsong_common.errors import FailedPrecondition, NotFound, Unavailable
from yunsong_common.grpc import Channels, current_principal
from yunsong_common.ids import new_id
from yunsong_common.runtime import Process
from yunsong_common.service import Registries, Service
from yunsong_common.settings import ServiceSettings
from yunsong_router.wiring import build as build_router
from yunsong_standalone.embedded import free_port

KEY = "k" * 32
QUEUED = model_pb2.CONVERSATION_STATE_QUEUED
ACTIVE = model_pb2.CONVERSATION_STATE_ACTIVE


class StandInSettings(ServiceSettings):
    """The conversation service's name, and nothing of its own."""

    service: ClassVar[str] = "conversation"


@dataclass
class StandIn(
    internal_pb2_grpc.ConversationInternalServiceServicer,
    conversation_pb2_grpc.ConversationServiceServicer,
    contact_door_pb2_grpc.ContactConversationServiceServicer,
    channel_pb2_grpc.InboxServiceServicer,
    gateway_pb2_grpc.UserServiceServicer,
):
    """Keeps conversations in memory and publishes their moves from a real outbox."""

    conversations: dict[str, model_pb2.Conversation] = field(default_factory=dict)
    assigned_at: dict[str, float] = field(default_factory=dict)
    inboxes: list[channel_model_pb2.Inbox] = field(default_factory=list)
    users: dict[str, str] = field(default_factory=dict)
    away: bool = False
    database: Database | None = None

    def build(self, settings: StandInSettings, registries: Registries) -> Service:
        """The stand-in as a service."""
        self.database = registries.database(settings, "conversation")
        return Service(
            name="conversation",
            version="0",
            settings=settings,
            database=self.database,
            bus=registries.bus(settings),
            migrations="yunsong_conversation.migrations",
            package="conversation",
            grpc=[
                (internal_pb2_grpc.add_ConversationInternalServiceServicer_to_server, self),
                (conversation_pb2_grpc.add_ConversationServiceServicer_to_server, self),
                (contact_door_pb2_grpc.add_ContactConversationServiceServicer_to_server, self),
                (channel_pb2_grpc.add_InboxServiceServicer_to_server, self),
                (gateway_pb2_grpc.add_UserServiceServicer_to_server, self),
            ],
        )

    async def hand_over(self, queue_id: str) -> str:
        """A new conversation that waits for an agent; committed and published when this returns."""
        conversation = model_pb2.Conversation(
            id=new_id(),
            queue_id=queue_id,
            channel="web",
            contact_id=new_id(),
            contact_name="Mei",
            epoch=1,
            rev=1,
            state=QUEUED,
        )
        conversation.queued_at.FromDatetime(dt.datetime.now(dt.UTC))
        self.conversations[conversation.id] = conversation
        await self._publish(conversation, model_pb2.CONVERSATION_STATE_BOT, "handoff_requested")
        return conversation.id

    async def close(self, conversation_id: str) -> None:
        """Closes a conversation."""
        conversation = self.conversations[conversation_id]
        before, conversation.state = conversation.state, model_pb2.CONVERSATION_STATE_RESOLVED
        conversation.rev += 1
        await self._publish(conversation, before, "closed")

    async def SetAssignment(  # noqa: N802 - the contract's name
        self, request: internal_pb2.SetAssignmentRequest, context: object
    ) -> internal_pb2.SetAssignmentResponse:
        """Accepts unless the epoch is old or the conversation is closed."""
        conversation = self._checked(request.conversation_id, request.epoch)
        if conversation.assignee_id != request.agent_id:
            before, conversation.state = conversation.state, ACTIVE
            conversation.assignee_id, conversation.assignee_name = request.agent_id, request.agent_name
            conversation.rev += 1
            self.assigned_at[conversation.id] = time.perf_counter()
            await self._publish(conversation, before, request.reason)
        return internal_pb2.SetAssignmentResponse(rev=conversation.rev, epoch=conversation.epoch)

    async def MoveConversation(  # noqa: N802 - the contract's name
        self, request: internal_pb2.MoveConversationRequest, context: object
    ) -> internal_pb2.MoveConversationResponse:
        """Moves."""
        conversation = self._checked(request.conversation_id, request.epoch)
        before, conversation.state = conversation.state, request.to_state
        if request.to_state == QUEUED:
            conversation.epoch += 1
            conversation.queue_id = request.queue_id or conversation.queue_id
        conversation.last_assignee_id, conversation.assignee_id = conversation.assignee_id, ""
        conversation.rev += 1
        await self._publish(conversation, before, request.reason, required=request.required_agent_id)
        return internal_pb2.MoveConversationResponse(rev=conversation.rev, epoch=conversation.epoch)

    async def GetConversation(  # noqa: N802 - the contract's name
        self, request: conversation_pb2.GetConversationRequest, context: object
    ) -> model_pb2.Conversation:
        """Where it stands."""
        if request.conversation_id not in self.conversations:
            raise NotFound(reason="CONVERSATION_UNKNOWN", message="unknown")
        return self.conversations[request.conversation_id]

    async def GetMyConversation(  # noqa: N802 - the contract's name
        self, request: contact_door_pb2.GetMyConversationRequest, context: object
    ) -> contact_door_pb2.ContactConversation:
        """Known to its own contact alone."""
        conversation = self.conversations.get(request.conversation_id)
        if conversation is None or conversation.contact_id != current_principal().actor_id:
            raise NotFound(reason="CONVERSATION_UNKNOWN", message="unknown")
        return contact_door_pb2.ContactConversation(id=conversation.id)

    async def ListInboxes(  # noqa: N802 - the contract's name
        self, request: channel_pb2.ListInboxesRequest, context: object
    ) -> channel_pb2.ListInboxesResponse:
        """The channel adapter's part: one inbox on each page."""
        self._must_be_there()
        at = int(request.page_token or 0)
        more = at + 1 < len(self.inboxes)
        return channel_pb2.ListInboxesResponse(
            inboxes=self.inboxes[at : at + 1], next_page_token=str(at + 1) if more else ""
        )

    async def GetUser(  # noqa: N802 - the contract's name
        self, request: gateway_pb2.GetUserRequest, context: object
    ) -> gateway_model_pb2.User:
        """The gateway's part."""
        self._must_be_there()
        if request.user_id not in self.users:
            raise NotFound(reason="USER_UNKNOWN", message="unknown")
        return gateway_model_pb2.User(id=request.user_id, display_name=self.users[request.user_id])

    def _must_be_there(self) -> None:
        if self.away:
            raise Unavailable(reason="AWAY", message="away")

    def _checked(self, conversation_id: str, epoch: int) -> model_pb2.Conversation:
        conversation = self.conversations[conversation_id]
        if epoch < conversation.epoch:
            raise FailedPrecondition(reason="EPOCH_STALE", message="older")
        if conversation.state == model_pb2.CONVERSATION_STATE_RESOLVED:
            raise FailedPrecondition(reason="TRANSITION_REFUSED", message="closed")
        return conversation

    async def _publish(
        self,
        conversation: model_pb2.Conversation,
        before: model_pb2.ConversationState.ValueType,
        reason: str,
        required: str = "",
    ) -> None:
        meta = events_pb2.ChangeMeta(
            conversation_id=conversation.id, rev=conversation.rev, epoch=conversation.epoch
        )
        event = events_pb2.StateChanged(
            meta=meta, from_state=before, to_state=conversation.state, reason=reason, conversation=conversation,
            required_agent_id=required,
        )  # fmt: skip
        assert self.database is not None
        async with self.database.transaction() as tx:
            tx.emit(event, rev=conversation.rev)


@dataclass
class Rig:
    """Both, running."""

    stand_in: StandIn
    process: Process
    channels: Channels

    @property
    def router(self) -> Database:
        """The router's database."""
        return self.process.running[1].service.database

    def staff(self, user_id: str, *permissions: str) -> tuple[tuple[str, str], ...]:
        """Metadata of a call in the name of a member of staff."""
        principal = principal_pb2.Principal(
            kind=principal_pb2.ACTOR_KIND_STAFF,
            actor_id=user_id,
            display_name="contact 1",
            permissions=permissions,
        )
        return self.channels.as_principal(principal)

    def contact(self, contact_id: str) -> tuple[tuple[str, str], ...]:
        """Metadata of a call in the name of a contact."""
        principal = principal_pb2.Principal(kind=principal_pb2.ACTOR_KIND_CONTACT, actor_id=contact_id)
        return self.channels.as_principal(principal)


@contextlib.asynccontextmanager
async def running(postgres_url: str, nats_url: str, **overrides: object) -> AsyncIterator[Rig]:
    """Starts both and waits until they are ready."""
    await run_migrations("yunsong_conversation.migrations", postgres_url, "conversation")
    await run_migrations("yunsong_router.migrations", postgres_url, "router")
    # The stubs ask for every method of both services; what the router does not call answers UNIMPLEMENTED.
    stand_in = StandIn()  # type: ignore[abstract]
    values = {
        "database_url": postgres_url,
        "nats_url": nats_url,
        "release_key": KEY,
        "grpc_host": "127.0.0.1",
        "grpc_port": 0,
        "ops_host": "127.0.0.1",
        "ops_port": free_port(),
        "http_host": "127.0.0.1",
        **overrides,
    }
    process = Process([stand_in.build, build_router], values, Registries())
    task = asyncio.create_task(process.run())
    try:

        def ready() -> bool:
            if task.done():
                task.result()
            return bool(process.running) and all(one.readiness.open for one in process.running)

        await eventually(ready, within_s=30, what="both services are ready")
        # It also answers as the router's other neighbours.
        for neighbour in ("channel-adapter", "gateway"):
            process.registries.addresses[neighbour] = process.running[0].server.address
        channels = Channels(
            service="gateway", release_key=KEY, addresses={"router": process.running[1].server.address}
        )
        yield Rig(stand_in, process, channels)
        await channels.close()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
