"""Commands of other services."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from google.rpc import code_pb2

from yunsong.auth.v1 import principal_pb2
from yunsong.conversation.v1 import internal_pb2, internal_pb2_grpc
from yunsong_common.db import Database
from yunsong_common.errors import YunsongError
from yunsong_common.grpc import current_principal
from yunsong_conversation.contact_protocol import contact_of
from yunsong_conversation.contact_view import contact_conversation_of
from yunsong_conversation.domain.messages import Actor, AuthorKind, Delivery
from yunsong_conversation.domain.states import Asker, State
from yunsong_conversation.entries import Entries, viewer_of
from yunsong_conversation.grpc_api.context import Context
from yunsong_conversation.handlers import contacts as contact_handlers
from yunsong_conversation.handlers import deliveries, moves, work
from yunsong_conversation.handlers.entry import Appended, Entry
from yunsong_conversation.handlers.visits import Visitor
from yunsong_conversation.handlers.writer import Writer
from yunsong_conversation.protocol import conversation_of, json_of, stamp
from yunsong_conversation.repository import contacts, conversations, files

E_ = TypeVar("E_")
_ASKERS = {"bot": Asker.BOT, "router": Asker.ROUTER, "gateway": Asker.CONTACT}


class InternalServicer(internal_pb2_grpc.ConversationInternalServiceServicer):
    """See the contract."""

    def __init__(self, db: Database, writer: Writer, entries: Entries) -> None:
        self._db = db
        self._writer = writer
        self._entries = entries

    async def AppendMessages(
        self, request: internal_pb2.AppendMessagesRequest, context: Context
    ) -> internal_pb2.AppendMessagesResponse:
        """See the contract."""
        caller = current_principal().actor_id
        results = await self._write(request.entries, lambda entry: self._entries.appended(entry, caller))
        return internal_pb2.AppendMessagesResponse(results=results)

    async def PostInbound(
        self, request: internal_pb2.PostInboundRequest, context: Context
    ) -> internal_pb2.PostInboundResponse:
        """See the contract."""
        return internal_pb2.PostInboundResponse(
            results=await self._write(request.entries, self._entries.inbound)
        )

    async def _write(
        self, given: Iterable[E_], make: Callable[[E_], Entry]
    ) -> list[internal_pb2.AppendResult]:
        made: list[Entry | YunsongError] = []
        for item in given:
            try:
                made.append(make(item))
            except YunsongError as refusal:
                made.append(refusal)
        written = iter(await self._writer.write([entry for entry in made if isinstance(entry, Entry)]))
        return [_result(next(written) if isinstance(entry, Entry) else entry) for entry in made]

    async def EnsureContact(
        self, request: internal_pb2.EnsureContactRequest, context: Context
    ) -> internal_pb2.EnsureContactResponse:
        """See the contract."""
        claim = contact_handlers.Claim(
            inbox_id=request.inbox_id,
            external_id=request.external_id,
            verified=request.verified,
            previous_external_id=request.previous_external_id,
            values={name: getattr(request, name) for name in ("name", "email", "phone", "locale")},
            attributes=json_of(request.attributes) if request.HasField("attributes") else "{}",
        )
        contact = await contact_handlers.ensure(self._db, claim)
        async with self._db.read() as tx:
            route = (await contacts.routes(tx, [(claim.inbox_id, contact.id)]))[claim.inbox_id, contact.id]
            found = await conversations.find(tx, route.conversation_id) if route.conversation_id else None
            now = await tx.now()
        return internal_pb2.EnsureContactResponse(
            contact=contact_of(contact),
            open_conversation=contact_conversation_of(conversation_of(found), now)
            if found and found.open
            else None,
        )

    async def RequestHandoff(
        self, request: internal_pb2.RequestHandoffRequest, context: Context
    ) -> internal_pb2.RequestHandoffResponse:
        """See the contract."""
        asker = _ASKERS[current_principal().actor_id]
        conversation = await moves.request_handoff(
            self._db,
            request.conversation_id,
            moves.Handoff(
                reason=request.reason,
                queue_id=request.queue_id,
                required_skills=dict(request.required_skills),
                summary=request.summary,
            ),
            asker,
            Actor(AuthorKind.BOT if asker == Asker.BOT else AuthorKind.SYSTEM),
        )
        return internal_pb2.RequestHandoffResponse(
            state=int(conversation.state),  # type: ignore[arg-type]
            epoch=conversation.epoch,
        )

    async def SetAssignment(
        self, request: internal_pb2.SetAssignmentRequest, context: Context
    ) -> internal_pb2.SetAssignmentResponse:
        """See the contract."""
        assignment = moves.Assignment(
            assignment_id=request.assignment_id,
            epoch=request.epoch,
            agent_id=request.agent_id,
            agent_name=request.agent_name,
            queue_id=request.queue_id,
            reason=request.reason,
            actor_id=request.actor_id,
        )
        done = await moves.set_assignment(self._db, request.conversation_id, assignment)
        return internal_pb2.SetAssignmentResponse(rev=done.rev, epoch=done.epoch)

    async def MoveConversation(
        self, request: internal_pb2.MoveConversationRequest, context: Context
    ) -> internal_pb2.MoveConversationResponse:
        """See the contract."""
        command = moves.Move(
            command_id=request.command_id,
            to=State(request.to_state),
            epoch=request.epoch,
            reason=request.reason,
            queue_id=request.queue_id,
            queue_name=request.queue_name,
            preferred_agent_id=request.preferred_agent_id,
            required_agent_id=request.required_agent_id,
            actor_id=request.actor_id,
            note=request.note,
            expected=frozenset(State(state) for state in request.expected_states),
        )
        asker = _ASKERS[current_principal().actor_id]
        done = await moves.move(self._db, request.conversation_id, command, asker)
        return internal_pb2.MoveConversationResponse(rev=done.rev, epoch=done.epoch)

    async def SetDeliveryStates(
        self, request: internal_pb2.SetDeliveryStatesRequest, context: Context
    ) -> internal_pb2.SetDeliveryStatesResponse:
        """See the contract."""
        reports = [
            deliveries.Report(
                r.conversation_id, r.message_id, Delivery(r.delivery_state), r.error, r.external_id
            )
            for r in request.reports
        ]
        await deliveries.report(self._db, reports)
        return internal_pb2.SetDeliveryStatesResponse()

    async def CheckFileAccess(
        self, request: internal_pb2.CheckFileAccessRequest, context: Context
    ) -> internal_pb2.CheckFileAccessResponse:
        """See the contract."""
        principal = current_principal()
        async with self._db.read() as tx:
            if principal.kind == principal_pb2.ACTOR_KIND_CONTACT:
                visitor = Visitor(principal.actor_id, principal.inbox_id, principal.verified)
                own_id = await visitor.own_id(tx)
                allowed = await files.contact_sees(tx, request.file_id, own_id, visitor.inbox_id)
            else:
                viewer = await work.viewing(tx, viewer_of(principal))
                allowed = await files.viewer_sees(tx, request.file_id, viewer)
        return internal_pb2.CheckFileAccessResponse(allowed=allowed)

    async def ReadHeads(
        self, request: internal_pb2.ReadHeadsRequest, context: Context
    ) -> internal_pb2.ReadHeadsResponse:
        """See the contract."""
        async with self._db.read() as tx:
            heads = await conversations.heads(tx, request.conversation_ids)
        return internal_pb2.ReadHeadsResponse(
            heads=[
                internal_pb2.Head(conversation_id=one, rev=rev, public_rev=public)
                for one, rev, public in heads
            ]
        )


def _result(outcome: Appended | YunsongError) -> internal_pb2.AppendResult:
    if isinstance(outcome, YunsongError):
        return internal_pb2.AppendResult(
            error_reason=outcome.reason,
            error_message=outcome.message,
            error_code=code_pb2.Code.Value(outcome.kind.value),
        )
    return internal_pb2.AppendResult(
        message_id=outcome.message_id,
        conversation_id=outcome.conversation_id,
        rev=outcome.rev,
        public_rev=outcome.public_rev,
        duplicate=outcome.duplicate,
        created_at=stamp(outcome.created_at),
    )
