"""The socket: sending, resuming by revision, and what a misbehaving client gets."""

from __future__ import annotations

from tests.integration.gateway.conftest import Door


async def test_a_contact_writes_and_gets_its_own_event(door: Door) -> None:
    session = await door.contact(name="Li")
    async with door.socket(session["access_token"]) as socket:
        assert socket.welcome["actor"] == {"kind": "contact", "id": session["contact_id"], "name": "Li"}
        ack = await socket.ask(type="send", client_id="c1", content={"text": {"text": "你好"}})
        assert ack["type"] == "ack", ack
        assert ack["rev"] == 1
        event = await socket.until(type="event", rev=1)
        assert event["event"] == "message_posted"
        assert event["data"]["content"]["text"]["text"] == "你好"
