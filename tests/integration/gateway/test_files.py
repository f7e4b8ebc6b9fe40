"""Files: downloads in parts, whose files a message may name, and the end of an erased contact's."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.integration.gateway.conftest import RELEASE_KEY, Door, bearer
from tests.support.servers import ServiceDatabase
from yunsong.auth.v1 import principal_pb2
from yunsong.conversation.v1 import events_pb2
from yunsong.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from yunsong_common.bus import EventMeta
from yunsong_common.errors import NotFound
from yunsong_common.grpc import Channels
from yunsong_common.ids import new_id
from yunsong_gateway.files.store import Files, open_store
from yunsong_gateway.subscriptions import files_of_erased

PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de")


async def upload(door: Door, token: str, content: bytes = PNG) -> dict[str, str]:
    stored = await door.http.post("/api/v1/files?name=a.png", content=content, headers=bearer(token))
    assert stored.status_code == 200, stored.text
    return dict(stored.json())


def stored_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


async def test_a_large_file_comes_in_parts_and_whole(door: Door) -> None:
    content = PNG + os.urandom(3 * 1024 * 1024)
    file = await upload(door, (await door.contact())["access_token"], content)
    parts = []
    async with door.http.stream("GET", file["url"]) as answer:
        assert int(answer.headers["content-length"]) == len(content)
        parts = [part async for part in answer.aiter_raw()]
    assert b"".join(parts) == content
    assert len(parts) > 1
    head = await door.http.head(file["url"])
    assert (head.content, int(head.headers["content-length"])) == (b"", len(content))


async def test_a_message_names_only_files_that_its_sender_may_read(door: Door) -> None:
    one, two = await door.contact(), await door.contact()
    staff = (await door.sign_in())["access_token"]
    own = await upload(door, two["access_token"])
    foreign = await upload(door, one["access_token"])
    of_staff = await upload(door, staff)
    shown = await upload(door, staff)
    door.conversation.may_read.add((two["contact_id"], shown["id"]))
    path = "/api/v1/contact/messages"
    for file_id, may in (
        (own["id"], True),
        (foreign["id"], False),
        (new_id(), False),
        (of_staff["id"], False),
        (shown["id"], True),
    ):
        content = {"image": {"file_id": file_id}}
        async with door.socket(two["access_token"]) as socket:
            answer = await socket.ask(type="send", client_id=new_id(), content=content)
            assert answer.get("error", {}).get("code") == (None if may else "FILE_UNKNOWN"), answer
        sent = await door.http.post(
            path, json={"client_id": new_id(), "content": content}, headers=bearer(two["access_token"])
        )
        # The stand-in behind the door has no such operation, so what passes the door ends there.
        assert (sent.json()["code"] == "FILE_UNKNOWN") is not may, sent.text
    admin_id = (await door.http.get("/api/v1/me", headers=bearer(staff))).json()["user"]["id"]
    async with door.socket(staff) as socket:
        for may in (False, True):
            answer = await socket.ask(
                type="send",
                conversation_id=door.conversation.of_contact[two["contact_id"]],
                client_id=new_id(),
                content={"file": {"file_id": foreign["id"]}},
            )
            assert (answer["type"] == "ack") is may, answer
            door.conversation.may_read.add((admin_id, foreign["id"]))


async def test_what_a_file_is_comes_from_its_upload(door: Door) -> None:
    contact = (await door.contact())["access_token"]
    file = await upload(door, contact)
    claimed = {
        "file_id": file["id"],
        "name": "invoice.pdf",
        "media_type": "application/pdf",
        "size": 1,
        "width": 7,
    }
    async with door.socket(contact) as socket:
        answer = await socket.ask(type="send", client_id=new_id(), content={"image": claimed})
        assert answer["type"] == "ack", answer
    sent = door.conversation.appended[-1].content.image
    assert (sent.name, sent.media_type, sent.size, sent.width) == ("a.png", "image/png", len(PNG), 7)


async def test_a_file_is_read_by_its_uploader_and_by_who_sees_its_message(door: Door) -> None:
    contact = await door.contact()
    agent, agent_token = await door.new_user("agent")
    _, nobody = await door.new_user()
    file = await upload(door, contact["access_token"])
    address = f"/api/v1/files/{file['id']}"

    async def status(headers: dict[str, str]) -> int:
        return (await door.http.get(address, headers=headers)).status_code

    assert await status(bearer(contact["access_token"])) == 200
    assert await status(bearer((await door.contact())["access_token"])) == 404
    assert await status(agent_token) == 404
    door.conversation.may_read.add((agent["id"], file["id"]))
    assert await status(agent_token) == 200
    assert await status(nobody) == 403

    channels = Channels(service="channel-adapter", release_key=RELEASE_KEY, addresses=door.addresses)
    try:
        described = await gateway_pb2_grpc.SystemServiceStub(channels.gateway).GetFile(
            gateway_pb2.GetFileRequest(file_id=file["id"])
        )
    finally:
        await channels.close()
    assert described.url.startswith(f"{door.url}{address}/content?")
    assert (await door.http.get(described.url)).content == PNG


async def test_files_of_an_erased_contact_are_deleted(
    service_database: ServiceDatabase, tmp_path: Path
) -> None:
    database = await service_database("gateway")
    files = Files(database, open_store(str(tmp_path), {}, "", ""), "a release key, long enough for tests")
    erased = principal_pb2.Principal(kind=principal_pb2.ACTOR_KIND_CONTACT, actor_id=new_id())
    other = principal_pb2.Principal(kind=principal_pb2.ACTOR_KIND_CONTACT, actor_id=new_id())
    gone = [await files.put("a.png", PNG, erased) for _ in range(3)]
    kept = await files.put("b.png", PNG, other)
    (tmp_path / gone[0].object_key).unlink()  # a delete that was cut off before

    handler = files_of_erased(files).handler
    event = events_pb2.ContactErased(contact_id=erased.actor_id)
    for _ in range(2):
        await handler(event, EventMeta("", "", kept.created_at, 1, 1))

    assert stored_in(tmp_path) == [kept.id]
    with pytest.raises(NotFound):
        await files.find(gone[1].id)
    query = parse_qs(urlsplit(files.message(kept).url).query)
    _, chunks = await files.content(kept.id, query["expires"][0], query["signature"][0])
    assert b"".join([chunk async for chunk in chunks]) == PNG
