"""Contacts and agents who write to each other all the time, whatever breaks, and what must be true of it afterwards."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, Self

import httpx

from tests.load.client import Api, visitor_id
from tests.load.scene import Scene
from tests.support.polling import eventually
from tests.support.resuming_client import ResumingClient

# Between two messages of one side, at most; the stream shall flow, not flood a shared machine.
_PAUSE_S = 0.12
_FLOWS_WITHIN_S = 90.0
_SETTLES_WITHIN_S = 60.0


@dataclass
class Pair:
    """One conversation with both sides on their screens."""

    contact: ResumingClient
    agent: ResumingClient
    contact_door: Api
    conversation_id: str = ""
    assignee_id: str = ""
    epoch: int = 0
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def sides(self) -> tuple[ResumingClient, ResumingClient]:
        return self.contact, self.agent


class PatientApi(Api):
    """REST as a client that tries again while a service is away."""

    async def call(self, method: str, path: str, body: object = None, **query: str) -> Any:
        plain = super().call

        async def answered() -> Any:
            try:
                return {"answer": await plain(method, path, body, **query)}
            except (RuntimeError, httpx.TransportError) as error:
                if isinstance(error, RuntimeError) and ": 503 " not in str(error):
                    raise
                raise AssertionError(f"still away: {error}") from error

        found = await eventually(answered, within_s=_SETTLES_WITHIN_S, what=f"an answer to {method} {path}")
        return found["answer"]


class Running(Protocol):
    """A copy of the product: its public door, and a key with every permission."""

    @property
    def url(self) -> str: ...

    @property
    def api_key(self) -> str: ...


class SteadyStream:
    """Pairs that write until `settle`. `doors` are the gateways' URLs; sides are spread over them.

    Every wait here is for something that must happen and fails with what was missing.
    """

    def __init__(self, product: Running, *, pairs: int = 3, doors: tuple[str, ...] = ()) -> None:
        self._product = product
        self._count = pairs
        self._doors = doors or (product.url,)
        self._clients: list[ResumingClient] = []
        self._apis: list[Api] = []
        self._writing = True
        self._random = random.Random(1)
        self.pairs: list[Pair] = []
        self.queue_id = ""
        self.admin: Api

    async def __aenter__(self) -> Self:
        self.admin = self._api(self._product.url, self._product.api_key)
        scene = await Scene.set_up(self.admin, agents=self._count, name="stream")
        self.queue_id = scene.queue_id
        desks = await asyncio.gather(*(self._desk(scene, name) for name in scene.usernames))
        for number in range(self._count):
            self.pairs.append(await self._pair(scene, dict(desks), self._door(number)))
        for pair in self.pairs:
            pair.tasks += [asyncio.create_task(self._write(pair, side)) for side in pair.sides]
        await self.flows()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writing = False
        tasks = [task for pair in self.pairs for task in pair.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for client in self._clients:
            await client.__aexit__(None, None, None)
        for api in self._apis:
            await api.close()

    async def flows(self, messages: int = 5) -> None:
        """Returns when each side of each pair has had so many more messages acknowledged."""
        goals = {id(side): len(side.acknowledged) + messages for pair in self.pairs for side in pair.sides}

        def reached() -> bool:
            self._raise_refusals()
            behind = {
                side.conversation_id: f"{len(side.acknowledged)} of {goals[id(side)]}"
                for pair in self.pairs
                for side in pair.sides
                if len(side.acknowledged) < goals[id(side)]
            }
            assert not behind, f"acknowledged: {behind}"
            return True

        await eventually(reached, within_s=_FLOWS_WITHIN_S, what="a flowing stream")

    async def settle(self) -> None:
        """Stops writing, lets what is under way end, and checks everything that a fault must not change."""
        self._writing = False
        await asyncio.wait_for(
            asyncio.gather(*(task for pair in self.pairs for task in pair.tasks)), _SETTLES_WITHIN_S
        )
        for pair in self.pairs:
            await self._check(pair)
        await self._check_routing()
        await self._check_consumers()

    async def _check(self, pair: Pair) -> None:
        """Both screens equal a fresh read, in which everything that was acknowledged stands once, in order."""
        stored = await self._messages(
            self.admin, f"/api/v1/conversations/{pair.conversation_id}/messages", "rev"
        )
        own = await self._messages(
            pair.contact_door, f"/api/v1/contact/conversations/{pair.conversation_id}/messages", "public_rev"
        )
        assert list(own.items()) == list(stored.items()), "the two sides' fresh reads differ"
        for side in pair.sides:
            await eventually(
                partial(_same, side, stored),
                within_s=_SETTLES_WITHIN_S,
                what="a screen like a fresh read",
            )
            sent = [acknowledged.message_id for acknowledged in side.acknowledged]
            assert len(set(sent)) == len(sent)
            assert [one for one in stored if one in set(sent)] == sent, (
                "acknowledged messages are missing or moved"
            )
            assert all(stored[one.message_id] == one.text for one in side.acknowledged)
        repeated = [text for text, times in Counter(stored.values()).items() if times > 1]
        assert not repeated, f"stored twice: {repeated}"

    async def _check_routing(self) -> None:
        """Nobody holds too much, nothing waits that could be served, and the fault took no work from anybody."""
        agents = (await self.admin.call("GET", "/api/v1/agents", page_size="200"))["agents"]
        over = [agent for agent in agents if agent.get("load", 0) > agent.get("capacity", 0)]
        assert not over, f"over capacity: {over}"
        for pair in self.pairs:
            now = await self.admin.call("GET", f"/api/v1/conversations/{pair.conversation_id}")
            assert (now["state"], now["assignee_id"], now["epoch"]) == (
                "active",
                pair.assignee_id,
                pair.epoch,
            )

        async def nothing_waits() -> bool:
            answer = await self.admin.call("GET", f"/api/v1/queues/{self.queue_id}/work_items")
            waiting = [item for item in answer["work_items"] if item["state"] in {"waiting", "offered"}]
            assert not waiting, f"these wait although agents are free: {waiting}"
            return True

        await eventually(nothing_waits, within_s=_SETTLES_WITHIN_S, what="an empty queue")

    async def _check_consumers(self) -> None:
        """The facts counted every message exactly once, and nobody gave an event up."""

        async def counted() -> bool:
            for pair in self.pairs:
                answer = await self.admin.call(
                    "GET", "/api/v1/reports/conversations", conversation_id=pair.conversation_id
                )
                figures = answer["conversations"]
                stored = await self._messages(
                    self.admin, f"/api/v1/conversations/{pair.conversation_id}/messages", "rev"
                )
                assert figures, "no figures yet"
                assert figures[0]["messages"] == len(stored)
            return True

        await eventually(counted, within_s=_SETTLES_WITHIN_S, what="facts of every message")
        for service in ("conversation", "router", "bot", "qa", "channel-adapter", "gateway"):
            answer = await self.admin.call("GET", f"/api/v1/system/services/{service}/dead_letters")
            assert not answer["dead_letters"], f"{service} gave up: {answer['dead_letters']}"

    async def assignable(self) -> None:
        """A new contact gets an agent: routing works."""
        session = await self._session(self._doors[0], self._inbox_key)
        client = await self._client(self._doors[0], session)
        await client.send("is anybody there?")

        async def has_an_agent() -> bool:
            now = await self.admin.call("GET", f"/api/v1/conversations/{client.conversation_id}")
            return bool(now["state"] == "active")

        await eventually(has_an_agent, within_s=_SETTLES_WITHIN_S, what="an agent for a new contact")

    def _door(self, number: int) -> str:
        return self._doors[number % len(self._doors)]

    async def _desk(self, scene: Scene, username: str) -> tuple[str, str]:
        door = self._api(self._product.url)
        api = await door.sign_in(username, scene.password)
        self._apis.append(api)
        me = await api.call("GET", "/api/v1/me")
        client = await self._client(self._product.url, api.token)
        await client.ask("presence", presence="online")
        return str(me["user"]["id"]), api.token

    async def _pair(self, scene: Scene, tokens: dict[str, str], door: str) -> Pair:
        self._inbox_key = scene.inbox_key
        session = await self._session(door, scene.inbox_key)
        contact = await self._client(door, session)
        await contact.send("hello")
        conversation_id = contact.conversation_id

        async def assigned() -> Any:
            now = await self.admin.call("GET", f"/api/v1/conversations/{conversation_id}")
            return now if now["state"] == "active" else None

        now = await eventually(assigned, within_s=30, what="an agent")
        agent = await self._client(door, tokens[now["assignee_id"]])
        agent.conversation_id = conversation_id
        await agent.ask("subscribe", topic="conversation", id=conversation_id, after_rev=0)
        return Pair(
            contact, agent, self._api(door, session), conversation_id, now["assignee_id"], now["epoch"]
        )

    async def _write(self, pair: Pair, side: ResumingClient) -> None:
        who = "contact" if side is pair.contact else "agent"
        number = 0
        while self._writing:
            number += 1
            await side.send(f"{who} {number} of {pair.conversation_id}")
            # The pace of the stream, not a wait for anything.
            await asyncio.sleep(self._random.uniform(0, _PAUSE_S))

    async def _session(self, url: str, inbox_key: str) -> str:
        api = self._api(url)
        session = await api.call(
            "POST", "/api/v1/contact/sessions", {"inbox_key": inbox_key, "visitor_id": visitor_id()}
        )
        return str(session["access_token"])

    async def _client(self, url: str, token: str) -> ResumingClient:
        async def same() -> str:
            return token

        client = ResumingClient(url, same)
        await client.__aenter__()
        self._clients.append(client)
        return client

    def _api(self, url: str, token: str = "") -> Api:
        api = PatientApi(url, token)
        self._apis.append(api)
        return api

    def _raise_refusals(self) -> None:
        for pair in self.pairs:
            for task in pair.tasks:
                if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                    raise RuntimeError(f"writing in {pair.conversation_id} ended") from error

    async def _messages(self, api: Api, path: str, rev: str) -> dict[str, str]:
        """Texts by message id, in the order of a fresh read through every page, from the newest page on."""
        messages: list[Any] = []
        while True:
            oldest = {f"before_{rev}": str(messages[0][rev])} if messages else {}
            page = await api.call("GET", path, page_size="200", **oldest)
            messages = [*page["messages"], *messages]
            if not page["has_more"]:
                break
            assert page["messages"], f"{path} says that there is more and gives nothing"
        return {one["id"]: one["content"]["text"]["text"] for one in messages if "text" in one["content"]}


def _same(side: ResumingClient, stored: dict[str, str]) -> bool:
    missing = stored.keys() - side.screen.keys()
    extra = side.screen.keys() - stored.keys()
    assert not missing, f"{len(missing)} of {len(stored)} messages are not on the screen"
    assert not extra, f"the screen shows {len(extra)} messages that are not there"
    assert list(side.screen.items()) == list(stored.items()), "the screen's order is another"
    return True


async def after_fault(stream: SteadyStream, fault: Callable[[], Awaitable[object]]) -> None:
    """The shape of every fault test: it flows, something breaks, it flows again, and all is as it was."""
    await stream.flows()
    await fault()
    await stream.flows()
    await stream.assignable()
    await stream.settle()
