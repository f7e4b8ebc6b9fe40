"""What the channel adapter asks the router: whether a queue exists."""

from __future__ import annotations

import grpc

from yunsong.router.v1 import router_pb2, router_pb2_grpc
from yunsong_common.errors import NotFound, Unavailable, YunsongError

_TIMEOUT_S = 5.0


class Queues:
    """The router, which owns queues."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._queues = router_pb2_grpc.QueueServiceStub(channel)

    async def must_exist(self, queue_id: str) -> None:
        """Raises `NotFound` for a queue that is not there, `Unavailable` when the router does not say. None is named by an empty id."""
        if not queue_id:
            return
        try:
            await self._queues.GetQueue(router_pb2.GetQueueRequest(queue_id=queue_id), timeout=_TIMEOUT_S)
        except NotFound:
            raise NotFound(
                reason="QUEUE_UNKNOWN", message=f"there is no queue {queue_id}", queue_id=queue_id
            ) from None
        except YunsongError as error:
            raise Unavailable(
                reason="ROUTER_UNAVAILABLE",
                message="the router does not answer whether the queue exists; try again",
                queue_id=queue_id,
            ) from error
