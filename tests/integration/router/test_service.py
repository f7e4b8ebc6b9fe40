"""The router as a service: events in over NATS, intents out over gRPC, its public operations as they are called."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest

from tests.integration.router.rig import ACTIVE, Rig, running
from tests.support.polling import eventually
from yunsong.channel.v1 import model_pb2 as channel_model
from yunsong.conversation.v1 import model_pb2 as conversation_model
from yunsong.router.v1 import events_pb2, model_pb2, router_pb2, router_pb2_grpc
from yunsong_common.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from yunsong_common.ids import new_id

ADMIN = ("queue.read", "queue.write", "agent.read", "agent.write", "board.read", "conversation.read")
AGENT = ("presence.write", "conversation.write", "conversation.read", "queue.read")


async def make_queue(rig: Rig, **fields: object) -> model_pb2.Queue:
    stub = router_pb2_grpc.QueueServiceStub(rig.channels.router)
    request = router_pb2.CreateQueueRequest(queue=model_pb2.Queue(name=f"Sales {new_id()}", **fields))  # type: ignore[arg-type]
    return await stub.CreateQueue(request, metadata=rig.staff(new_id(), *ADMIN))


async def make_agents(rig: Rig, count: int, *queues: model_pb2.Queue, capacity: int = 5) -> list[str]:
    """Agents who serve these queues, connected and online."""
    agents = router_pb2_grpc.AgentServiceStub(rig.channels.router)
    staff = rig.staff(new_id(), *ADMIN)
    ids = [new_id() for _ in range(count)]
    for agent_id in ids:
        rig.stand_in.users[agent_id] = "Li"
        await agents.ConfigureAgent(
            router_pb2.ConfigureAgentRequest(
                agent_id=agent_id, name=f"Agent {agent_id[-4:]}", capacity=capacity
            ),
            metadata=staff,
        )
    for queue in queues:
        await router_pb2_grpc.QueueServiceStub(rig.channels.router).SetQueueMembers(
            router_pb2.SetQueueMembersRequest(queue_id=queue.id, agent_ids=ids), metadata=staff
        )
    await agents.RenewLeases(
        router_pb2.RenewLeasesRequest(
            gateway_id="gateway-1",
            leases=[router_pb2.AgentLease(agent_id=agent_id, connections=1) for agent_id in ids],
        )
    )
    for agent_id in ids:
        await agents.SetMyPresence(
            router_pb2.SetMyPresenceRequest(presence=model_pb2.PRESENCE_STATE_ONLINE),
            metadata=rig.staff(agent_id, *AGENT),
        )
    return ids


async def test_a_handoff_reaches_an_agent_and_the_agents_feed_tells_it(
    postgres_url: str, nats_url: str
) -> None:
    async with running(postgres_url, nats_url) as rig:
        queue = await make_queue(rig)
        agent, other = await make_agents(rig, 2, queue)
        conversation_id = await rig.stand_in.hand_over(queue.id)
        held = rig.stand_in.conversations[conversation_id]
        await eventually(lambda: held.state == ACTIVE and held.assignee_id in (agent, other))
        assert held.assignee_name == f"Agent {held.assignee_id[-4:]}"

        agents = router_pb2_grpc.AgentServiceStub(rig.channels.router)
        me = rig.staff(held.assignee_id, *AGENT)

        async def told() -> list[int]:
            feed = await agents.ReadMyFeed(router_pb2.ReadMyFeedRequest(), metadata=me)
            assert [entry.rev for entry in feed.entries] == list(range(1, feed.head_rev + 1))
            return [e.kind for e in feed.entries if e.work_item.conversation_id == conversation_id]

        await eventually(lambda: _equals(told, [events_pb2.FEED_KIND_ASSIGNED]))
        await rig.stand_in.close(conversation_id)
        await eventually(
            lambda: _equals(told, [events_pb2.FEED_KIND_ASSIGNED, events_pb2.FEED_KIND_UNASSIGNED])
        )
        assert (await agents.GetMyAgent(router_pb2.GetMyAgentRequest(), metadata=me)).load == 0


async def test_transfer_to_an_agent_and_to_a_queue(postgres_url: str, nats_url: str) -> None:
    async with running(postgres_url, nats_url) as rig:
        sales, service = await make_queue(rig), await make_queue(rig)
        (seller,) = await make_agents(rig, 1, sales)
        (helper,) = await make_agents(rig, 1, service)
        conversation_id = await rig.stand_in.hand_over(sales.id)
        held = rig.stand_in.conversations[conversation_id]
        await eventually(lambda: held.assignee_id == seller)
        dispatch = router_pb2_grpc.DispatchServiceStub(rig.channels.router)

        async def assigned_to_seller() -> bool:
            async with rig.router.read() as tx:
                state = await tx.raw.fetchval(
                    "SELECT state FROM work_items WHERE conversation_id = $1", conversation_id
                )
            return bool(state == "assigned")

        await eventually(assigned_to_seller)
        with pytest.raises(FailedPrecondition, match="NOT_ASSIGNEE"):
            await dispatch.TransferConversation(
                router_pb2.TransferConversationRequest(conversation_id=conversation_id, queue_id=service.id),
                metadata=rig.staff(helper, *AGENT),
            )
        await dispatch.TransferConversation(
            router_pb2.TransferConversationRequest(
                conversation_id=conversation_id, queue_id=service.id, note="please help"
            ),
            metadata=rig.staff(seller, *AGENT),
        )
        await eventually(lambda: held.assignee_id == helper)
        await eventually(assigned_to_seller)
        await dispatch.TransferConversation(
            router_pb2.TransferConversationRequest(conversation_id=conversation_id, agent_id=seller),
            metadata=rig.staff(helper, *AGENT),
        )
        await eventually(lambda: held.assignee_id == seller)
        assert held.epoch == 3


async def test_queues_are_configured_by_mask_and_refused_by_reason(postgres_url: str, nats_url: str) -> None:
    async with running(postgres_url, nats_url) as rig:
        stub = router_pb2_grpc.QueueServiceStub(rig.channels.router)
        admin = rig.staff(new_id(), *ADMIN)
        first = await make_queue(rig, max_wait_s=60)
        assert (first.priority, first.open, first.time_zone, first.offer_timeout_s) == (
            50,
            True,
            "Asia/Shanghai",
            20,
        )
        second = await make_queue(rig, overflow_queue_id=first.id, required_skills={"english": 3})
        cycle = router_pb2.UpdateQueueRequest(
            queue_id=first.id, queue=model_pb2.Queue(overflow_queue_id=second.id)
        )
        cycle.update_mask.paths.append("overflow_queue_id")
        with pytest.raises(InvalidArgument, match="OVERFLOW_CYCLE"):
            await stub.UpdateQueue(cycle, metadata=admin)
        with pytest.raises(AlreadyExists, match="QUEUE_NAME_TAKEN"):
            await stub.CreateQueue(
                router_pb2.CreateQueueRequest(queue=model_pb2.Queue(name=first.name)), metadata=admin
            )
        with pytest.raises(InvalidArgument, match="the name must say something"):
            await stub.CreateQueue(
                router_pb2.CreateQueueRequest(queue=model_pb2.Queue(name=" \t")), metadata=admin
            )
        half = model_pb2.Queue(name="half")
        half.holidays.add(date="2026-12-25", to="18:00")
        with pytest.raises(InvalidArgument, match="HOLIDAY_INCOMPLETE"):
            await stub.CreateQueue(router_pb2.CreateQueueRequest(queue=half), metadata=admin)
        request = router_pb2.UpdateQueueRequest(queue_id=second.id, queue=model_pb2.Queue(priority=10))
        request.queue.sla.first_response_s = 90
        request.queue.hours.add(weekday=1, to="18:00")
        setattr(request.queue.hours[0], "from", "09:30")
        request.update_mask.paths.extend(["priority", "sla.first_response_s", "hours"])
        changed = await stub.UpdateQueue(request, metadata=admin)
        assert (changed.priority, changed.sla.first_response_s, changed.name) == (10, 90, second.name)
        assert changed.required_skills == {"english": 3}
        assert getattr(changed.hours[0], "from") == "09:30"
        assert changed.overflow_queue_id == first.id
        request.update_mask.paths.append("sla.y")
        with pytest.raises(InvalidArgument) as refused:
            await stub.UpdateQueue(request, metadata=admin)
        assert [one.field for one in refused.value.violations] == ["update_mask"]
        assert "sla.y" in refused.value.violations[0].description
        listed = [
            queue.id
            for queue in (await stub.ListQueues(router_pb2.ListQueuesRequest(), metadata=admin)).queues
        ]
        assert {first.id, second.id} <= set(listed)
        await stub.DeleteQueue(router_pb2.DeleteQueueRequest(queue_id=first.id), metadata=admin)
        with pytest.raises(NotFound, match="QUEUE_UNKNOWN"):
            await stub.GetQueue(router_pb2.GetQueueRequest(queue_id=first.id), metadata=admin)


async def test_the_board_and_the_wait_show_what_waits(postgres_url: str, nats_url: str) -> None:
    async with running(postgres_url, nats_url) as rig:
        queue = await make_queue(rig)
        conversations = [await rig.stand_in.hand_over(queue.id) for _ in range(3)]
        stub = router_pb2_grpc.QueueServiceStub(rig.channels.router)
        dispatch = router_pb2_grpc.DispatchServiceStub(rig.channels.router)
        admin = rig.staff(new_id(), *ADMIN)

        async def waiting() -> bool:
            board = await stub.GetBoard(router_pb2.GetBoardRequest(queue_id=queue.id), metadata=admin)
            return board.queues[0].waiting == 3

        await eventually(waiting)
        place = await dispatch.GetWait(
            router_pb2.GetWaitRequest(conversation_id=conversations[1]), metadata=admin
        )
        assert (place.position, place.open, place.estimate_known) == (2, True, False)
        page = await stub.ListWorkItems(
            router_pb2.ListWorkItemsRequest(queue_id=queue.id, page_size=2), metadata=admin
        )
        rest = await stub.ListWorkItems(
            router_pb2.ListWorkItemsRequest(queue_id=queue.id, page_size=2, page_token=page.next_page_token),
            metadata=admin,
        )
        assert [item.conversation_id for item in [*page.work_items, *rest.work_items]] == conversations
        assert rest.next_page_token == ""
        assert (
            rig.stand_in.conversations[conversations[0]].state == conversation_model.CONVERSATION_STATE_QUEUED
        )


async def test_a_contact_reads_its_own_wait_alone(postgres_url: str, nats_url: str) -> None:
    async with running(postgres_url, nats_url) as rig:
        queue = await make_queue(rig)
        first, second = [await rig.stand_in.hand_over(queue.id) for _ in range(2)]
        waits = router_pb2_grpc.ContactWaitServiceStub(rig.channels.router)
        request = router_pb2.GetMyWaitRequest(conversation_id=second)
        owner = rig.contact(rig.stand_in.conversations[second].contact_id)

        async def place() -> int:
            return int((await waits.GetMyWait(request, metadata=owner)).position)

        await eventually(lambda: _equals(place, 2))
        stranger = rig.contact(rig.stand_in.conversations[first].contact_id)
        with pytest.raises(NotFound, match="CONVERSATION_UNKNOWN"):
            await waits.GetMyWait(request, metadata=stranger)


async def _equals(read: object, wanted: object) -> bool:
    value = await read()  # type: ignore[operator]
    assert value == wanted, value
    return True


async def test_a_queue_that_an_inbox_names_is_not_deleted(postgres_url: str, nats_url: str) -> None:
    async with running(postgres_url, nats_url) as rig:
        queue = await make_queue(rig)
        stub = router_pb2_grpc.QueueServiceStub(rig.channels.router)
        admin = rig.staff(new_id(), *ADMIN)
        request = router_pb2.DeleteQueueRequest(queue_id=queue.id)
        rig.stand_in.inboxes += [
            channel_model.Inbox(name="Elsewhere", queue_id=new_id()),
            channel_model.Inbox(name="Shop", queue_id=queue.id),
        ]
        with pytest.raises(FailedPrecondition) as used:
            await stub.DeleteQueue(request, metadata=admin)
        assert used.value.reason == "QUEUE_IN_USE"
        assert "Shop" in used.value.message
        rig.stand_in.away = True
        with pytest.raises(Unavailable):
            await stub.DeleteQueue(request, metadata=admin)
        rig.stand_in.away = False
        rig.stand_in.inboxes.pop()
        await stub.DeleteQueue(request, metadata=admin)


async def test_only_users_become_agents(postgres_url: str, nats_url: str) -> None:
    async with running(postgres_url, nats_url) as rig:
        stub = router_pb2_grpc.AgentServiceStub(rig.channels.router)
        admin = rig.staff(new_id(), *ADMIN)
        request = router_pb2.ConfigureAgentRequest(agent_id=new_id())
        with pytest.raises(NotFound) as refused:
            await stub.ConfigureAgent(request, metadata=admin)
        assert refused.value.reason == "AGENT_UNKNOWN"
        with pytest.raises(NotFound):
            await stub.GetAgent(router_pb2.GetAgentRequest(agent_id=request.agent_id), metadata=admin)
        rig.stand_in.users[request.agent_id] = "Wang"
        assert (await stub.ConfigureAgent(request, metadata=admin)).name == "Wang"
        rig.stand_in.away = True
        with pytest.raises(Unavailable):
            await stub.ConfigureAgent(router_pb2.ConfigureAgentRequest(agent_id=new_id()), metadata=admin)
        # Who is an agent already stays configurable, and the gateway needs not be asked about its own users.
        assert (await stub.ConfigureAgent(request, metadata=admin)).name == "Wang"
        by_gateway = router_pb2.ConfigureAgentRequest(agent_id=new_id(), name="Zhao")
        assert (await stub.ConfigureAgent(by_gateway)).name == "Zhao"


async def test_a_disabled_agent_takes_no_work_whatever_it_says(postgres_url: str, nats_url: str) -> None:
    async with running(postgres_url, nats_url) as rig:
        queue = await make_queue(rig)
        disabled, other = await make_agents(rig, 2, queue)
        stub = router_pb2_grpc.AgentServiceStub(rig.channels.router)
        await stub.ConfigureAgent(router_pb2.ConfigureAgentRequest(agent_id=disabled, enabled=False))
        await stub.SetMyPresence(
            router_pb2.SetMyPresenceRequest(presence=model_pb2.PRESENCE_STATE_ONLINE),
            metadata=rig.staff(disabled, *AGENT),
        )
        conversations = [await rig.stand_in.hand_over(queue.id) for _ in range(4)]
        await eventually(
            lambda: {rig.stand_in.conversations[each].assignee_id for each in conversations} == {other},
            what="the agent who is enabled has all of them",
        )
        board = await router_pb2_grpc.QueueServiceStub(rig.channels.router).GetBoard(
            router_pb2.GetBoardRequest(queue_id=queue.id), metadata=rig.staff(new_id(), *ADMIN)
        )
        assert board.queues[0].agents_online == 1


async def test_a_closed_queue_says_when_it_opens(postgres_url: str, nats_url: str) -> None:
    async with running(postgres_url, nats_url) as rig:
        await _a_closed_queue_says_when_it_opens(rig)


async def _a_closed_queue_says_when_it_opens(rig: Rig) -> None:
    now = dt.datetime.now(dt.UTC)
    stub = router_pb2_grpc.QueueServiceStub(rig.channels.router)
    staff = rig.staff(new_id(), *ADMIN)
    opens = (now + dt.timedelta(days=2)).date()
    closed = await make_queue(rig, time_zone="UTC", hours=[_hours(opens.isoweekday(), "09:00", "10:00")])
    assert not closed.open
    wanted = dt.datetime.combine(opens, dt.time(9), tzinfo=dt.UTC)
    assert closed.next_open_at.ToDatetime(dt.UTC) == wanted
    request = router_pb2.GetQueueRequest(queue_id=closed.id)
    assert (await stub.GetQueue(request, metadata=staff)).next_open_at == closed.next_open_at
    listed = await stub.ListQueues(router_pb2.ListQueuesRequest(page_size=200), metadata=staff)
    assert {one.id: one for one in listed.queues}[closed.id].next_open_at == closed.next_open_at
    always = await make_queue(rig)
    assert always.open
    assert not always.HasField("next_open_at")


def _hours(weekday: int, opens: str, closes: str) -> model_pb2.OpeningHours:
    # `from` is a keyword in Python.
    return model_pb2.OpeningHours(weekday=weekday, to=closes, **{"from": opens})


async def test_reasons_to_be_away_keep_their_order(postgres_url: str, nats_url: str) -> None:
    async with running(postgres_url, nats_url) as rig:
        await _reasons_to_be_away_keep_their_order(rig)


async def _reasons_to_be_away_keep_their_order(rig: Rig) -> None:
    stub = router_pb2_grpc.AgentServiceStub(rig.channels.router)
    lead = rig.staff(new_id(), "agent.write", "presence.write")
    away, busy = model_pb2.PRESENCE_STATE_AWAY, model_pb2.PRESENCE_STATE_BUSY

    async def put(*reasons: tuple[str, Any]) -> list[tuple[str, Any]]:
        request = router_pb2.SetPresenceReasonsRequest(
            reasons=[router_pb2.PresenceReason(name=name, state=state) for name, state in reasons]
        )
        answer = await stub.SetPresenceReasons(request, metadata=lead)
        return [(one.name, one.state) for one in answer.reasons]

    async def seen() -> list[tuple[str, Any]]:
        request = router_pb2.ListPresenceReasonsRequest()
        answer = await stub.ListPresenceReasons(request, metadata=rig.staff(new_id(), *AGENT))
        return [(one.name, one.state) for one in answer.reasons]

    wanted = [("培训", busy), ("午餐", away), ("培训", away)]
    assert await put(("培训", busy), (" 午餐 ", away), ("培训", away)) == wanted
    assert await seen() == wanted
    with pytest.raises(InvalidArgument, match="REASON_TWICE"):
        await put(("Lunch", away), ("lunch ", away))
    with pytest.raises(InvalidArgument) as refused:
        await put((" ", away), ("Meeting", model_pb2.PRESENCE_STATE_ONLINE))
    assert [one.field for one in refused.value.violations] == ["reasons[0].name", "reasons[1].state"]
    assert await seen() == wanted
    lists = [[(f"{letter}{number}", busy) for number in range(20)] for letter in "abcdef"]
    await asyncio.gather(*(put(*one) for one in lists))
    assert await seen() in lists
    assert await put() == []
    with pytest.raises(PermissionDenied):
        await stub.SetPresenceReasons(
            router_pb2.SetPresenceReasonsRequest(), metadata=rig.staff(new_id(), *AGENT)
        )
