"""How fast the router gives out work: 10,000 conversations wait, 1,000 agents serve five queues. Figures:

- `assignments_per_s`: from the trigger until load and intent of all of them are committed, planning included;
- `assignments_confirmed_per_s`: until the conversation service accepted each over gRPC and its agent's feed tells it;
- `assignment_p50_ms`, `assignment_p99_ms`: one conversation at a time, from its event's commit to the accepted assignment: event, NATS,
  plan over 1,000 agents, gRPC;
- `over_capacity`: agents above their capacity at the end.

The conversation service is a stand-in that answers at once, in the same process; PostgreSQL and NATS are real, with their usual durability.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import random
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.integration.router.rig import QUEUED, Rig, running
from tests.support.polling import eventually
from yunsong.conversation.v1 import model_pb2
from yunsong_common.db import Transaction
from yunsong_common.ids import new_id
from yunsong_router.domain.groups import routing_groups
from yunsong_router.repository import triggers
from yunsong_standalone.embedded import EmbeddedNats, EmbeddedPostgres, NatsUser

_AGENTS = 1_000
_WAITING = 10_000
_CAPACITY = 12
_QUEUES = 5
_SINGLES = 400
_SKILLS = ("english", "billing", "returns")
_STRATEGIES = ("least_loaded", "longest_idle", "round_robin")
_DEADLINE_S = 120.0


async def run() -> dict[str, float]:
    """Takes about half a minute."""
    with TemporaryDirectory() as folder:
        postgres = EmbeddedPostgres(Path(folder) / "postgres", password="bench-only")
        nats = EmbeddedNats(Path(folder) / "nats", users=[NatsUser("bench", "bench-only")])
        postgres.start()
        nats.start()
        try:
            async with running(postgres.url("postgres"), nats.url(), log_level="ERROR") as rig:
                return await _measure(rig)
        finally:
            nats.stop()
            postgres.stop()


async def _measure(rig: Rig) -> dict[str, float]:
    dice = random.Random(1)
    queue_ids = [new_id() for _ in range(_QUEUES)]
    async with rig.router.transaction() as tx:
        await _staff(tx, dice, queue_ids)
        await _fill(tx, rig, dice, queue_ids)
    async with rig.router.transaction() as tx:
        await tx.raw.execute("ANALYZE work_items, agents, queue_members")

    started = time.perf_counter()
    async with rig.router.transaction() as tx:
        await triggers.raise_for_queues(tx, queue_ids)
    await _until(rig, "SELECT count(*) FROM work_items WHERE state = 'waiting'")
    planned = time.perf_counter() - started
    await _until(rig, "SELECT count(*) FROM commands")
    confirmed = time.perf_counter() - started

    # A single one is measured beside nothing else: the echo of ten thousand assignments has to be heard first.
    await eventually(lambda: _quiet(rig), within_s=_DEADLINE_S)
    times = [await _single(rig, dice.choice(queue_ids)) for _ in range(_SINGLES)]
    centiles = statistics.quantiles(times[20:], n=100)
    return {
        "assignments_per_s": _WAITING / planned,
        "assignments_confirmed_per_s": _WAITING / confirmed,
        "assignment_p50_ms": centiles[49] * 1000,
        "assignment_p99_ms": centiles[98] * 1000,
        "over_capacity": float(await _count(rig, _OVER_CAPACITY)),
    }


_OVER_CAPACITY = (
    "SELECT count(*) FROM agents a WHERE a.capacity < (SELECT coalesce(sum(weight), 0) FROM work_items w "
    "WHERE w.agent_id = a.id AND w.state IN ('offered', 'assigning', 'assigned'))"
)


async def _staff(tx: Transaction, dice: random.Random, queue_ids: list[str]) -> None:
    """Queues of different strategies and priorities, and agents who serve two of them each."""
    now = await tx.now()
    agent_ids = [new_id() for _ in range(_AGENTS)]
    members = [(queue_id, agent_id) for agent_id in agent_ids for queue_id in dice.sample(queue_ids, 2)]
    groups = routing_groups(queue_ids, members)
    await tx.raw.executemany(
        "INSERT INTO queues (id, name, priority, strategy, requires_accept, offer_timeout_s, max_wait_s, last_agent_s, time_zone, "
        "hours, holidays, relaxation, sla, required_skills, open, group_id, created_at) "
        "VALUES ($1, $2, $3, $4, false, 20, 0, 0, 'Asia/Shanghai', '[]', '[]', '[]', '[0, 0, 0]', '{}', true, $5, $6)",
        [
            (queue_id, f"Queue {index}", 10 * (index // 2 + 1), _STRATEGIES[index % 3], groups[queue_id], now)
            for index, queue_id in enumerate(queue_ids)
        ],
    )
    await tx.raw.executemany(
        "INSERT INTO agents (id, name, capacity, skills, enabled, presence, presence_since, connected) "
        "VALUES ($1, $2, $3, $4, true, 'online', $5, true)",
        [
            (
                agent_id,
                f"Agent {index}",
                _CAPACITY,
                json.dumps({skill: dice.randint(3, 5) for skill in _SKILLS}),
                now,
            )
            for index, agent_id in enumerate(agent_ids)
        ],
    )
    await tx.raw.executemany(
        "INSERT INTO leases (gateway_id, agent_id, connections, expires_at) VALUES ('bench', $1, 1, $2)",
        [(agent_id, now + dt.timedelta(hours=1)) for agent_id in agent_ids],
    )
    await tx.raw.copy_records_to_table("queue_members", records=members, columns=["queue_id", "agent_id"])


async def _fill(tx: Transaction, rig: Rig, dice: random.Random, queue_ids: list[str]) -> None:
    """What waits, on both sides."""
    now = await tx.now()
    rows = []
    for index in range(_WAITING):
        conversation = model_pb2.Conversation(
            id=new_id(),
            queue_id=dice.choice(queue_ids),
            channel="web",
            contact_id=new_id(),
            epoch=1,
            rev=1,
            state=QUEUED,
        )
        rig.stand_in.conversations[conversation.id] = conversation
        skills = {skill: dice.randint(1, 3) for skill in _SKILLS if dice.random() < 0.2}
        since = now - dt.timedelta(seconds=_WAITING - index)
        rows.append(
            (
                new_id(),
                conversation.id,
                conversation.queue_id,
                dice.randint(1, 4),
                conversation.contact_id,
                json.dumps(skills),
                since,
            )
        )
    await tx.raw.executemany(
        "INSERT INTO work_items (id, conversation_id, queue_id, state, epoch, conversation_rev, priority, weight, channel, contact_id, "
        "contact_name, skills, waiting_since, entered_at) VALUES ($1, $2, $3, 'waiting', 1, 1, $4, 1, 'web', $5, 'Mei', $6, $7, $7)",
        rows,
    )


async def _single(rig: Rig, queue_id: str) -> float:
    """Seconds from a handoff to its accepted assignment."""
    started = time.perf_counter()
    conversation_id = await rig.stand_in.hand_over(queue_id)
    await eventually(lambda: conversation_id in rig.stand_in.assigned_at, within_s=_DEADLINE_S)
    return rig.stand_in.assigned_at[conversation_id] - started


async def _until(rig: Rig, nothing_left: str) -> None:
    async def gone() -> bool:
        return await _count(rig, nothing_left) == 0

    await eventually(gone, within_s=_DEADLINE_S)


async def _quiet(rig: Rig) -> bool:
    router = rig.process.running[1]
    behind = sum([await consumer.pending() for consumer in router.consumers])
    return behind == 0 and await _count(rig, "SELECT count(*) FROM outbox WHERE published_at IS NULL") == 0


async def _count(rig: Rig, query: str) -> int:
    async with rig.router.read() as tx:
        found: int = await tx.raw.fetchval(query)
    return found


if __name__ == "__main__":
    for name, value in asyncio.run(run()).items():
        print(f"{name:<32} {value:10.2f}")
