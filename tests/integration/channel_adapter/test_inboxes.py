"""Inboxes: created with secrets that are shown once, changed, rotated, deleted, and told to everyone."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from tests.integration.channel_adapter.conftest import Field, Replica
from yunsong.channel.v1 import channel_pb2, events_pb2, model_pb2
from yunsong_channel_adapter.repository import credentials
from yunsong_channel_adapter.vault import Vault
from yunsong_channel_adapter.wire import struct_of
from yunsong_common.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from yunsong_common.ids import new_id

URL = "https://shop.example/hook"


async def test_an_inbox_is_created_with_secrets_that_are_shown_once(adapter: Replica) -> None:
    created = await adapter.create("api", config={"url": URL}, allowed_origins=["https://Shop.example/"])
    assert created.inbox.rev == 1
    assert created.inbox.allowed_origins == ["https://shop.example"]
    assert created.secrets["webhook_secret"].startswith("whsec_")
    assert len(created.secrets["identity_secret"]) == 64
    read = await adapter.inboxes.GetInbox(
        channel_pb2.GetInboxRequest(inbox_id=created.inbox.id), metadata=adapter.admin()
    )
    assert read == created.inbox
    assert created.secrets["identity_secret"] not in str(read)


async def test_no_secret_lies_in_the_database_in_the_clear(adapters: Field, adapter: Replica) -> None:
    request = channel_pb2.CreateInboxRequest(
        inbox=model_pb2.Inbox(name=f"Clear {new_id()}", channel="web", enabled=True)
    )
    created = await adapter.inboxes.CreateInbox(request, metadata=adapter.admin(idempotency_key="once"))
    secret = created.secrets["identity_secret"].encode()
    async with adapters.database.read() as tx:
        for table in ("inboxes", "credentials", "outbox", "idempotency_keys"):
            rows = await tx.raw.fetch(f"SELECT t::text AS row FROM {table} t")
            assert rows or table == "outbox"
            for row in rows:
                assert secret.decode() not in row["row"]
                assert secret.hex() not in row["row"]


async def test_a_repeated_creation_gives_the_first_answer(adapter: Replica) -> None:
    request = channel_pb2.CreateInboxRequest(inbox=model_pb2.Inbox(name=f"Twice {new_id()}", channel="web"))
    key = new_id()
    first = await adapter.inboxes.CreateInbox(request, metadata=adapter.admin(idempotency_key=key))
    again = await adapter.inboxes.CreateInbox(request, metadata=adapter.admin(idempotency_key=key))
    assert again == first
    with pytest.raises(AlreadyExists) as taken:
        await adapter.inboxes.CreateInbox(request, metadata=adapter.admin())
    assert taken.value.reason == "INBOX_NAME_TAKEN"
    rotate = channel_pb2.RotateInboxSecretsRequest(inbox_id=first.inbox.id, overlap_s=60)
    await adapter.inboxes.RotateInboxSecrets(rotate, metadata=adapter.admin())
    later = await adapter.inboxes.CreateInbox(request, metadata=adapter.admin(idempotency_key=key))
    assert not later.secrets


@pytest.mark.parametrize(
    ("channel", "config", "given", "reason", "field"),
    [
        ("fax", {}, {}, "CHANNEL_UNKNOWN", None),
        ("api", {}, {}, "CHANNEL_CONFIG_INVALID", "inbox.config.url"),
        ("api", {"url": "ftp://shop.example"}, {}, "CHANNEL_CONFIG_INVALID", "inbox.config.url"),
        ("web", {"colour": "red"}, {}, "CHANNEL_CONFIG_INVALID", "inbox.config.colour"),
        ("web", {}, {"identity_secret": 7}, "CHANNEL_CONFIG_INVALID", "credentials.identity_secret"),
        ("sms", {}, {}, "CHANNEL_CONFIG_INVALID", "credentials.token"),
    ],
)
async def test_what_a_channel_cannot_work_with_is_refused(
    adapter: Replica,
    channel: str,
    config: dict[str, str],
    given: dict[str, object],
    reason: str,
    field: str | None,
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await adapter.create(channel, config=config, credentials=given)
    assert refused.value.reason == reason
    assert [each.field for each in refused.value.violations] == ([field] if field else [])


async def test_only_what_the_mask_names_changes(adapter: Replica) -> None:
    inbox = (await adapter.create("api", config={"url": URL}, bot_enabled=True)).inbox
    request = channel_pb2.UpdateInboxRequest(
        inbox_id=inbox.id,
        inbox=model_pb2.Inbox(
            name="ignored", greeting={"en": "Hi"}, config=struct_of({"url": "https://other.example/"})
        ),
        update_mask=FieldMask(paths=["greeting", "config"]),
    )
    changed = await adapter.inboxes.UpdateInbox(request, metadata=adapter.admin())
    assert (changed.name, changed.bot_enabled, changed.rev) == (inbox.name, True, 2)
    assert changed.greeting == {"en": "Hi"}
    assert changed.config["url"] == "https://other.example/"
    for path in ("key", "channel", "id", "nonsense"):
        request.update_mask.paths[:] = [path]
        with pytest.raises(InvalidArgument):
            await adapter.inboxes.UpdateInbox(request, metadata=adapter.admin())
    request.update_mask.paths[:] = ["config"]
    request.inbox.config.Clear()
    with pytest.raises(InvalidArgument) as refused:
        await adapter.inboxes.UpdateInbox(request, metadata=adapter.admin())
    assert refused.value.reason == "CHANNEL_CONFIG_INVALID"


async def test_a_reminder_comes_before_the_close(adapter: Replica) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await adapter.create("web", idle_reminder_s=600, idle_close_s=300)
    assert [each.field for each in refused.value.violations] == ["inbox.idle_reminder_s"]


async def test_every_change_is_told(adapters: Field, adapter: Replica) -> None:
    inbox = (await adapter.create("web")).inbox
    update = channel_pb2.UpdateInboxRequest(
        inbox_id=inbox.id, inbox=model_pb2.Inbox(enabled=False), update_mask=FieldMask(paths=["enabled"])
    )
    await adapter.inboxes.UpdateInbox(update, metadata=adapter.admin())
    await adapter.inboxes.DeleteInbox(
        channel_pb2.DeleteInboxRequest(inbox_id=inbox.id), metadata=adapter.admin()
    )
    async with adapters.database.read() as tx:
        rows = await tx.raw.fetch("SELECT payload FROM outbox WHERE entity_id = $1 ORDER BY rev", inbox.id)
    events = [events_pb2.InboxChanged.FromString(row["payload"]) for row in rows]
    assert [(each.inbox.rev, each.inbox.enabled, each.deleted) for each in events] == [
        (1, True, False),
        (2, False, False),
        (3, False, True),
    ]


async def test_an_inbox_with_an_open_conversation_stays(adapters: Field, adapter: Replica) -> None:
    inbox = (await adapter.create("web")).inbox
    adapters.conversation.open_inboxes.add(inbox.id)
    request = channel_pb2.DeleteInboxRequest(inbox_id=inbox.id)
    with pytest.raises(FailedPrecondition) as refused:
        await adapter.inboxes.DeleteInbox(request, metadata=adapter.admin())
    assert refused.value.reason == "INBOX_IN_USE"
    adapters.conversation.open_inboxes.clear()
    await adapter.inboxes.DeleteInbox(request, metadata=adapter.admin())
    with pytest.raises(NotFound):
        await adapter.inboxes.DeleteInbox(request, metadata=adapter.admin())


async def test_inboxes_are_listed_page_by_page(adapter: Replica) -> None:
    made = {(await adapter.create("web")).inbox.name for _ in range(5)}
    names: list[str] = []
    token = ""
    while True:
        request = channel_pb2.ListInboxesRequest(page_size=2, page_token=token)
        page = await adapter.inboxes.ListInboxes(request, metadata=adapter.admin())
        assert len(page.inboxes) <= 2
        names += [inbox.name for inbox in page.inboxes]
        token = page.next_page_token
        if not token:
            break
    assert names == sorted(names)
    assert made <= set(names)
    with pytest.raises(InvalidArgument):
        await adapter.inboxes.ListInboxes(
            channel_pb2.ListInboxesRequest(page_token="%"), metadata=adapter.admin()
        )


async def test_channels_are_listed_with_their_schemas(adapter: Replica) -> None:
    answer = await adapter.inboxes.ListChannels(channel_pb2.ListChannelsRequest(), metadata=adapter.admin())
    assert [channel.name for channel in answer.channels] == ["api", "sms", "web"]
    assert answer.channels[0].config_schema["required"] == ["url"]


async def proved(adapter: Replica, key: str, secret: str) -> bool:
    request = channel_pb2.AuthenticateContactRequest(
        inbox_key=key, user_id="u-1", user_hash=hmac.new(secret.encode(), b"u-1", hashlib.sha256).hexdigest()
    )
    try:
        return bool((await adapter.inbound.AuthenticateContact(request)).verified)
    except PermissionDenied:
        return False


async def test_old_secrets_work_until_the_overlap_ends(adapters: Field, adapter: Replica) -> None:
    created = await adapter.create("web")
    key, first = created.inbox.key, created.secrets["identity_secret"]
    rotate = channel_pb2.RotateInboxSecretsRequest(inbox_id=created.inbox.id, overlap_s=3600)
    second = (await adapter.inboxes.RotateInboxSecrets(rotate, metadata=adapter.admin())).secrets[
        "identity_secret"
    ]
    assert second != first
    assert await proved(adapter, key, first)
    assert await proved(adapter, key, second)
    async with adapters.database.transaction() as tx:
        await tx.raw.execute("UPDATE credentials SET valid_until = now() WHERE valid_until IS NOT NULL")
    assert not await proved(adapter, key, first)
    assert await proved(adapter, key, second)
    rotate.overlap_s = 0
    await adapter.inboxes.RotateInboxSecrets(rotate, metadata=adapter.admin())
    assert not await proved(adapter, key, second)


async def test_a_channel_without_made_secrets_has_none_to_rotate(adapters: Field, adapter: Replica) -> None:
    inbox = await adapters.sms_inbox(adapter)
    with pytest.raises(FailedPrecondition):
        await adapter.inboxes.RotateInboxSecrets(
            channel_pb2.RotateInboxSecretsRequest(inbox_id=inbox.id), metadata=adapter.admin()
        )


async def test_a_new_key_encrypts_everything_anew(adapters: Field, adapter: Replica) -> None:
    created = await adapter.create("web")
    await adapters.stop(adapter)
    second = await adapters.start(
        encryption_key="another-encryption-key-that-is-long",
        previous_encryption_keys=adapters.settings["encryption_key"],
    )
    assert await proved(second, created.inbox.key, created.secrets["identity_secret"])
    vault = Vault("another-encryption-key-that-is-long")
    async with adapters.database.read() as tx:
        assert await tx.raw.fetchval("SELECT count(*) FROM credentials WHERE key_id <> $1", vault.key_id) == 0
        sets = await credentials.load(tx, vault, created.inbox.id)
    assert sets.current == dict(created.secrets)
    await adapters.stop(second)
    # What other tests of this module read must open again.
    await adapters.start(previous_encryption_keys="another-encryption-key-that-is-long")


async def test_the_queue_of_an_inbox_exists(adapters: Field, adapter: Replica) -> None:
    known, unknown = new_id(), new_id()
    adapters.router.queues.add(known)
    inbox = (await adapter.create("web", queue_id=known)).inbox
    assert inbox.queue_id == known
    with pytest.raises(NotFound) as refused:
        await adapter.create("web", queue_id=unknown)
    assert refused.value.reason == "QUEUE_UNKNOWN"
    assert unknown in refused.value.message
    update = channel_pb2.UpdateInboxRequest(
        inbox_id=inbox.id, inbox=model_pb2.Inbox(queue_id=unknown), update_mask=FieldMask(paths=["queue_id"])
    )
    with pytest.raises(NotFound) as refused:
        await adapter.inboxes.UpdateInbox(update, metadata=adapter.admin())
    assert refused.value.reason == "QUEUE_UNKNOWN"
    update.inbox.queue_id = ""
    assert not (await adapter.inboxes.UpdateInbox(update, metadata=adapter.admin())).queue_id


async def test_without_the_router_no_queue_is_taken_on_trust(adapters: Field, adapter: Replica) -> None:
    adapters.router.away = True
    with pytest.raises(Unavailable) as refused:
        await adapter.create("web", queue_id=new_id())
    assert refused.value.reason == "ROUTER_UNAVAILABLE"
    assert (await adapter.create("web")).inbox.id


async def test_an_inbox_is_on_unless_it_is_created_off(adapter: Replica) -> None:
    for given, expected in ((None, True), (False, False), (True, True)):
        inbox = model_pb2.Inbox(name=f"Inbox {new_id()}", channel="web", enabled=given)
        created = await adapter.inboxes.CreateInbox(
            channel_pb2.CreateInboxRequest(inbox=inbox), metadata=adapter.admin()
        )
        assert created.inbox.HasField("enabled")
        assert created.inbox.enabled is expected


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/hook", "http://10.1.2.3/hook", "http://[::1]/hook"])
async def test_a_webhook_into_the_own_network_is_refused_at_creation(adapters: Field, url: str) -> None:
    adapter = await adapters.start(allow_private_addresses=False)
    with pytest.raises(InvalidArgument) as refused:
        await adapter.create("api", config={"url": url})
    assert refused.value.reason == "CHANNEL_CONFIG_INVALID"
    assert [each.field for each in refused.value.violations] == ["inbox.config.url"]
    assert "YUNSONG_CHANNEL_ADAPTER_ALLOW_PRIVATE_ADDRESSES" in refused.value.message
    inbox = (await adapter.create("api", config={"url": "https://93.184.216.34/hook"})).inbox
    update = channel_pb2.UpdateInboxRequest(
        inbox_id=inbox.id,
        inbox=model_pb2.Inbox(config=struct_of({"url": url})),
        update_mask=FieldMask(paths=["config"]),
    )
    with pytest.raises(InvalidArgument):
        await adapter.inboxes.UpdateInbox(update, metadata=adapter.admin())
