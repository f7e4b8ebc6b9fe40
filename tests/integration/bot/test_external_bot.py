"""A bot of the business's own over HTTP: a real server, signed requests, and every way it can fail."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import standardwebhooks

from yunsong_bot.external import ExternalBot, ExternalBotFailed, Question
from yunsong_plugin_api import Answer, Handoff, NextSkill, SkillContext

SECRET = "whsec_" + base64.b64encode(b"a secret of 24 bytes at least").decode()
QUESTION = Question(
    "01890000-0000-7000-8000-00000000000f", SkillContext("c", "i", "web", "zh-CN", "你们几点开门"), misses=1
)


@contextlib.asynccontextmanager
async def server(reply: Callable[[dict[str, str], bytes], tuple[int, bytes]]) -> AsyncIterator[str]:
    """A web server that answers every request with `reply(headers, body)`."""

    served: list[asyncio.Task[Any]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        served.append(task)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head if line)}
        status, answer = reply(headers, await reader.readexactly(int(headers["content-length"])))
        if status:
            fields = b"location: /elsewhere\r\nconnection: close\r\ncontent-length: %d" % len(answer)
            writer.write(b"HTTP/1.1 %d x\r\n%b\r\n\r\n%b" % (status, fields, answer))
        else:
            await reader.read()  # until the client has had enough
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/bot"
        await asyncio.gather(*served)


async def ask(url: str, timeout_s: float = 5) -> Any:
    async with httpx.AsyncClient() as client:
        return await ExternalBot(client, timeout_s=timeout_s, allow_private=True).ask(url, SECRET, QUESTION)


async def test_the_request_is_signed_and_the_answer_is_taken() -> None:
    seen: list[Any] = []

    def reply(headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        seen.append(standardwebhooks.Webhook(SECRET).verify(body, headers))
        return 200, json.dumps({"kind": "answer", "text": "九点", "buttons": ["几点关门"]}).encode()

    async with server(reply) as url:
        assert await ask(url) == Answer("九点", suggestions=("几点关门",), source="byo_bot")
    assert seen[0]["text"] == "你们几点开门"
    assert seen[0]["misses"] == 1


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ({"kind": "handoff", "text": "稍等"}, Handoff("byo_bot", text="稍等")),
        ({"kind": "pass"}, NextSkill()),
        ({"kind": "answer", "text": " "}, Handoff("byo_bot", text=" ")),
    ],
)
async def test_it_may_hand_off_or_pass(answer: dict[str, Any], result: Any) -> None:
    async with server(lambda _headers, _body: (200, json.dumps(answer).encode())) as url:
        assert await ask(url) == result


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b""),
        (302, b""),
        (200, b"not json"),
        (200, b'{"kind": "dance"}'),
        (200, b'{"kind": "handoff", "queue_id": "not-an-id"}'),
        (200, b" " * 70_000),
    ],
)
async def test_anything_else_is_a_failure(status: int, body: bytes) -> None:
    async with server(lambda _headers, _body: (status, body)) as url:
        with pytest.raises(ExternalBotFailed):
            await ask(url)


async def test_no_answer_in_time_is_a_failure() -> None:
    async with server(lambda _headers, _body: (0, b"")) as url:
        with pytest.raises(ExternalBotFailed, match="no answer within"):
            await ask(url, timeout_s=0.2)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "10.0.0.8", "[::ffff:192.168.0.1]", "169.254.169.254"]
)
async def test_a_private_address_is_not_called(host: str) -> None:
    async with httpx.AsyncClient() as client:
        with pytest.raises(ExternalBotFailed, match="not a public address"):
            await ExternalBot(client, timeout_s=5).ask(f"http://{host}:9/bot", SECRET, QUESTION)


async def test_nobody_listening_is_a_failure() -> None:
    with pytest.raises(ExternalBotFailed):
        await ask("http://127.0.0.1:9/bot")
