"""The bot on a real PostgreSQL and a real NATS, beside a double of the conversation service."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from tests.integration.bot.conversation_double import ConversationDouble, Running, conversation_double
from tests.support.polling import eventually
from yunsong.auth.v1 import principal_pb2
from yunsong.bot.v1 import bot_pb2, bot_pb2_grpc
from yunsong_bot.wiring import build
from yunsong_common.bus import declare_streams
from yunsong_common.db import run_migrations
from yunsong_common.grpc import Channels
from yunsong_common.service import Registries, serve

RELEASE_KEY = "a-release-key-that-is-long-enough-for-tests"
STAFF = principal_pb2.Principal(
    kind=principal_pb2.ACTOR_KIND_STAFF,
    actor_id="01890000-0000-7000-8000-0000000000aa",
    permissions=["knowledge.read", "knowledge.write", "conversation.read"],
)
ENTRIES = [
    ("ship", "下单后多久发货？", ["什么时候发货"], "付款后当天发出。"),
    ("refund", "退款多久到账？", ["钱什么时候退给我"], "验收后 24 小时内退款。"),
    ("track", "How can I track my order?", ["Where is my package?"], "Open My orders."),
]


@dataclass
class Replica:
    """One running bot and its RPCs as a member of staff."""

    address: str
    channels: Channels
    task: asyncio.Task[None]
    registries: Registries

    @property
    def knowledge(self) -> bot_pb2_grpc.KnowledgeServiceStub:
        return bot_pb2_grpc.KnowledgeServiceStub(self.channels.bot)

    @property
    def assist(self) -> bot_pb2_grpc.AssistServiceStub:
        return bot_pb2_grpc.AssistServiceStub(self.channels.bot)

    def staff(self, *, idempotency_key: str = "") -> Any:
        return self.channels.as_principal(STAFF, idempotency_key=idempotency_key)


@dataclass
class Field:
    """The double and the replicas that run beside it."""

    conversation: ConversationDouble
    start: Callable[..., Awaitable[Replica]]
    replicas: list[Replica] = field(default_factory=list)

    async def stop(self, replica: Replica) -> None:
        self.replicas.remove(replica)
        await replica.channels.close()
        replica.task.cancel()
        await asyncio.gather(replica.task, return_exceptions=True)

    async def stock(self, replica: Replica) -> None:
        """Gives the bot something to know, and waits until every replica does."""
        entries = [
            bot_pb2.Entry(question=question, similar_questions=similar, answer=answer, external_key=key)
            for key, question, similar, answer in ENTRIES
        ]
        await replica.knowledge.ImportEntries(
            bot_pb2.ImportEntriesRequest(entries=entries), metadata=replica.staff()
        )
        for each in self.replicas:
            await eventually(partial(knows, each, "什么时候发货"), what="the index")


async def knows(replica: Replica, question: str) -> bool:
    ranked = await replica.knowledge.RankEntries(
        bot_pb2.RankEntriesRequest(question=question), metadata=replica.staff()
    )
    return bool(ranked.kind == bot_pb2.ANSWER_KIND_ANSWER)


@pytest.fixture
async def bots(postgres_url: str, nats_url: str) -> AsyncIterator[Field]:
    """`await bots.start()` gives a replica of the bot; all stop with the test."""
    await run_migrations("yunsong_bot.migrations", postgres_url, "bot")
    await declare_streams(nats_url, ["conversation", "bot"])
    async with contextlib.AsyncExitStack() as stack:
        running: Running = await stack.enter_async_context(
            conversation_double(postgres_url, nats_url, RELEASE_KEY)
        )

        async def start(**settings: Any) -> Replica:
            registries = Registries()
            overrides = {
                "database_url": postgres_url,
                "nats_url": nats_url,
                "release_key": RELEASE_KEY,
                "conversation_address": running.address,
                "grpc_host": "127.0.0.1",
                "grpc_port": 0,
                "ops_host": "127.0.0.1",
                "ops_port": 0,
                "refresh_s": 0.2,
                "grace_s": 2.0,
            }
            task = asyncio.create_task(serve([build], registries, **{**overrides, **settings}))
            address = await eventually(
                lambda: task.done() or registries.addresses.get("bot"), what="an address"
            )
            if task.done():
                await task
            channels = Channels(service="gateway", release_key=RELEASE_KEY, addresses={"bot": str(address)})
            replica = Replica(str(address), channels, task, registries)
            await eventually(lambda: _serves(replica), what="a bot that serves")
            field_.replicas.append(replica)
            return replica

        field_ = Field(running.double, start)
        yield field_
        for replica in list(field_.replicas):
            await field_.stop(replica)


async def _serves(replica: Replica) -> bool:
    try:
        await replica.knowledge.GetBotSettings(bot_pb2.GetBotSettingsRequest(), metadata=replica.staff())
    except Exception as error:  # whatever it is, the bot does not serve yet
        raise AssertionError(repr(error)) from error
    return True
