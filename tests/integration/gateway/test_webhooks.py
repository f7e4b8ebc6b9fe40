"""Events out to the business's own systems: signed, repeated, given up, sent again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from standardwebhooks import Webhook

from tests.integration.gateway.conftest import Door, free_port
from tests.support.polling import eventually
from yunsong_common.http import HttpServer


class Receiver:
    """A business's server, which answers as the test says."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}/hook?a=b"
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.status = 200

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive()).get("body", b"")
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.requests.append((headers, body))
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    server = HttpServer(made, host="127.0.0.1", port=made.port, grace_s=1)
    task = asyncio.create_task(server.run())
    await eventually(lambda: server.started)
    yield made
    server.stop()
    await task


async def test_an_event_goes_out_signed_and_a_dead_one_again(door: Door, receiver: Receiver) -> None:
    admin = await door.staff()
    made = await door.http.post(
        "/api/v1/webhooks",
        json={"url": receiver.url, "event_types": ["yunsong.gateway.v1.user_changed"]},
        headers=admin,
    )
    assert made.status_code == 200, made.text
    hook = made.json()["webhook"]
    user, _ = await door.new_user("agent")

    def arrived() -> tuple[dict[str, str], bytes] | None:
        for headers, body in receiver.requests:
            if orjson.loads(body)["subject"] == user["id"]:
                return headers, body
        return None

    headers, body = await eventually(arrived, what="the webhook")
    event = Webhook(made.json()["secret"]).verify(body.decode(), headers)
    assert event["specversion"] == "1.0"
    assert event["type"] == "yunsong.gateway.v1.user_changed"
    assert event["data"]["user"]["username"] == user["username"]
    assert event["id"] == headers["webhook-id"]
    assert headers["host"] == f"localhost:{receiver.port}"

    path = f"/api/v1/webhooks/{hook['id']}/deliveries"

    async def statuses() -> list[dict[str, Any]]:
        return list((await door.http.get(path, headers=admin)).json()["deliveries"])

    async def sent() -> bool:
        return all(one["status"] == "sent" for one in await statuses())

    await eventually(sent)
    receiver.status = 500
    await door.new_user("agent")

    async def retried() -> dict[str, Any] | None:
        newest = (await statuses())[0]
        return newest if newest["response_status"] == 500 else None

    failed = await eventually(retried)
    assert (failed["status"], failed["attempts"], failed["error"]) == ("pending", 1, "HTTP 500")
    receiver.status = 204
    await door.http.post(f"{path}/{failed['id']}:replay", json={}, headers=admin)
    await eventually(sent)

    receiver.status = 410
    await door.new_user("agent")

    async def switched_off() -> bool:
        return not (await door.http.get("/api/v1/webhooks", headers=admin)).json()["webhooks"][0]["enabled"]

    await eventually(switched_off, what="the end that 410 asks for")
    assert (await statuses())[0]["status"] == "dead"
    assert (await door.http.delete(f"/api/v1/webhooks/{hook['id']}", headers=admin)).status_code == 200
    gone = await door.http.get(path, headers=admin)
    assert (gone.status_code, gone.json()["code"]) == (404, "WEBHOOK_UNKNOWN")


async def test_wrong_webhooks_are_refused(door: Door) -> None:
    admin = await door.staff()
    post = door.http.post
    unknown = await post(
        "/api/v1/webhooks", json={"url": "https://example.com", "event_types": ["nothing"]}, headers=admin
    )
    assert unknown.json()["code"] == "EVENT_TYPE_UNKNOWN"
    nowhere = await post("/api/v1/webhooks", json={"url": "https://no-such-host.invalid"}, headers=admin)
    assert nowhere.json()["code"] == "WEBHOOK_URL_REFUSED"
    no_scheme = await post("/api/v1/webhooks", json={"url": "file:///etc/passwd"}, headers=admin)
    assert no_scheme.json()["violations"][0]["field"] == "webhook.url"
