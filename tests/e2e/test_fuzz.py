"""Bad input: whatever comes in, no 5xx, no crash, and a refusal that says what was wrong."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.load.client import Api, visitor_id
from tests.load.scene import Scene
from tests.support.product import Product
from yunsong_common.ids import new_id

Json = Any

# Close codes that the socket's document names, and the protocol's own for what is no JSON object in UTF-8.
_DOCUMENTED = frozenset((1000, 1003, 1007, 1009, 1012, 4001, 4003, 4008, 4029))
_ANSWER_WITHIN_S = 15.0
_PING = json.dumps({"type": "ping", "ref": "after"})

_STRINGS = (
    "", " ", "x", "\x00", "\ud800", "💥" * 50, "a" * 9_999, "a" * 70_000, "../../etc/passwd", "' OR 1=1 --", "null", "*", ">",
    "a.b", "00000000-0000-0000-0000-000000000000", "NaN", "{}", "\u202e\u200b", "%00", "0001-01-01T00:00:00Z",
)  # fmt: skip
_NUMBERS = (0, 1, -1, 2**31, 2**53, 2**63, 2**64, -(2**63), 1e308, 0.1, 10**30)


class Fuzzer:
    """Makes frames: valid ones, mutated ones, and noise. The seed makes a failure repeatable."""

    def __init__(self, seed: int, conversation_id: str) -> None:
        self._random = random.Random(seed)
        content = {"text": {"text": "hi"}}
        self._valid: list[dict[str, Json]] = [
            {"type": "send", "conversation_id": conversation_id, "client_id": "c", "content": content},
            {"type": "subscribe", "topic": "conversation", "id": conversation_id, "after_rev": 0},
            {"type": "subscribe", "topic": "feed", "after_rev": 0},
            {"type": "subscribe", "topic": "queue", "id": "*"},
            {"type": "unsubscribe", "topic": "alerts"},
            {"type": "read", "conversation_id": conversation_id, "through_rev": 1},
            {"type": "typing", "conversation_id": conversation_id, "active": True},
            {"type": "presence", "presence": "online"},
            {"type": "ping"},
            {"type": "hello", "token": "x"},
        ]

    def frame(self) -> str | bytes:
        choice = self._random.random()
        if choice < 0.06:
            noise: str | bytes = self._noise()
            return noise
        frame = json.loads(json.dumps(self._random.choice(self._valid)))
        frame["ref"] = new_id()
        frame["client_id"] = frame.get("client_id") and new_id()
        for _ in range(self._random.randint(0, 3)):
            self._mutate(frame)
        return json.dumps(frame, ensure_ascii=self._random.random() < 0.9 or _has_surrogate(frame))

    def _noise(self) -> Json:
        return self._random.choice(
            [
                "",
                "{",
                "[]",
                "null",
                "1",
                '"x"',
                "{}",
                '{"type":1}',
                "[" * 5_000,
                b"\xff\xfe",
                self._random.randbytes(40),
                "NaN",
            ]
        )

    def _mutate(self, frame: dict[str, Json]) -> None:
        holder: Json = frame
        while True:
            key = self._random.choice(list(holder)) if holder else "x"
            inner = holder.get(key)
            if not isinstance(inner, dict) or self._random.random() < 0.4:
                break
            holder = inner
        kind = self._random.random()
        if kind < 0.2:
            holder.pop(key, None)
        elif kind < 0.35:
            holder[self._random.choice(_STRINGS)[:50]] = self._value(2)
        else:
            holder[key] = self._value(3)

    def _value(self, depth: int) -> Json:
        kinds: list[Callable[[], Json]] = [
            lambda: self._random.choice(_STRINGS),
            lambda: self._random.choice(_NUMBERS),
            lambda: self._random.choice([None, True, False]),
        ]
        if depth:
            kinds += [
                lambda: [self._value(depth - 1) for _ in range(self._random.randint(0, 3))],
                lambda: {self._random.choice(_STRINGS)[:20]: self._value(depth - 1) for _ in range(2)},
            ]
        return self._random.choice(kinds)()


def _has_surrogate(frame: Json) -> bool:
    return "\\ud8" in json.dumps(frame)


async def _fuzz(url: str, token: str, fuzzer: Fuzzer, frames: int) -> None:
    """Sends frames one by one on a socket, a new one whenever the server closed; every `ref` must be answered."""
    connection: ClientConnection | None = None
    try:
        for _ in range(frames):
            frame = fuzzer.frame()
            if connection is None:
                connection = await _open(url, token)
            try:
                await connection.send(frame)
                await _answered(connection, frame)
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd is not None else 0
                assert code in _DOCUMENTED, f"closed with {code} after {frame[:300]!r}"
                connection = None
    finally:
        if connection is not None:
            await connection.close()


async def _open(url: str, token: str) -> ClientConnection:
    address = url.replace("http", "ws", 1) + "/api/v1/ws"
    connection = await connect(address, additional_headers={"authorization": f"Bearer {token}"})
    assert json.loads(await connection.recv())["type"] == "welcome"
    return connection


async def _answered(connection: ClientConnection, frame: str | bytes) -> None:
    """Reads up to the answer of a ping that follows the frame; nothing on the way may be a fault of the server."""
    async with asyncio.timeout(_ANSWER_WITHIN_S):
        await connection.send(_PING)
        while True:
            answer = json.loads(await connection.recv())
            if answer["type"] == "error":
                assert answer["error"]["status"] < 500, f"{answer} after {frame[:500]!r}"
            if answer["type"] == "pong":
                return
            if answer.get("ref") == "after":
                # Too many frames a second: that is no fault, but the ping has to come again.
                assert answer["error"]["code"] == "RATE_LIMITED"
                await asyncio.sleep(answer["error"]["retry_after_s"])
                await connection.send(_PING)


async def _staff_and_contact(product: Product) -> tuple[dict[str, str], str]:
    admin = Api(product.url, product.api_key)
    scene = await Scene.set_up(admin, agents=1, name="fuzz")
    session = await admin.call(
        "POST", "/api/v1/contact/sessions", {"inbox_key": scene.inbox_key, "visitor_id": visitor_id()}
    )
    own = Api(product.url, session["access_token"])
    body = {"client_id": new_id(), "content": {"text": {"text": "hello"}}}
    sent = await own.call("POST", "/api/v1/contact/messages", body)
    agent = await admin.sign_in(scene.usernames[0], scene.password)
    tokens = {"agent": agent.token, "contact": own.token}
    for api in (admin, own, agent):
        await api.close()
    return tokens, str(sent["conversation_id"])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("who", ["agent", "contact"])
async def test_frames_that_are_wrong_are_refused_and_break_nothing(shared_product: Product, who: str) -> None:
    tokens, conversation_id = await _staff_and_contact(shared_product)
    await _fuzz(shared_product.url, tokens[who], Fuzzer(1, conversation_id), 400)
    await _is_well(shared_product)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("who", ["agent", "contact"])
async def test_a_storm_of_wrong_frames(shared_product: Product, who: str) -> None:
    tokens, conversation_id = await _staff_and_contact(shared_product)
    async with asyncio.TaskGroup() as group:
        for seed in range(8):
            group.create_task(_fuzz(shared_product.url, tokens[who], Fuzzer(seed, conversation_id), 4_000))
    await _is_well(shared_product)


async def _is_well(product: Product) -> None:
    async with await product.sign_in() as admin:
        assert (await admin.get("/api/v1/me")).status_code == 200
    await product.all_ready()
    assert "Traceback" not in product.tail()


async def test_a_body_that_is_no_json_or_too_large_is_refused(shared_product: Product) -> None:
    headers = {"authorization": f"Bearer {shared_product.api_key}", "content-type": "application/json"}
    async with httpx.AsyncClient(base_url=shared_product.url, headers=headers, timeout=30) as client:
        for body in (
            b"{",
            b"\xff",
            b"[]",
            b"null",
            b'{"name": NaN}',
            b"[" * 100_000,
            b'{"name": "' + b"a" * 9_000_000,
        ):
            answer = await client.post("/api/v1/labels", content=body)
            assert answer.status_code in {400, 413}, f"{body[:30]!r}: {answer.status_code}"
            assert answer.headers["content-type"] == "application/problem+json"
