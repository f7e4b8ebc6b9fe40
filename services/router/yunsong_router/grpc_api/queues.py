"""`QueueService`."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from google.protobuf import field_mask_pb2

from yunsong.router.v1 import model_pb2, router_pb2, router_pb2_grpc
from yunsong_common.db import Database, Transaction, once
from yunsong_common.errors import FailedPrecondition, InvalidArgument, NotFound, Violation
from yunsong_common.grpc import current_call
from yunsong_router import wire
from yunsong_router.domain.skills import required_now
from yunsong_router.grpc_api import parsing
from yunsong_router.handlers import boards, configuring
from yunsong_router.handlers.strategies import Strategies
from yunsong_router.neighbours import Neighbours
from yunsong_router.repository import agents, items, queues


@dataclass
class QueueService(router_pb2_grpc.QueueServiceServicer):
    """Queues: where conversations wait, who serves them, and when."""

    database: Database
    strategies: Strategies
    neighbours: Neighbours

    async def ListQueues(
        self, request: router_pb2.ListQueuesRequest, context: object
    ) -> router_pb2.ListQueuesResponse:
        """Queues by name."""
        size = request.page_size or parsing.DEFAULT_PAGE
        key = parsing.page_key(request.page_token, 2)
        async with self.database.read() as tx:
            found = await queues.page(tx, (key[0], key[1]) if key else None, size + 1)
            now = await tx.now()
        token = parsing.page_token(found[size - 1].name, found[size - 1].id) if len(found) > size else ""
        return router_pb2.ListQueuesResponse(
            queues=[wire.queue(queue, now) for queue in found[:size]], next_page_token=token
        )

    async def GetQueue(self, request: router_pb2.GetQueueRequest, context: object) -> model_pb2.Queue:
        """One queue."""
        async with self.database.read() as tx:
            return wire.queue(await configuring.known_queue(tx, request.queue_id), await tx.now())

    async def CreateQueue(self, request: router_pb2.CreateQueueRequest, context: object) -> model_pb2.Queue:
        """A new queue; the same Idempotency-Key gives the same one."""
        call = current_call()

        async def work(tx: Transaction) -> model_pb2.Queue:
            async def effect() -> model_pb2.Queue:
                made = await configuring.create_queue(tx, parsing.queue(request.queue), self.strategies)
                return wire.queue(made, await tx.now())

            return await once(
                tx, key=call.idempotency_key, principal=call.principal.actor_id, method=call.method, request=request,
                response=model_pb2.Queue, effect=effect,
            )  # fmt: skip

        return await self.database.run(work)

    async def UpdateQueue(self, request: router_pb2.UpdateQueueRequest, context: object) -> model_pb2.Queue:
        """Changes what the mask names."""

        async def work(tx: Transaction) -> model_pb2.Queue:
            known = await configuring.known_queue(tx, request.queue_id)
            merged = _merged(wire.queue(known, await tx.now()), request.queue, request.update_mask)
            changed = parsing.queue(merged, request.queue_id)
            updated = await configuring.update_queue(tx, changed, known, self.strategies)
            return wire.queue(updated, await tx.now())

        return await self.database.run(work)

    async def DeleteQueue(
        self, request: router_pb2.DeleteQueueRequest, context: object
    ) -> router_pb2.DeleteQueueResponse:
        """Deletes a queue that is empty and that no inbox names."""
        async with self.database.read() as tx:
            queue = await configuring.known_queue(tx, request.queue_id)
        # Asked outside of the transaction: it would hold the configuration for as long as the answer takes.
        if using := await self.neighbours.inboxes_of(request.queue_id):
            raise FailedPrecondition(
                reason="QUEUE_IN_USE",
                message=f"{queue.name} serves the inboxes {', '.join(using)}; give them another queue first",
                queue_id=request.queue_id,
            )
        await self.database.run(lambda tx: configuring.delete_queue(tx, request.queue_id))
        return router_pb2.DeleteQueueResponse()

    async def SetQueueMembers(
        self, request: router_pb2.SetQueueMembersRequest, context: object
    ) -> model_pb2.Queue:
        """Replaces a queue's members."""

        async def work(tx: Transaction) -> model_pb2.Queue:
            changed = await configuring.set_members(tx, request.queue_id, request.agent_ids)
            return wire.queue(changed, await tx.now())

        return await self.database.run(work)

    async def GetBoard(self, request: router_pb2.GetBoardRequest, context: object) -> router_pb2.Board:
        """What waits and who works."""
        async with self.database.read(snapshot=True) as tx:
            now = await tx.now()
            views = await boards.look(tx)
            staff = await agents.everybody(tx)
        if request.queue_id:
            if request.queue_id not in views:
                raise NotFound(reason="QUEUE_UNKNOWN", message=f"there is no queue {request.queue_id}")
            views = {request.queue_id: views[request.queue_id]}
            staff = [agent for agent in staff if request.queue_id in agent.queue_ids]
        return router_pb2.Board(
            queues=[boards.proto(view, now) for view in views.values()],
            agents=map(wire.agent, staff),
            read_at=wire.timestamp(now),
        )

    async def ListWorkItems(
        self, request: router_pb2.ListWorkItemsRequest, context: object
    ) -> router_pb2.ListWorkItemsResponse:
        """What waits in a queue, next first."""
        size = request.page_size or parsing.DEFAULT_PAGE
        key = parsing.page_key(request.page_token, 4)
        try:
            after = (key[0] == "1", int(key[1]), dt.datetime.fromisoformat(key[2]), key[3]) if key else None
        except ValueError:
            raise _bad(
                "page_token", "PAGE_TOKEN_INVALID", "page_token is not one that this list gave"
            ) from None
        async with self.database.read() as tx:
            queue = await configuring.known_queue(tx, request.queue_id)
            found = await items.waiting_in(tx, request.queue_id, after, size + 1)
            now = await tx.now()
        shown = [
            wire.work_item(
                item,
                dict(
                    required_now(
                        item.skills,
                        queue.required_skills,
                        queue.relaxation,
                        (now - item.waiting_since).total_seconds(),
                    )
                ),
            )
            for item in found[:size]
        ]
        token = ""
        if len(found) > size:
            last = found[size - 1]
            token = parsing.page_token(
                str(int(not last.at_head)), str(last.priority), last.waiting_since.isoformat(), last.id
            )
        return router_pb2.ListWorkItemsResponse(work_items=shown, next_page_token=token)


def _merged(
    known: model_pb2.Queue, given: model_pb2.Queue, mask: field_mask_pb2.FieldMask
) -> model_pb2.Queue:
    result = model_pb2.Queue()
    result.CopyFrom(known)
    paths = [
        path
        for path in mask.paths
        if path.partition(".")[0] not in ("id", "open", "next_open_at", "member_ids", "created_at")
    ]
    try:
        field_mask_pb2.FieldMask(paths=paths).MergeMessage(given, result, True, True)
    except ValueError as error:
        raise _bad("update_mask", "UNKNOWN_FIELD", f"the mask names no field of a queue: {error}") from error
    return result


def _bad(field: str, reason: str, message: str) -> InvalidArgument:
    # Of what is plainly a wrong field, the violation alone tells the reason.
    code = "INVALID_REQUEST" if reason == "UNKNOWN_FIELD" else reason
    return InvalidArgument(reason=code, message=message, violations=[Violation(field, message, reason)])
