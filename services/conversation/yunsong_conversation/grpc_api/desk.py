"""Quick replies and saved views."""

from __future__ import annotations

import unicodedata
from typing import Any
from uuid import UUID

from yunsong.conversation.v1 import desk_pb2 as pb
from yunsong.conversation.v1 import desk_pb2_grpc
from yunsong_common.db import Database
from yunsong_common.grpc import current_principal
from yunsong_conversation.domain.desk import QuickReply, SavedView, shortcut_key
from yunsong_conversation.entries import viewer_of
from yunsong_conversation.grpc_api.context import Context
from yunsong_conversation.grpc_api.names import checked_name
from yunsong_conversation.handlers import desk as handlers
from yunsong_conversation.paging import key_of, page_size, token_of
from yunsong_conversation.protocol import stamp
from yunsong_conversation.repository import desk

_LIST = "quick_replies"


class QuickReplyServicer(desk_pb2_grpc.QuickReplyServiceServicer):
    """See the contract."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def ListQuickReplies(
        self, request: pb.ListQuickRepliesRequest, context: Context
    ) -> pb.ListQuickRepliesResponse:
        """See the contract."""
        owner_id = viewer_of(current_principal()).actor.id
        size = page_size(request.page_size, 200, 500)
        after = key_of(_LIST, request.page_token, (str, UUID))
        async with self._db.read() as tx:
            found = await desk.replies(
                tx,
                owner_id,
                _clean(request.query).strip(),
                (str(after[0]), str(after[1])) if after else None,
                size + 1,
            )
        last = found[size - 1] if len(found) > size else None
        return pb.ListQuickRepliesResponse(
            quick_replies=[_reply(one) for one in found[:size]],
            next_page_token=token_of(_LIST, (shortcut_key(last.shortcut), last.id)) if last else "",
        )

    async def CreateQuickReply(self, request: pb.CreateQuickReplyRequest, context: Context) -> pb.QuickReply:
        """See the contract."""
        viewer = viewer_of(current_principal())
        text = _text(request.text)
        made = await self._db.run(
            lambda tx: handlers.create_reply(
                tx,
                viewer,
                shortcut=_shortcut(request.shortcut),
                title=_clean(request.title).strip(),
                text=text,
                shared=request.shared,
            )
        )
        return _reply(made)

    async def UpdateQuickReply(self, request: pb.UpdateQuickReplyRequest, context: Context) -> pb.QuickReply:
        """See the contract."""
        viewer = viewer_of(current_principal())
        changes: dict[str, Any] = {}
        if request.HasField("shortcut"):
            changes["shortcut"] = _shortcut(request.shortcut)
        if request.HasField("title"):
            changes["title"] = _clean(request.title).strip()
        if request.HasField("text"):
            changes["text"] = _text(request.text)
        if request.HasField("shared"):
            changes["shared"] = request.shared
        return _reply(
            await self._db.run(lambda tx: handlers.update_reply(tx, viewer, request.quick_reply_id, changes))
        )

    async def DeleteQuickReply(
        self, request: pb.DeleteQuickReplyRequest, context: Context
    ) -> pb.DeleteQuickReplyResponse:
        """See the contract."""
        viewer = viewer_of(current_principal())
        await self._db.run(lambda tx: handlers.delete_reply(tx, viewer, request.quick_reply_id))
        return pb.DeleteQuickReplyResponse()


class SavedViewServicer(desk_pb2_grpc.SavedViewServiceServicer):
    """See the contract."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def ListSavedViews(
        self, request: pb.ListSavedViewsRequest, context: Context
    ) -> pb.ListSavedViewsResponse:
        """See the contract."""
        async with self._db.read() as tx:
            found = await desk.views(tx, viewer_of(current_principal()).actor.id)
        return pb.ListSavedViewsResponse(saved_views=[_view(one) for one in found])

    async def CreateSavedView(self, request: pb.CreateSavedViewRequest, context: Context) -> pb.SavedView:
        """See the contract."""
        viewer, name = viewer_of(current_principal()), checked_name(request.name)
        made = await self._db.run(
            lambda tx: handlers.create_view(
                tx,
                viewer,
                name=name,
                filter_=request.filter.SerializeToString(deterministic=True),
                shared=request.shared,
                position=request.position,
            )
        )
        return _view(made)

    async def UpdateSavedView(self, request: pb.UpdateSavedViewRequest, context: Context) -> pb.SavedView:
        """See the contract."""
        viewer = viewer_of(current_principal())
        changes: dict[str, Any] = {}
        if request.HasField("name"):
            changes["name"] = checked_name(request.name)
        if request.HasField("filter"):
            changes["filter"] = request.filter.SerializeToString(deterministic=True)
        if request.HasField("shared"):
            changes["shared"] = request.shared
        if request.HasField("position"):
            changes["position"] = request.position
        return _view(
            await self._db.run(lambda tx: handlers.update_view(tx, viewer, request.saved_view_id, changes))
        )

    async def DeleteSavedView(
        self, request: pb.DeleteSavedViewRequest, context: Context
    ) -> pb.DeleteSavedViewResponse:
        """See the contract."""
        viewer = viewer_of(current_principal())
        await self._db.run(lambda tx: handlers.delete_view(tx, viewer, request.saved_view_id))
        return pb.DeleteSavedViewResponse()


def _shortcut(text: str) -> str:
    # One way to write a letter: what looks the same is the same.
    return unicodedata.normalize("NFC", text)


def _text(text: str) -> str:
    cleaned = _clean(text)
    checked_name(cleaned, "text")
    return cleaned


def _clean(text: str) -> str:
    return text.replace("\0", "")


def _reply(reply: QuickReply) -> pb.QuickReply:
    return pb.QuickReply(
        id=reply.id,
        shortcut=reply.shortcut,
        title=reply.title or reply.shortcut,
        text=reply.text,
        shared=reply.shared,
        owner_id=reply.owner_id,
        updated_at=stamp(reply.updated_at),
    )


def _view(view: SavedView) -> pb.SavedView:
    return pb.SavedView(
        id=view.id,
        name=view.name,
        shared=view.shared,
        owner_id=view.owner_id,
        filter=pb.ConversationFilter.FromString(view.filter),
        position=view.position,
    )
