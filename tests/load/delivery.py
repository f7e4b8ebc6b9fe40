"""Delivered messages a second and their latency: pairs of contact and agent sockets through the public door.

A message counts when the other side's socket has it. Both sides write in turn: half of the messages go each way.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import statistics
import time

from tests.load.client import Api, Frame, text_content
from tests.load.scene import Pair, Scene

PAIRS = 48
SATURATION_S = 15.0
STEADY_S = 20.0
STEADY_PER_S = 200.0
CONTACT, AGENT = "c-", "a-"


async def run(admin: Api) -> dict[str, float]:
    """`delivered_per_s` at saturation, `deliver_p50_ms` and `_p99_ms` at 200 a second, `consumer_lag_s`."""
    scene = await Scene.set_up(admin, agents=PAIRS)
    arrivals = Arrivals()
    pairs = await scene.pairs(PAIRS, arrivals.at_contact, arrivals.at_agent)
    try:
        steady = await _steady(pairs, arrivals)
        rate = await _saturate(pairs, arrivals)
        lag = await _consumer_lag_s(admin, rate)
    finally:
        for pair in pairs:
            await pair.contact.close()
        for socket in {pair.agent for pair in pairs}:
            await socket.close()
    return {"delivered_per_s": rate, **steady, "consumer_lag_s": lag}


class Arrivals:
    """Who waits for which message: by the token that the text begins with."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[float]] = {}

    def expect(self, token: str) -> asyncio.Future[float]:
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting[token] = future
        return future

    # A sender's own socket shows its message too; only the other side's copy is a delivery.
    def at_contact(self, _: str, frame: Frame, arrived: float) -> None:
        self._note(frame, arrived, AGENT)

    def at_agent(self, _: str, frame: Frame, arrived: float) -> None:
        self._note(frame, arrived, CONTACT)

    def _note(self, frame: Frame, arrived: float, sender: str) -> None:
        if frame.get("event") != "message_posted":
            return
        data = frame["data"]
        message = data.get("message", data)  # staff's events wrap it, the contact's are it
        text = message["content"].get("text", {}).get("text", "")
        if text.startswith(sender) and (future := self._waiting.pop(text, None)) is not None:
            future.set_result(arrived)


async def _exchange(pair: Pair, arrivals: Arrivals, *, to_agent: bool) -> float:
    """Sends one message and waits until the other side has it; seconds."""
    token = (CONTACT if to_agent else AGENT) + secrets.token_hex(8)
    sender = pair.contact if to_agent else pair.agent
    receiver_has = arrivals.expect(token)
    started = time.perf_counter()
    await sender.send(
        "send", conversation_id=pair.conversation_id, client_id=token, content=text_content(token)
    )
    arrived = await asyncio.wait_for(receiver_has, 30)
    return arrived - started


async def _saturate(pairs: list[Pair], arrivals: Arrivals) -> float:
    delivered = 0
    end = time.perf_counter() + SATURATION_S

    async def talk(pair: Pair) -> None:
        nonlocal delivered
        to_agent = True
        while time.perf_counter() < end:
            await _exchange(pair, arrivals, to_agent=to_agent)
            delivered += 1
            to_agent = not to_agent

    started = time.perf_counter()
    await asyncio.gather(*(talk(pair) for pair in pairs), *(talk(pair) for pair in pairs))
    return delivered / (time.perf_counter() - started)


async def _steady(pairs: list[Pair], arrivals: Arrivals) -> dict[str, float]:
    """Messages at a fixed rate, whether or not earlier ones have arrived."""
    times: list[float] = []
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:

        async def one(pair: Pair, *, to_agent: bool) -> None:
            times.append(await _exchange(pair, arrivals, to_agent=to_agent))

        for number in range(int(STEADY_S * STEADY_PER_S)):
            due = started + number / STEADY_PER_S
            if (pause := due - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            group.create_task(one(random.choice(pairs), to_agent=number % 2 == 0))
    cuts = statistics.quantiles(times, n=100)
    return {"deliver_p50_ms": cuts[49] * 1000, "deliver_p99_ms": cuts[98] * 1000}


async def _consumer_lag_s(admin: Api, rate: float) -> float:
    """How far behind the slowest consumer is right after saturation, in seconds of the run's own rate."""
    state = await admin.call("GET", "/api/v1/system")
    pending = [consumer["pending"] for service in state["services"] for consumer in service["consumers"]]
    return max(pending, default=0) / max(rate, 1)
