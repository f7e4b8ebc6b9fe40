"""What staff does with a conversation: fields, labels, read marks, putting it aside, closing it."""

from __future__ import annotations

from yunsong.conversation.v1 import conversation_pb2, conversation_pb2_grpc, model_pb2
from yunsong_common.db import Database
from yunsong_common.errors import InvalidArgument, Violation
from yunsong_common.grpc import current_principal
from yunsong_conversation.domain.access import Viewer
from yunsong_conversation.entries import viewer_of
from yunsong_conversation.grpc_api.context import Context
from yunsong_conversation.handlers import work
from yunsong_conversation.handlers.contacts import merge_attributes
from yunsong_conversation.protocol import conversation_of, json_of, time_of

_UPDATABLE = ("priority", "subject", "attributes")


class WorkServicer(conversation_pb2_grpc.ConversationServiceServicer):
    """The part of the service that changes conversations without writing messages."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def UpdateConversation(
        self, request: conversation_pb2.UpdateConversationRequest, context: Context
    ) -> model_pb2.Conversation:
        """See the contract."""
        paths = set(request.update_mask.paths)
        if unknown := paths.difference(_UPDATABLE):
            raise InvalidArgument(
                reason="INVALID_REQUEST",
                message=f"update_mask can name {', '.join(_UPDATABLE)}, not {', '.join(sorted(unknown))}",
                violations=[
                    Violation("update_mask", f"{path!r} cannot be changed", "UNKNOWN_FIELD")
                    for path in sorted(unknown)
                ],
            )
        conversation = await work.update(
            self._db,
            request.conversation_id,
            current_viewer(),
            priority=(request.priority or model_pb2.PRIORITY_NORMAL) if "priority" in paths else None,
            subject=request.subject.replace("\0", "") if "subject" in paths else None,
            attributes=merge_attributes("{}", json_of(request.attributes)) if "attributes" in paths else None,
        )
        return conversation_of(conversation)

    async def MarkRead(
        self, request: conversation_pb2.MarkReadRequest, context: Context
    ) -> conversation_pb2.MarkReadResponse:
        """See the contract."""
        mark = await work.mark_read(
            self._db, request.conversation_id, current_viewer(), bounded(request.through_rev)
        )
        return conversation_pb2.MarkReadResponse(read_rev=mark)

    async def SetLabels(
        self, request: conversation_pb2.SetLabelsRequest, context: Context
    ) -> model_pb2.Conversation:
        """See the contract."""
        return conversation_of(
            await work.set_labels(
                self._db, request.conversation_id, current_viewer(), list(request.label_ids)
            )
        )

    async def SnoozeConversation(
        self, request: conversation_pb2.SnoozeConversationRequest, context: Context
    ) -> model_pb2.Conversation:
        """See the contract."""
        until = time_of(request, "until")
        assert until is not None  # the contract requires it
        return conversation_of(await work.snooze(self._db, request.conversation_id, current_viewer(), until))

    async def CloseConversation(
        self, request: conversation_pb2.CloseConversationRequest, context: Context
    ) -> model_pb2.Conversation:
        """See the contract."""
        summary = request.summary.replace("\0", "")
        return conversation_of(
            await work.close(
                self._db, request.conversation_id, current_viewer(), request.wrap_up_category_id, summary
            )
        )

    async def MarkSpam(
        self, request: conversation_pb2.MarkSpamRequest, context: Context
    ) -> model_pb2.Conversation:
        """See the contract."""
        return conversation_of(
            await work.mark_spam(
                self._db, request.conversation_id, current_viewer(), block_contact=request.block_contact
            )
        )


def current_viewer() -> Viewer:
    """Who calls, as it looks at conversations."""
    return viewer_of(current_principal())


def bounded(rev: int) -> int:
    """A revision that PostgreSQL can compare: the contract's uint64 has numbers that a bigint has not."""
    return min(rev, 2**62)
