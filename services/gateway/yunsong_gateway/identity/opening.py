"""Whether a person can be reached at an inbox: the hours of its queue, asked of their owners and kept for some seconds."""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from yunsong.channel.v1 import channel_pb2, channel_pb2_grpc
from yunsong.router.v1 import model_pb2, router_pb2, router_pb2_grpc
from yunsong_common.clock import Clock
from yunsong_common.errors import NotFound, YunsongError
from yunsong_common.grpc import Channels

log = logging.getLogger(__name__)

_TIMEOUT_S = 2.0
_MAX_INBOXES = 10_000
_PAGE = 200


@dataclass(frozen=True, slots=True)
class Opening:
    """Open now; else when it opens next, unset when it never does."""

    open: bool = True
    next_open_at: Timestamp | None = None


class Openings:
    """Hours by inbox. Who cannot be asked counts as open: a visitor who writes then is answered when somebody is there."""

    def __init__(self, channels: Channels, clock: Clock, *, keep_s: float = 5.0) -> None:
        self._inboxes = channel_pb2_grpc.InboxServiceStub(channels.channel_adapter)
        self._queues = router_pb2_grpc.QueueServiceStub(channels.router)
        self._clock = clock
        self._keep_s = keep_s
        self._known: OrderedDict[str, tuple[float, Opening]] = OrderedDict()

    async def of(self, inbox_id: str) -> Opening:
        """Never fails and takes a few seconds at most."""
        now = self._clock.monotonic()
        if (kept := self._known.get(inbox_id)) is not None and kept[0] > now:
            return kept[1]
        try:
            found = await self._ask(inbox_id)
        except YunsongError as error:
            log.warning("opening hours cannot be asked", extra={"inbox_id": inbox_id, "reason": error.reason})
            found = Opening()
        self._known[inbox_id] = (now + self._keep_s, found)
        self._known.move_to_end(inbox_id)
        while len(self._known) > _MAX_INBOXES:
            self._known.popitem(last=False)
        return found

    async def _ask(self, inbox_id: str) -> Opening:
        inbox = await self._inboxes.GetInbox(
            channel_pb2.GetInboxRequest(inbox_id=inbox_id), timeout=_TIMEOUT_S
        )
        queue = await self._queue(inbox.queue_id)
        if queue is None or queue.open:
            return Opening()
        return Opening(
            open=False, next_open_at=queue.next_open_at if queue.HasField("next_open_at") else None
        )

    async def _queue(self, queue_id: str) -> model_pb2.Queue | None:
        """The inbox's queue, or the oldest one, where the router puts what names none; None when there is no queue at all."""
        if queue_id:
            try:
                return await self._queues.GetQueue(
                    router_pb2.GetQueueRequest(queue_id=queue_id), timeout=_TIMEOUT_S
                )
            except NotFound:
                pass  # deleted since
        queues: list[model_pb2.Queue] = []
        request = router_pb2.ListQueuesRequest(page_size=_PAGE)
        while True:
            page = await self._queues.ListQueues(request, timeout=_TIMEOUT_S)
            queues += page.queues
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        return min(queues, key=lambda queue: (queue.created_at.ToNanoseconds(), queue.id), default=None)
