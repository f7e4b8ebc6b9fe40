"""Conversations as staff works on them."""

from __future__ import annotations

import logging
from uuid import UUID

from yunsong.conversation.v1 import conversation_pb2, message_pb2, model_pb2
from yunsong.router.v1 import router_pb2, router_pb2_grpc
from yunsong_common.db import Database, Transaction, once
from yunsong_common.errors import InvalidArgument, YunsongError
from yunsong_common.grpc import Channels, current_call, current_principal
from yunsong_conversation.domain.access import check_read
from yunsong_conversation.domain.conversation import Conversation
from yunsong_conversation.domain.messages import AuthorKind
from yunsong_conversation.domain.states import State
from yunsong_conversation.entries import Entries
from yunsong_conversation.grpc_api.context import Context
from yunsong_conversation.grpc_api.work import WorkServicer, bounded, current_viewer
from yunsong_conversation.handlers import messages as message_handlers
from yunsong_conversation.handlers import start, work
from yunsong_conversation.handlers.entry import Entry
from yunsong_conversation.handlers.writer import Writer
from yunsong_conversation.inbox_directory import InboxDirectory
from yunsong_conversation.paging import key_of, page_size, token_of
from yunsong_conversation.protocol import change_of, conversation_of, message_of, time_of
from yunsong_conversation.repository import changelog, conversations, lists, messages, projections, search
from yunsong_conversation.segmentation import query_terms

LOG = logging.getLogger(__name__)

_ORDERS = {
    conversation_pb2.CONVERSATION_SORT_UNSPECIFIED: lists.ACTIVITY,
    conversation_pb2.CONVERSATION_SORT_NEWEST: lists.NEWEST,
    conversation_pb2.CONVERSATION_SORT_WAITING: lists.WAITING_LONGEST,
    conversation_pb2.CONVERSATION_SORT_DUE: lists.DUE,
    conversation_pb2.CONVERSATION_SORT_PRIORITY: lists.PRIORITY,
}


class ConversationServicer(WorkServicer):
    """See the contract."""

    def __init__(
        self, db: Database, writer: Writer, entries: Entries, inboxes: InboxDirectory, channels: Channels
    ) -> None:
        super().__init__(db)
        self._writer = writer
        self._entries = entries
        self._inboxes = inboxes
        self._dispatch = router_pb2_grpc.DispatchServiceStub(channels.router)

    async def ListConversations(
        self, request: conversation_pb2.ListConversationsRequest, context: Context
    ) -> conversation_pb2.ListConversationsResponse:
        """See the contract."""
        order = _ORDERS.get(request.sort, lists.ACTIVITY)
        after = key_of(order.name, request.page_token, order.types)
        limit = page_size(request.page_size, 50, 200)
        viewer = current_viewer()
        filters = lists.Filters(
            states=frozenset(State(state) for state in request.states if state),
            assignee_id=request.assignee_id,
            queue_id=request.queue_id,
            inbox_id=request.inbox_id,
            contact_id=request.contact_id,
            label_id=request.label_id,
            mentioned_id=viewer.actor.id if request.mentions_me else "",
            priority=request.priority,
            created_after=time_of(request, "created_after"),
            created_before=time_of(request, "created_before"),
            include_spam=request.include_spam,
        )
        async with self._db.read() as tx:
            found = await lists.page(tx, await work.viewing(tx, viewer), filters, order, after, limit + 1)
        shown = found[:limit]
        more = (
            token_of(order.name, [getattr(shown[-1], name) for name in order.fields])
            if len(found) > limit
            else ""
        )
        return conversation_pb2.ListConversationsResponse(
            conversations=[conversation_of(one) for one in shown], next_page_token=more
        )

    async def GetConversation(
        self, request: conversation_pb2.GetConversationRequest, context: Context
    ) -> model_pb2.Conversation:
        """See the contract."""
        async with self._db.read() as tx:
            return conversation_of(await _readable(tx, request.conversation_id))

    async def StartConversation(
        self, request: conversation_pb2.StartConversationRequest, context: Context
    ) -> model_pb2.Conversation:
        """See the contract."""
        call = current_call()
        principal = call.principal
        entry = self._entries.sent(
            conversation_pb2.SendMessageRequest(content=request.content, client_id=request.client_id),
            principal,
        )
        async with self._db.read() as tx:
            known = await projections.inboxes(tx, [request.inbox_id])
        if not known:
            await self._inboxes.learn(request.inbox_id)

        async def effect() -> model_pb2.Conversation:
            return conversation_of(await start.start(tx, entry, request.contact_id, request.inbox_id))

        async with self._db.transaction() as tx:
            started = await once(
                tx,
                key=call.idempotency_key,
                principal=f"{principal.kind}:{principal.actor_id}",
                method="StartConversation",
                request=request,
                response=model_pb2.Conversation,
                effect=effect,
            )
        await self._assign_to_starter(started, entry)
        async with self._db.read() as tx:
            return conversation_of(await conversations.get(tx, started.id))

    async def _assign_to_starter(self, started: model_pb2.Conversation, entry: Entry) -> None:
        if entry.sender.actor.kind != AuthorKind.AGENT:
            return
        try:
            await self._dispatch.AssignStarted(
                router_pb2.AssignStartedRequest(
                    conversation_id=started.id,
                    agent_id=entry.sender.actor.id,
                    channel=started.channel,
                    contact_name=started.contact_name,
                    epoch=started.epoch,
                ),
                timeout=3,
            )
        except YunsongError as error:
            # The event says who must have it, so the router assigns it when it can.
            LOG.info("the started conversation %s is not assigned at once: %s", started.id, error.reason)

    async def ListMessages(
        self, request: conversation_pb2.ListMessagesRequest, context: Context
    ) -> conversation_pb2.ListMessagesResponse:
        """See the contract."""
        if request.before_rev and request.after_rev:
            raise InvalidArgument(reason="RANGE_INVALID", message="set before_rev or after_rev, not both")
        async with self._db.read(snapshot=True) as tx:
            conversation = await _readable(tx, request.conversation_id)
            found, more = await messages.page(
                tx,
                conversation.id,
                before_rev=bounded(request.before_rev),
                after_rev=bounded(request.after_rev),
                limit=page_size(request.page_size, 50, 200),
            )
        return conversation_pb2.ListMessagesResponse(
            messages=[message_of(message) for message in found], has_more=more, head_rev=conversation.rev
        )

    async def SendMessage(
        self, request: conversation_pb2.SendMessageRequest, context: Context
    ) -> message_pb2.Message:
        """See the contract."""
        outcome = (await self._writer.write([self._entries.sent(request, current_principal())]))[0]
        if isinstance(outcome, YunsongError):
            raise outcome
        if outcome.message is not None:
            return message_of(outcome.message)
        async with self._db.read() as tx:
            return message_of(await messages.get(tx, outcome.conversation_id, outcome.message_id))

    async def EditMessage(
        self, request: conversation_pb2.EditMessageRequest, context: Context
    ) -> message_pb2.Message:
        """See the contract."""
        return message_of(
            await message_handlers.edit(
                self._db, request.conversation_id, request.message_id, current_viewer(), request.text
            )
        )

    async def RecallMessage(
        self, request: conversation_pb2.RecallMessageRequest, context: Context
    ) -> message_pb2.Message:
        """See the contract."""
        return message_of(
            await message_handlers.recall(
                self._db, request.conversation_id, request.message_id, current_viewer()
            )
        )

    async def ReadChanges(
        self, request: conversation_pb2.ReadChangesRequest, context: Context
    ) -> conversation_pb2.ReadChangesResponse:
        """See the contract."""
        async with self._db.read(snapshot=True) as tx:
            conversation = await _readable(tx, request.conversation_id)
            found = await changelog.after(
                tx,
                conversation.id,
                bounded(request.after_rev),
                conversation.rev,
                page_size(request.page_size, 200, 500),
                public=False,
            )
        return conversation_pb2.ReadChangesResponse(
            changes=[change_of(change.type, change.payload, change.rev) for change in found or ()],
            head_rev=conversation.rev,
            snapshot_required=found is None,
        )

    async def SearchMessages(
        self, request: conversation_pb2.SearchMessagesRequest, context: Context
    ) -> conversation_pb2.SearchMessagesResponse:
        """See the contract."""
        terms = query_terms(request.query)
        if not terms:
            return conversation_pb2.SearchMessagesResponse()
        key = key_of("search", request.page_token, [UUID])
        limit = page_size(request.page_size, 20, 100)
        async with self._db.read(snapshot=True) as tx:
            hits = await search.find(
                tx,
                await work.viewing(tx, current_viewer()),
                terms,
                conversation_id=request.conversation_id,
                contact_id=request.contact_id,
                before_id=str(key[0]) if key else "",
                limit=limit + 1,
            )
        shown = hits[:limit]
        return conversation_pb2.SearchMessagesResponse(
            hits=[
                conversation_pb2.SearchHit(
                    message=message_of(hit.message),
                    contact_id=hit.contact_id,
                    contact_name=hit.contact_name,
                    state=int(hit.state),  # type: ignore[arg-type]
                )
                for hit in shown
            ],
            next_page_token=token_of("search", [shown[-1].message.id]) if len(hits) > limit else "",
        )


async def _readable(tx: Transaction, conversation_id: str) -> Conversation:
    conversation = await conversations.get(tx, conversation_id)
    check_read(conversation, await work.viewing(tx, current_viewer()))
    return conversation
