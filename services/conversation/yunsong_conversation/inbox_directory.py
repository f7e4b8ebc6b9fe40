"""Asks the channel adapter for an inbox that no event has told of yet."""

from __future__ import annotations

from yunsong.channel.v1 import channel_pb2, channel_pb2_grpc, model_pb2
from yunsong_common.db import Database
from yunsong_common.errors import NotFound
from yunsong_common.grpc import Channels
from yunsong_conversation.domain.inboxes import Inbox
from yunsong_conversation.repository import projections


class InboxDirectory:
    """Keeps inboxes that are asked for; events keep them current afterwards."""

    def __init__(self, db: Database, channels: Channels) -> None:
        self._db = db
        self._inboxes = channel_pb2_grpc.InboxServiceStub(channels.channel_adapter)

    async def learn(self, inbox_id: str) -> bool:
        """Makes an inbox known; False when there is none. Raises UNAVAILABLE when the channel adapter does not answer."""
        try:
            found = await self._inboxes.GetInbox(channel_pb2.GetInboxRequest(inbox_id=inbox_id), timeout=3)
        except NotFound:
            return False
        async with self._db.transaction() as tx:
            await projections.save_inbox(tx, inbox_from(found))
        return True


def inbox_from(message: model_pb2.Inbox, *, deleted: bool = False) -> Inbox:
    """What of an inbox concerns conversations."""
    return Inbox(
        id=message.id,
        rev=message.rev,
        channel=message.channel,
        enabled=message.enabled,
        deleted=deleted,
        bot_enabled=message.bot_enabled,
        queue_id=message.queue_id,
        reopen_window_s=message.reopen_window_s,
        idle_reminder_s=message.idle_reminder_s,
        idle_close_s=message.idle_close_s,
        required_skills=dict(message.required_skills),
    )
