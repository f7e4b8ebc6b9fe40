# ruff: noqa: N802 - the names are the contract's
"""Stand-ins for the services behind the door: in memory, over real gRPC, with their events on the real NATS."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

from yunsong.channel.v1 import channel_pb2, channel_pb2_grpc, model_pb2
from yunsong.conversation.v1 import (
    change_pb2,
    contact_door_pb2,
    contact_door_pb2_grpc,
    conversation_pb2,
    conversation_pb2_grpc,
    internal_pb2,
    internal_pb2_grpc,
    message_pb2,
)
from yunsong.conversation.v1 import events_pb2 as conversation_events_pb2
from yunsong.conversation.v1 import model_pb2 as conversation_model_pb2
from yunsong.router.v1 import events_pb2 as router_events_pb2
from yunsong.router.v1 import model_pb2 as router_model_pb2
from yunsong.router.v1 import router_pb2, router_pb2_grpc
from yunsong_common.bus import Bus, subject_of
from yunsong_common.errors import NotFound, PermissionDenied, Unavailable
from yunsong_common.grpc import current_principal, verify
from yunsong_common.ids import new_id

INBOX_ID = "0192d3a4-5b6c-7d8e-9f01-0000000000aa"
INBOX_KEY = "web_test"
ORIGIN = "https://shop.example"


class FakeConversation(
    conversation_pb2_grpc.ConversationServiceServicer,
    contact_door_pb2_grpc.ContactConversationServiceServicer,
    internal_pb2_grpc.ConversationInternalServiceServicer,
):
    """Conversations as lists of changes."""

    def __init__(self, bus: Bus, release_key: str) -> None:
        self.bus = bus
        self.release_key = release_key
        self.changes: dict[str, list[change_pb2.Change]] = defaultdict(list)
        self.of_contact: dict[str, str] = {}
        self.contacts: dict[str, str] = {}
        self.by_client_id: dict[tuple[str, str], internal_pb2.AppendResult] = {}
        self.batches: list[int] = []
        self.silent = False  # loses its events on the way
        self.hold = asyncio.Event()
        self.hold.set()
        self.snapshot_required = False
        self.may_read: set[tuple[str, str]] = set()  # actor and file
        self.appended: list[internal_pb2.AppendEntry] = []

    def post(self, conversation_id: str, text: str, author: message_pb2.Actor) -> change_pb2.Change:
        rev = len(self.changes[conversation_id]) + 1
        event = conversation_events_pb2.MessagePosted()
        event.meta.conversation_id = conversation_id
        event.meta.rev = event.meta.public_rev = rev
        event.message.id = new_id()
        event.message.conversation_id = conversation_id
        event.message.rev = event.message.public_rev = rev
        event.message.author.CopyFrom(author)
        event.message.content.text.text = text
        change = change_pb2.Change(rev=rev, message_posted=event)
        self.changes[conversation_id].append(change)
        if not self.silent:
            self.bus.publish_raw(subject_of(event), event.SerializeToString())
            self.bus.publish_live(_public(change))
        return change

    async def AppendMessages(self, request: Any, context: Any) -> Any:
        await self.hold.wait()
        self.batches.append(len(request.entries))
        return internal_pb2.AppendMessagesResponse(results=[self._append(entry) for entry in request.entries])

    def _append(self, entry: internal_pb2.AppendEntry) -> internal_pb2.AppendResult:
        principal = verify(entry.principal, self.release_key)
        self.appended.append(entry)
        known = self.by_client_id.get((principal.actor_id, entry.client_id))
        if known is not None:
            repeated = internal_pb2.AppendResult()
            repeated.CopyFrom(known)
            repeated.duplicate = True
            return repeated
        conversation_id = entry.conversation_id or self.of_contact.setdefault(principal.actor_id, new_id())
        if entry.content.text.text == "refuse me":
            return internal_pb2.AppendResult(
                error_code=9, error_reason="NOT_ASSIGNEE", error_message="Somebody else has the conversation."
            )
        author = message_pb2.Actor(kind=message_pb2.AUTHOR_KIND_CONTACT, id=principal.actor_id)
        change = self.post(conversation_id, entry.content.text.text, author)
        message = change.message_posted.message
        result = internal_pb2.AppendResult(
            message_id=message.id, conversation_id=conversation_id, rev=change.rev, public_rev=change.rev
        )
        self.by_client_id[principal.actor_id, entry.client_id] = result
        return result

    async def EnsureContact(self, request: Any, context: Any) -> Any:
        contact_id = self.contacts.setdefault(request.external_id, new_id())
        answer = internal_pb2.EnsureContactResponse()
        answer.contact.id = contact_id
        answer.contact.name = request.name
        if contact_id in self.of_contact:
            answer.open_conversation.id = self.of_contact[contact_id]
        return answer

    async def CheckFileAccess(self, request: Any, context: Any) -> Any:
        actor_id = current_principal().actor_id
        return internal_pb2.CheckFileAccessResponse(allowed=(actor_id, request.file_id) in self.may_read)

    async def ReadHeads(self, request: Any, context: Any) -> Any:
        return internal_pb2.ReadHeadsResponse(
            heads=[
                internal_pb2.Head(
                    conversation_id=one, rev=len(self.changes[one]), public_rev=len(self.changes[one])
                )
                for one in request.conversation_ids
                if one in self.changes
            ]
        )

    async def GetConversation(self, request: Any, context: Any) -> Any:
        if request.conversation_id not in self.changes:
            raise NotFound(
                reason="CONVERSATION_UNKNOWN",
                message="There is no such conversation.",
                id=request.conversation_id,
            )
        return conversation_model_pb2.Conversation(
            id=request.conversation_id, rev=len(self.changes[request.conversation_id])
        )

    async def ReadChanges(self, request: Any, context: Any) -> Any:
        if request.conversation_id not in self.changes:
            raise NotFound(reason="CONVERSATION_UNKNOWN", message="There is no such conversation.")
        changes = self.changes[request.conversation_id]
        if self.snapshot_required:
            return conversation_pb2.ReadChangesResponse(head_rev=len(changes), snapshot_required=True)
        end = request.after_rev + (request.page_size or 200)
        return conversation_pb2.ReadChangesResponse(
            changes=changes[request.after_rev : end], head_rev=len(changes)
        )

    async def MarkRead(self, request: Any, context: Any) -> Any:
        return conversation_pb2.MarkReadResponse(read_rev=request.through_rev)

    async def ListConversations(self, request: Any, context: Any) -> Any:
        return conversation_pb2.ListConversationsResponse(
            conversations=[conversation_model_pb2.Conversation(id=one) for one in self.changes]
        )

    async def GetMyProfile(self, request: Any, context: Any) -> Any:
        return contact_door_pb2.ContactProfile()

    async def ListMyConversations(self, request: Any, context: Any) -> Any:
        return contact_door_pb2.ListMyConversationsResponse()

    async def GetMyConversation(self, request: Any, context: Any) -> Any:
        self._check_own(request.conversation_id)
        return contact_door_pb2.ContactConversation(
            id=request.conversation_id, public_rev=len(self.changes[request.conversation_id])
        )

    async def ReadMyChanges(self, request: Any, context: Any) -> Any:
        self._check_own(request.conversation_id)
        changes = self.changes[request.conversation_id]
        end = request.after_public_rev + (request.page_size or 200)
        return contact_door_pb2.ReadMyChangesResponse(
            changes=[_public(change) for change in changes[request.after_public_rev : end]],
            head_public_rev=len(changes),
        )

    def _check_own(self, conversation_id: str) -> None:
        if self.of_contact.get(current_principal().actor_id) != conversation_id:
            raise NotFound(reason="CONVERSATION_UNKNOWN", message="There is no such conversation.")


def _public(change: change_pb2.Change) -> contact_door_pb2.ContactChange:
    message = change.message_posted.message
    return contact_door_pb2.ContactChange(
        public_rev=change.rev,
        conversation_id=message.conversation_id,
        message_posted=contact_door_pb2.ContactMessage(
            id=message.id,
            conversation_id=message.conversation_id,
            public_rev=change.rev,
            content=message.content,
        ),
    )


class FakeChannel(channel_pb2_grpc.InboundServiceServicer, channel_pb2_grpc.InboxServiceServicer):
    """One web inbox."""

    def __init__(self) -> None:
        self.webhooks: list[channel_pb2.HandleWebhookRequest] = []
        self.queue_id = ""

    async def GetInbox(self, request: Any, context: Any) -> Any:
        return model_pb2.Inbox(id=INBOX_ID, key=INBOX_KEY, name="Shop", channel="web", queue_id=self.queue_id)

    async def AuthenticateContact(self, request: Any, context: Any) -> Any:
        if request.inbox_key != INBOX_KEY:
            raise NotFound(reason="INBOX_UNKNOWN", message="There is no inbox with this key.")
        if request.origin not in ("", ORIGIN):
            raise PermissionDenied(
                reason="ORIGIN_REFUSED", message="Pages of this origin may not use the inbox."
            )
        return channel_pb2.AuthenticateContactResponse(
            inbox=channel_pb2.PublicInbox(id=INBOX_ID, key=INBOX_KEY, name="Shop", channel="web"),
            external_id=request.user_id or request.visitor_id,
            verified=bool(request.user_id),
        )

    async def HandleWebhook(self, request: Any, context: Any) -> Any:
        self.webhooks.append(request)
        return channel_pb2.HandleWebhookResponse(
            status=202, headers=[channel_pb2.HttpHeader(name="content-type", value="text/xml")], body=b"<ok/>"
        )

    async def ListInboxes(self, request: Any, context: Any) -> Any:
        return channel_pb2.ListInboxesResponse(
            inboxes=[
                model_pb2.Inbox(
                    id=INBOX_ID, name="Shop", channel="web", enabled=True, allowed_origins=[ORIGIN]
                )
            ]
        )


class FakeRouter(
    router_pb2_grpc.AgentServiceServicer,
    router_pb2_grpc.QueueServiceServicer,
    router_pb2_grpc.DispatchServiceServicer,
):
    """Agents' leases and feeds, and places in the queue."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.leases: list[dict[str, int]] = []
        self.configured: dict[str, str] = {}
        self.places: dict[str, int] = {}
        self.hold_waits = asyncio.Event()
        self.hold_waits.set()
        self.waits_asked = 0
        self.queues: list[router_model_pb2.Queue] = []
        self.queues_asked = 0
        self.away = False
        self.feeds: dict[str, list[router_events_pb2.AgentFeedChanged]] = defaultdict(list)

    def tell(self, agent_id: str, reason: str) -> None:
        entry = router_events_pb2.AgentFeedChanged(
            agent_id=agent_id, rev=len(self.feeds[agent_id]) + 1, reason=reason
        )
        self.feeds[agent_id].append(entry)
        self.bus.publish_raw(subject_of(entry), entry.SerializeToString())

    async def GetWait(self, request: Any, context: Any) -> Any:
        self.waits_asked += 1
        place = self.places.get(request.conversation_id, 0)
        await self.hold_waits.wait()
        return router_events_pb2.QueuePosition(conversation_id=request.conversation_id, position=place)

    async def GetQueue(self, request: Any, context: Any) -> Any:
        self._count_queues_asked()
        for queue in self.queues:
            if queue.id == request.queue_id:
                return queue
        raise NotFound(reason="QUEUE_UNKNOWN", message="There is no such queue.")

    async def ListQueues(self, request: Any, context: Any) -> Any:
        self._count_queues_asked()
        at = int(request.page_token or 0)
        more = at + 1 < len(self.queues)
        return router_pb2.ListQueuesResponse(
            queues=self.queues[at : at + 1], next_page_token=str(at + 1) if more else ""
        )

    def _count_queues_asked(self) -> None:
        self.queues_asked += 1
        if self.away:
            raise Unavailable(reason="AWAY", message="The router is away.")

    async def ConfigureAgent(self, request: Any, context: Any) -> Any:
        self.configured[request.agent_id] = request.name
        return router_model_pb2.Agent(id=request.agent_id, name=request.name)

    async def RenewLeases(self, request: Any, context: Any) -> Any:
        self.leases.append({lease.agent_id: lease.connections for lease in request.leases})
        heads = [
            router_pb2.FeedHead(agent_id=lease.agent_id, rev=len(self.feeds[lease.agent_id]))
            for lease in request.leases
        ]
        return router_pb2.RenewLeasesResponse(heads=heads, renew_after_s=1)

    async def ReadMyFeed(self, request: Any, context: Any) -> Any:
        feed = self.feeds[current_principal().actor_id]
        return router_pb2.ReadMyFeedResponse(entries=feed[request.after_rev :], head_rev=len(feed))
