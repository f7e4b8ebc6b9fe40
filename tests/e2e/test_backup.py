"""Fill, back up, destroy, restore: everything is there, and nothing is there twice."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.steady_stream import SteadyStream
from tests.load.client import Api
from tests.support.polling import eventually
from tests.support.product import Product
from yunsong_standalone.embedded import EmbeddedNats, EmbeddedPostgres, NatsUser

KEY = secrets.token_hex(32)
PICTURE = b"\x89PNG\r\n\x1a\n" + secrets.token_bytes(200_000)
PASSWORD = "a long password of one's own 1"
IDENTITY = "customer-17"


async def command(environment: Mapping[str, str], *arguments: str, expect: int = 0) -> str:
    """`yunsong ARGUMENTS`; its output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "yunsong_standalone",
        *arguments,
        env={**environment, "YUNSONG_BACKUP_KEY": KEY},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == expect, output.decode()
    return output.decode()


@dataclass
class Filled:
    """What was put into a copy through its public door."""

    conversations: dict[str, list[str]]  # the messages' texts, by conversation
    username: str
    file_id: str
    inbox_key: str
    identity_secret: str
    identity_name: str
    api_key: str


async def fill(product: Product, stream: SteadyStream) -> Filled:
    """A user, a file, a proved identity and some conversations."""
    admin = stream.admin
    username = f"mei-{secrets.token_hex(3)}"
    first = secrets.token_urlsafe(12)
    user = {"username": username, "display_name": "Mei", "roles": ["agent"], "enabled": True}
    await admin.call("POST", "/api/v1/users", {"user": user, "password": first})
    await admin.replace_password(username, first, PASSWORD)
    stored = await admin.http.post("/api/v1/files?name=shoes.png", content=PICTURE)
    inbox = await admin.call(
        "POST", "/api/v1/inboxes", {"inbox": {"name": "shop", "channel": "web", "enabled": True}}
    )
    secret = inbox["secrets"]["identity_secret"]
    await proved_session(product.url, inbox["inbox"]["key"], secret)
    conversations = {pair.conversation_id: await texts(admin, pair.conversation_id) for pair in stream.pairs}
    return Filled(
        conversations,
        username,
        stored.json()["file"]["id"] if "file" in stored.json() else stored.json()["id"],
        inbox["inbox"]["key"],
        secret,
        IDENTITY,
        product.api_key,
    )


async def proved_session(url: str, inbox_key: str, secret: str) -> Any:
    """A contact whose identity the inbox's secret proves: the service must be able to read its credentials."""
    proof = hmac.new(secret.encode(), IDENTITY.encode(), hashlib.sha256).hexdigest()
    body = {"inbox_key": inbox_key, "user_id": IDENTITY, "user_hash": proof}
    async with opened(Api(url)) as nobody:
        return await nobody.call("POST", "/api/v1/contact/sessions", body)


async def texts(admin: Api, conversation_id: str) -> list[str]:
    """All messages of a conversation, oldest first."""
    messages: list[Any] = []
    while True:
        before = {"before_rev": str(messages[0]["rev"])} if messages else {}
        page = await admin.call(
            "GET", f"/api/v1/conversations/{conversation_id}/messages", page_size="200", **before
        )
        messages = [*page["messages"], *messages]
        if not page["has_more"]:
            return [one["content"]["text"]["text"] for one in messages if "text" in one["content"]]


@asynccontextmanager
async def opened(api: Api) -> AsyncIterator[Api]:
    try:
        yield api
    finally:
        await api.close()


async def everything_is_there(product: Product, filled: Filled) -> None:
    """Who was there can come in, what was written can be read, and every consumer has handled every event once."""
    async with opened(Api(product.url, filled.api_key)) as admin:
        for conversation_id, before in filled.conversations.items():
            now = await texts(admin, conversation_id)
            assert now[: len(before)] == before
            assert len(set(now)) == len(now)
            counted = partial(figures_count, admin, conversation_id, len(now))
            await eventually(counted, within_s=60, what="facts of every message")
        file = await admin.call("GET", f"/api/v1/files/{filled.file_id}")
        content = await admin.http.get(file["url"])
        assert content.content == PICTURE
        async with opened(await admin.sign_in(filled.username, PASSWORD)) as mei:
            assert (await mei.call("GET", "/api/v1/me"))["user"]["username"] == filled.username
        figures = await reports(admin, filled)
        await admin.call("POST", "/api/v1/reports:rebuild", {})
        await eventually(lambda: same_reports(admin, filled, figures), within_s=60, what="the same reports")
        for service in ("conversation", "router", "bot", "qa", "channel-adapter", "gateway"):
            answer = await admin.call("GET", f"/api/v1/system/services/{service}/dead_letters")
            assert not answer["dead_letters"], f"{service} gave up: {answer['dead_letters']}"
    session = await proved_session(product.url, filled.inbox_key, filled.identity_secret)
    assert session["access_token"]


async def figures_count(admin: Api, conversation_id: str, count: int) -> bool:
    answer = await admin.call("GET", "/api/v1/reports/conversations", conversation_id=conversation_id)
    assert answer["conversations"], "no figures yet"
    assert answer["conversations"][0]["messages"] == count
    return True


async def reports(admin: Api, filled: Filled) -> dict[str, Any]:
    return {
        conversation_id: (
            await admin.call("GET", "/api/v1/reports/conversations", conversation_id=conversation_id)
        )["conversations"]
        for conversation_id in filled.conversations
    }


async def same_reports(admin: Api, filled: Filled, before: dict[str, Any]) -> bool:
    assert await reports(admin, filled) == before
    return True


@pytest.mark.timeout(300)
async def test_a_copy_whose_folder_is_gone_comes_back_in_the_other_topology(tmp_path: Path) -> None:
    place = (tmp_path / "backups").as_uri()
    async with Product(tmp_path / "first") as product:
        home = {**product._environment}
        async with SteadyStream(product, pairs=2) as stream:
            filled = await fill(product, stream)
            output = await command(home, "backup", "--to", place)  # while messages go to and fro
            await stream.flows()
        assert "encrypted  yes" in output
        running = await command(home, "restore", "--from", place, expect=1)
        assert "stop it" in running
    shutil.rmtree(tmp_path / "first")

    async with Restored(tmp_path / "second", "distributed", place) as product:
        await everything_is_there(product, filled)


class Restored(Product):
    """A product whose folder is made out of the newest backup before it starts."""

    def __init__(self, folder: Path, topology: str, place: str, **options: Any) -> None:
        super().__init__(folder, topology, **options)
        self.place = place

    async def start(self) -> None:
        await command(self._environment, "restore", "--from", self.place)
        await super().start()


@pytest.mark.timeout(300)
@pytest.mark.slow
async def test_a_database_that_is_gone_comes_back_beside_a_nats_that_knows_more(
    tmp_path: Path, private_postgres: EmbeddedPostgres, private_nats: EmbeddedNats
) -> None:
    place = (tmp_path / "backups").as_uri()
    async with Product(tmp_path / "product", postgres=private_postgres, nats=private_nats) as product:
        # The keys of a copy on external servers are settings, as in a cluster.
        keys = {
            "YUNSONG_RELEASE_KEY": product.secret("release_key"),
            "YUNSONG_CHANNEL_ADAPTER_ENCRYPTION_KEY": product.secret("encryption_key"),
            "YUNSONG_GATEWAY_FILES_URL": str(product.home / "files"),
        }
        environment = {**product._environment, **keys}
        async with SteadyStream(product, pairs=1) as stream:
            filled = await fill(product, stream)
            await command(environment, "backup", "--to", place)
            # After the backup: NATS has events that the restored database never saw.
            await stream.flows(20)
    private_postgres.stop()
    shutil.rmtree(product.home / "files")
    fresh = EmbeddedPostgres(tmp_path / "fresh", password="test-only")
    fresh.start()
    try:
        other = {**environment, "YUNSONG_DATABASE_URL": fresh.url()}
        wrong = {**other, "YUNSONG_RELEASE_KEY": "x" * 40}
        assert "YUNSONG_RELEASE_KEY must be set" in await command(wrong, "restore", "--from", place, expect=1)
        shown = await command({}, "restore", "--from", place, "--show-keys")
        assert f"YUNSONG_RELEASE_KEY={keys['YUNSONG_RELEASE_KEY']}" in shown
        await command(other, "restore", "--from", place)
        again = await command(other, "restore", "--from", place, expect=1)
        assert "the database is not empty" in again
        await command(other, "restore", "--from", place, "--replace")
        product._environment["YUNSONG_DATABASE_URL"] = fresh.url()
        async with product:
            await everything_is_there(product, filled)
    finally:
        fresh.stop()


async def test_a_changed_backup_is_refused_before_anything_is_touched(
    tmp_path: Path, private_postgres: EmbeddedPostgres
) -> None:
    nats = EmbeddedNats(tmp_path / "nats", users=[NatsUser("test", "test-only")])
    nats.start()
    environment = {
        "YUNSONG_DATABASE_URL": private_postgres.url(),
        "YUNSONG_NATS_URL": nats.url(),
        "YUNSONG_RELEASE_KEY": "r" * 40,
        "YUNSONG_CHANNEL_ADAPTER_ENCRYPTION_KEY": "e" * 40,
        "YUNSONG_GATEWAY_FILES_URL": str(tmp_path / "files"),
    }
    folder = tmp_path / "backups"
    try:
        await command(environment, "migrate", "--quiet")
        for _ in range(3):
            await command(environment, "backup", "--to", folder.as_uri(), "--keep", "2")
        listed = (await command({}, "restore", "--from", folder.as_uri(), "--list")).split()
        assert len(listed) == 2, "the oldest went"
        await command({}, "restore", "--from", folder.as_uri(), "--check")
        part = folder / "backups" / listed[-1] / "database" / "gateway.business.copy.gz"
        content = bytearray(part.read_bytes())
        content[-1] ^= 1
        part.write_bytes(content)
        refused = await command(environment, "restore", "--from", folder.as_uri(), "--replace", expect=1)
        assert "is not what was written" in refused
        await command(environment, "restore", "--from", folder.as_uri(), "--backup", listed[0], "--replace")
        refused = await command(environment, "backup", "--to", "ftp://somewhere", expect=1)
        assert "is no place for backups" in refused
    finally:
        nats.stop()
