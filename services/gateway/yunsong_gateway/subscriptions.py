"""Events that the gateway itself acts on."""

from __future__ import annotations

from yunsong.conversation.v1 import events_pb2 as conversation_events_pb2
from yunsong.gateway.v1 import events_pb2
from yunsong.router.v1 import router_pb2, router_pb2_grpc
from yunsong_common.bus import EventMeta, Subscription
from yunsong_common.db import Database
from yunsong_common.grpc import Channels
from yunsong_gateway.files.store import Files
from yunsong_gateway.identity import accounts
from yunsong_gateway.identity.roles import Permissions

_TAKES_WORK = "presence.write"


def agents_of_users(
    database: Database, channels: Channels, permissions: Permissions
) -> Subscription[events_pb2.UserChanged]:
    """Tells the router of users who may take conversations, however long it was away."""
    agents = router_pb2_grpc.AgentServiceStub(channels.router)

    async def on_user_changed(event: events_pb2.UserChanged, meta: EventMeta) -> None:
        del meta
        async with database.read() as tx:
            user = await accounts.find(tx, event.user.id)  # as it is now: events may come late
            if user is None:
                return
            held = await accounts.permissions_of(tx, user.roles, permissions)
        takes_work = _TAKES_WORK in held and user.enabled
        if takes_work or not user.enabled:
            await agents.ConfigureAgent(
                router_pb2.ConfigureAgentRequest(agent_id=user.id, name=user.display_name, enabled=takes_work)
            )

    return Subscription(
        event_type=events_pb2.UserChanged,
        handler=on_user_changed,
        consumer="gateway",
        start="all",
        transactional=False,
    )


def files_of_erased(files: Files) -> Subscription[conversation_events_pb2.ContactErased]:
    """Deletes what an erased contact has uploaded."""

    async def on_contact_erased(event: conversation_events_pb2.ContactErased, meta: EventMeta) -> None:
        del meta
        await files.forget_owner("contact", event.contact_id)

    return Subscription(
        event_type=conversation_events_pb2.ContactErased,
        handler=on_contact_erased,
        consumer="gateway-files",
        start="all",
        transactional=False,
    )
