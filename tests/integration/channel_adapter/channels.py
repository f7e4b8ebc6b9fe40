"""Channels and a receiver for tests."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.polling import eventually
from yunsong_common.http import HttpServer
from yunsong_plugin_api import (
    ChannelError,
    ChannelInbox,
    Credentials,
    HttpCall,
    HttpReply,
    HttpRequest,
    InboundMessage,
    Outbound,
    Receipt,
    SecretFormat,
    Sent,
    SignatureInvalid,
    WebhookResult,
)


class SmsChannel:
    """A plugin whose outside system has no idempotency key."""

    api_version = "1.0"
    kind = "sms"
    sends = frozenset({"text"})
    idempotent = False
    rest_inbound = False
    config_schema: Mapping[str, Any] = {"type": "object"}
    credentials_schema: Mapping[str, Any] = {"type": "object", "required": ["token"]}
    secrets: Mapping[str, SecretFormat] = {}

    def __init__(self) -> None:
        self.sent: list[Outbound] = []
        self.gate = threading.Event()
        self.gate.set()
        self.errors: list[Exception] = []

    def check(self, config: Mapping[str, Any], credentials: Credentials) -> Sequence[tuple[str, str]]:
        del config
        return [] if credentials.get("token") else [("credentials.token", "is needed")]

    def receive(self, request: HttpRequest, inbox: ChannelInbox) -> WebhookResult:
        if request.headers.get("x-token") != inbox.credentials["token"]:
            raise SignatureInvalid
        if not request.body:
            raise ChannelError("the body is empty", permanent=True)
        items = [
            Receipt(**each["receipt"]) if "receipt" in each else InboundMessage(**each)
            for each in json.loads(request.body)
        ]
        return WebhookResult(
            items, HttpReply(200, {"content-type": "text/plain"}, request.query["echo"].encode())
        )

    def send(self, message: Outbound, inbox: ChannelInbox, http: HttpCall) -> Sent:
        del inbox, http
        self.sent.append(message)
        assert self.gate.wait(20)
        if self.errors:
            raise self.errors.pop(0)
        return Sent(f"sms-{message.message_id}")


@dataclass
class Hook:
    """A business's server: keeps what it gets; `answer` says what it answers, by default 204."""

    url: str = ""
    got: list[tuple[Mapping[str, str], dict[str, Any]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    answer: Callable[[Mapping[str, str], dict[str, Any]], tuple[int, dict[str, str]]] = lambda _h, _b: (
        204,
        {},
    )
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    running: int = 0
    most_running: int = 0

    def texts(self) -> list[str]:
        return [body["data"]["content"]["text"]["text"] for _, body in self.got]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = b""
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await self.gate.wait()
        finally:
            self.running -= 1
        event = json.loads(body)
        self.got.append((headers, event))
        self.bodies.append(body)
        status, answer_headers = self.answer(headers, event)
        pairs = [(name.encode(), value.encode()) for name, value in answer_headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": b""})


@contextlib.asynccontextmanager
async def webhook_receiver() -> AsyncIterator[Hook]:
    """Listens on loopback until the block ends."""
    hook = Hook()
    hook.gate.set()
    server = HttpServer(hook, host="127.0.0.1", port=0, grace_s=1)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.run())
        await eventually(lambda: server.started, what="the receiver")
        hook.url = f"http://127.0.0.1:{server.port}/hook"
        try:
            yield hook
        finally:
            hook.gate.set()
            server.stop()
