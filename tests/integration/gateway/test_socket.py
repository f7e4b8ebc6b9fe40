"""The socket: sending, resuming by revision, healing gaps, and what a misbehaving client gets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from typing import Any

import orjson
import pytest
import websockets

from tests.integration.gateway.conftest import Door, Frames, bearer
from tests.integration.gateway.fakes import ORIGIN
from tests.support.polling import eventually
from yunsong.conversation.v1 import message_pb2
from yunsong.router.v1 import events_pb2 as router_events_pb2
from yunsong_common.ids import new_id

AGENT = message_pb2.Actor(kind=message_pb2.AUTHOR_KIND_AGENT, id="agent", name="agent 1")


async def revs(socket: Frames, count: int) -> list[int]:
    return [(await socket.until(type="event"))["rev"] for _ in range(count)]


async def test_a_contact_writes_and_gets_its_own_event(door: Door) -> None:
    session = await door.contact(name="contact 1")
    async with door.socket(session["access_token"]) as socket:
        assert socket.welcome["actor"] == {
            "kind": "contact",
            "id": session["contact_id"],
            "name": "contact 1",
        }
        ack = await socket.ask(type="send", client_id="c1", content={"text": {"text": "你好"}})
        assert ack["type"] == "ack", ack
        assert ack["rev"] == 1
        event = await socket.until(type="event", rev=1)
        assert event["event"] == "message_posted"
        assert event["data"]["content"]["text"]["text"] == "你好"
        again = await socket.ask(type="send", client_id="c1", content={"text": {"text": "你好"}})
        assert again["duplicate"] is True
        assert again["message_id"] == ack["message_id"]


async def test_the_first_message_subscribes_its_contact_once(door: Door) -> None:
    session = await door.contact()
    async with door.socket(session["access_token"]) as socket:
        await socket.send(type="send", client_id="c1", content={"text": {"text": "你好"}})
        await socket.until(type="event", rev=1)
        await socket.send(type="send", client_id="c2", content={"text": {"text": "在吗"}})
        frames: list[dict[str, Any]] = []
        while not frames or frames[-1].get("rev") != 2 or frames[-1]["type"] != "event":
            frames.append(await socket.receive())
        await socket.send(type="ping", ref="last")
        while frames[-1].get("ref") != "last":
            frames.append(await socket.receive())
        assert [frame["rev"] for frame in frames if frame["type"] == "event"] == [2]
        assert [frame for frame in frames if frame["type"] == "subscribed"] == []


async def test_a_contacts_token_works_on_its_inboxs_pages_alone(door: Door) -> None:
    token = (await door.contact())["access_token"]
    headers = bearer(token)
    for origin, code in ((ORIGIN, None), ("", None), ("https://evil.example", "ORIGIN_REFUSED")):
        more = {"origin": origin} if origin else {}
        answer = await door.http.get("/api/v1/contact/nothing", headers={**headers, **more})
        assert answer.json()["code"] == (code or "ROUTE_UNKNOWN")
        address = door.url.replace("http", "ws") + "/api/v1/ws"
        async with websockets.connect(address, additional_headers={**headers, **more}) as connection:
            first = orjson.loads(await connection.recv())
            assert first.get("error", {}).get("code") == code, first


async def test_three_ways_to_sign_in_and_none(door: Door) -> None:
    token = (await door.contact())["access_token"]
    address = door.url.replace("http", "ws") + "/api/v1/ws"
    async with websockets.connect(address, subprotocols=["yunsong.v1", f"bearer.{token}"]) as connection:  # type: ignore[list-item]
        assert connection.subprotocol == "yunsong.v1"
        assert orjson.loads(await connection.recv())["type"] == "welcome"
    async with websockets.connect(address) as connection:
        await connection.send(orjson.dumps({"type": "hello", "ref": "h", "token": token}).decode())
        assert orjson.loads(await connection.recv())["ref"] == "h"
    for first in ('{"type": "hello", "token": "wrong"}', "garbage", '{"type": "send"}'):
        async with websockets.connect(address) as connection:
            await connection.send(first)
            assert orjson.loads(await connection.recv())["type"] == "error"
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await connection.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4001


async def test_an_agent_resumes_where_it_was(door: Door) -> None:
    conversation_id = new_id()
    for number in range(1, 6):
        door.conversation.post(conversation_id, f"message {number}", AGENT)
    _, headers = await door.new_user("agent")
    token = headers["Authorization"].split()[1]
    async with door.socket(token) as socket:
        ack = await socket.ask(type="subscribe", topic="conversation", id=conversation_id, after_rev=2)
        assert (ack["rev"], ack["snapshot_required"]) == (5, False)
        assert await revs(socket, 3) == [3, 4, 5]
        door.conversation.post(conversation_id, "live", AGENT)
        event = await socket.until(type="event")
        assert (event["rev"], event["id"], event["data"]["meta"]["rev"]) == (6, conversation_id, 6)
        await socket.ask(type="unsubscribe", topic="conversation", id=conversation_id)
        door.conversation.post(conversation_id, "unheard", AGENT)
        ack = await socket.ask(type="subscribe", topic="conversation", id=conversation_id)
        assert ack["rev"] == 7
        future = await socket.ask(type="subscribe", topic="conversation", id=conversation_id, after_rev=99)
        assert future["snapshot_required"] is True
        unknown = await socket.ask(type="subscribe", topic="conversation", id=new_id(), after_rev=0)
        assert unknown["error"]["code"] == "CONVERSATION_UNKNOWN"


async def test_a_lost_push_is_healed(door: Door) -> None:
    conversation_id = new_id()
    door.conversation.post(conversation_id, "first", AGENT)
    token = (await door.sign_in())["access_token"]
    async with door.socket(token) as socket:
        await socket.ask(type="subscribe", topic="conversation", id=conversation_id, after_rev=1)
        door.conversation.silent = True
        door.conversation.post(conversation_id, "lost in the middle", AGENT)
        door.conversation.silent = False
        door.conversation.post(conversation_id, "after the gap", AGENT)
        assert await revs(socket, 2) == [2, 3]
        door.conversation.silent = True
        door.conversation.post(conversation_id, "lost at the end", AGENT)
        assert await revs(socket, 1) == [4]  # by the head in the heartbeat
        heartbeat = await socket.until(type="heartbeat")
        assert heartbeat["heads"] == {conversation_id: 4}


async def test_events_while_joining_come_once_and_in_order(door: Door) -> None:
    conversation_id = new_id()
    for number in range(700):  # more than a page
        door.conversation.post(conversation_id, f"message {number}", AGENT)
    token = (await door.sign_in())["access_token"]
    async with door.socket(token) as socket:
        await socket.send(type="subscribe", topic="conversation", id=conversation_id, after_rev=0)
        for number in range(50):
            door.conversation.post(conversation_id, f"while joining {number}", AGENT)
            await asyncio.sleep(0)
        assert await revs(socket, 750) == list(range(1, 751))


async def test_a_log_that_does_not_reach_back(door: Door) -> None:
    conversation_id = new_id()
    for number in range(3):
        door.conversation.post(conversation_id, f"message {number}", AGENT)
    door.conversation.snapshot_required = True
    token = (await door.sign_in())["access_token"]
    async with door.socket(token) as socket:
        ack = await socket.ask(type="subscribe", topic="conversation", id=conversation_id, after_rev=1)
        assert ack["snapshot_required"] is True
        door.conversation.post(conversation_id, "after the snapshot", AGENT)
        assert await revs(socket, 1) == [4]


async def test_a_contact_sees_no_other_conversation_and_no_staff_topic(door: Door) -> None:
    other = new_id()
    door.conversation.post(other, "private", AGENT)
    async with door.socket((await door.contact())["access_token"]) as socket:
        refused = await socket.ask(type="subscribe", topic="conversation", id=other, after_rev=0)
        assert refused["error"]["code"] == "CONVERSATION_UNKNOWN"
        for topic in ("feed", "queue", "alerts"):
            refused = await socket.ask(type="subscribe", topic=topic)
            assert refused["error"]["code"] == "TOPIC_REFUSED"
        refused = await socket.ask(
            type="send", client_id="1", content={"text": {"text": "a"}}, visibility="internal", metadata={}
        )
        assert {one["field"] for one in refused["error"]["violations"]} == {"visibility", "metadata"}
        door.conversation.post(other, "still private", AGENT)
        assert (await socket.ask(type="ping"))["type"] == "pong"


async def test_typing_is_seen_by_the_other_side(door: Door) -> None:
    session = await door.contact(name="contact 1")
    token = (await door.sign_in())["access_token"]
    async with door.socket(session["access_token"]) as contact, door.socket(token) as agent:
        ack = await contact.ask(type="send", client_id="1", content={"text": {"text": "hello"}})
        conversation_id = ack["conversation_id"]
        await contact.until(type="event", rev=1)
        await agent.ask(type="subscribe", topic="conversation", id=conversation_id, after_rev=0)
        await contact.ask(type="typing", conversation_id=conversation_id)
        live = await agent.until(type="live", event="typing")
        assert live["data"]["actor"]["name"] == "contact 1"
        assert live["data"]["active"] is True
        await agent.ask(type="typing", conversation_id=conversation_id, internal=True)
        await agent.ask(type="typing", conversation_id=conversation_id, active=False)
        live = await contact.until(type="live", event="typing")
        assert (live["data"]["internal"], live["data"]["active"]) == (False, False)
        stranger = await agent.ask(type="typing", conversation_id=new_id())
        assert stranger["error"]["code"] == "NOT_SUBSCRIBED"


async def test_an_agents_feed_and_lease(door: Door) -> None:
    user, headers = await door.new_user("agent")
    async with door.socket(headers["Authorization"].split()[1]) as socket:
        await eventually(lambda: {user["id"]: 1} in door.router.leases)
        door.router.tell(user["id"], "before")
        ack = await socket.ask(type="subscribe", topic="feed", after_rev=0)
        assert (ack["topic"], ack["rev"]) == ("feed", 1)
        door.router.tell(user["id"], "after")
        assert await revs(socket, 2) == [1, 2]
        foreign = await socket.ask(type="subscribe", topic="feed", id=new_id())
        assert (foreign["type"], foreign["error"]["code"]) == ("error", "FEED_OF_ANOTHER")
        own = await socket.ask(type="subscribe", topic="feed", id=user["id"], after_rev=2)
        assert own["type"] == "ack"
        signed_out = await door.http.post("/api/v1/sessions:sign_out", json={}, headers=headers)
        assert signed_out.status_code == 200
        await eventually(lambda: {user["id"]: 0} in door.router.leases, what="the end without grace")


async def test_leases_are_renewed_with_nobody_connected(door: Door) -> None:
    _, headers = await door.new_user("agent")
    async with door.socket(headers["Authorization"].split()[1]):
        pass
    told = len(door.router.leases)
    await eventually(lambda: {} in door.router.leases[told:], what="a renewal that names nobody")


async def test_sends_gather_while_a_batch_is_on_its_way(door: Door) -> None:
    session = await door.contact()
    async with door.socket(session["access_token"]) as socket:
        door.conversation.hold.clear()
        references = [
            await socket.send(type="send", client_id=f"c{number}", content={"text": {"text": str(number)}})
            for number in range(40)
        ]
        await socket.ask(type="ping")
        door.conversation.hold.set()
        acked = [(await socket.until(type="ack"))["ref"] for _ in references]
        assert acked == references
        assert len(door.conversation.batches) == 2
        refused = await socket.ask(type="send", client_id="r", content={"text": {"text": "refuse me"}})
        assert refused["error"]["code"] == "NOT_ASSIGNEE"
        assert refused["error"]["status"] == 409


async def test_garbage_gives_errors_and_never_an_end(door: Door) -> None:
    noise = random.Random(7)
    async with door.socket((await door.contact())["access_token"]) as socket:
        frames: list[str | bytes] = [
            "",
            "nonsense",
            "[]",
            "null",
            "1e999",
            '{"type": 7, "ref": "a"}',
            '{"type": "send"}',
            '{"type": "send", "ref": {}}',
            '{"type": "subscribe", "ref": "b", "topic": [], "id": {}}',
            '{"type": "subscribe", "ref": "b", "topic": "conversation", "id": "x.*.>"}',
            '{"type": "subscribe", "ref": "b", "topic": "conversation", "id": "a", "after_rev": -1}',
            '{"type": "read", "ref": "c", "conversation_id": 1}',
            '{"type": "typing", "ref": "d", "conversation_id": "e", "active": 1}',
            '{"type": "presence", "ref": "e"}',
            '{"type": "send", "ref": "f", "client_id": "\\u0000", "content": {"text": {"text": 1}, "card": []}}',
            "[" * 5000,
            orjson.dumps(
                {"type": "send", "ref": "g", "content": {"form": {"answers": nested(100)}}}
            ).decode(),
            *(os.urandom(noise.randrange(1, 200)) for _ in range(50)),
        ]
        for frame in frames:
            await socket.connection.send(frame)
            answer = await socket.until(type="error")
            assert answer["error"]["status"] < 500, (frame, answer)
        assert (await socket.ask(type="ping"))["type"] == "pong"


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = {"a": value}
    return value


async def test_a_flood_is_slowed_and_then_ended(door: Door) -> None:
    async with door.socket((await door.contact())["access_token"]) as socket:
        for number in range(300):
            await socket.send(type="ping", ref=str(number))
        limited = await socket.until(type="error")
        assert limited["error"]["code"] == "RATE_LIMITED"
        assert limited["error"]["retry_after_s"] > 0
        with contextlib.suppress(websockets.ConnectionClosed):
            for number in range(3000):
                await socket.send(type="ping", ref=str(number))
        assert await socket.close_code() == 4029


async def test_a_slow_reader_is_cut(door: Door) -> None:
    conversation_id = new_id()
    door.conversation.post(conversation_id, "first", AGENT)
    token = (await door.sign_in())["access_token"]
    address = door.url.replace("http", "ws") + "/api/v1/ws"
    headers = {"Authorization": f"Bearer {token}"}
    async with websockets.connect(
        address, additional_headers=headers, max_queue=1, compression=None
    ) as connection:
        slow = Frames(connection)
        await slow.until(type="welcome")
        await slow.ask(type="subscribe", topic="conversation", id=conversation_id, after_rev=1)
        async with door.socket(token) as fast:
            await fast.ask(type="subscribe", topic="conversation", id=conversation_id, after_rev=1)
            text = "长" * 9_000
            for _ in range(400):  # 10 MB, read by nobody
                door.conversation.post(conversation_id, text, AGENT)
                await fast.until(type="event")
            assert await slow.close_code() in (4008, 1006)  # the close frame may not get through either


async def test_a_contact_that_writes_elsewhere_is_subscribed(door: Door) -> None:
    session = await door.contact()
    async with door.socket(session["access_token"]) as one, door.socket(session["access_token"]) as two:
        await one.ask(type="send", client_id="1", content={"text": {"text": "hello"}})
        await one.until(type="event", rev=1)
        ack = await two.ask(
            type="subscribe",
            topic="conversation",
            id=door.conversation.of_contact[session["contact_id"]],
            after_rev=0,
        )
        assert ack["rev"] == 1
        assert await revs(two, 1) == [1]


async def test_a_contact_that_subscribes_sees_its_place_at_once(door: Door) -> None:
    session = await door.contact()
    async with door.socket(session["access_token"]) as first:
        ack = await first.ask(type="send", client_id="1", content={"text": {"text": "a person please"}})
        conversation_id = ack["conversation_id"]
        await first.until(type="event", rev=1)
    door.router.places[conversation_id] = 3
    subscribe = {"type": "subscribe", "topic": "conversation", "id": conversation_id, "after_rev": 1}
    async with door.socket(session["access_token"]) as socket:
        await socket.ask(**subscribe)
        live = await socket.until(type="live", event="queue_position")
        assert (live["topic"], live["id"], live["data"]["position"]) == ("conversation", conversation_id, 3)


async def test_a_place_that_moved_meanwhile_is_not_overtaken_by_the_older_one(door: Door) -> None:
    session = await door.contact()
    async with door.socket(session["access_token"]) as socket:
        ack = await socket.ask(type="send", client_id="1", content={"text": {"text": "a person please"}})
        conversation_id = ack["conversation_id"]
        await socket.until(type="event", rev=1)
        asked = door.router.waits_asked
        door.router.places[conversation_id] = 3
        door.router.hold_waits.clear()
        await socket.ask(type="subscribe", topic="conversation", id=conversation_id, after_rev=1)
        await eventually(lambda: door.router.waits_asked > asked)
        door.bus.publish_live(router_events_pb2.QueuePosition(conversation_id=conversation_id, position=2))
        assert (await socket.until(type="live", event="queue_position"))["data"]["position"] == 2
        door.router.hold_waits.set()
        door.bus.publish_live(router_events_pb2.QueuePosition(conversation_id=conversation_id, position=1))
        assert (await socket.until(type="live", event="queue_position"))["data"]["position"] == 1
