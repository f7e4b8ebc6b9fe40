"""How fast messages are written, and found again among a million, inside the conversation service: real PostgreSQL, no network. Figures:

- `appends_per_s`, `append_p50_ms`, `append_p99_ms`: contacts who each wait for their message before they write the next;
- `append_batch`: messages of one transaction on average;
- `append_cpu_us`: processor time of this process for one message, clients included;
- `service_search_p50_ms`, `service_search_p99_ms`, `service_search_own_p99_ms`: one and two words over a
  million messages, as a supervisor and as an agent who sees only conversations of its own.

`--profile` shows where the time of a batch goes.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import random
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client import CollectorRegistry

from tests.load import message_stock
from yunsong_common.db import Database, run_migrations
from yunsong_common.ids import new_id
from yunsong_common.telemetry import Metrics
from yunsong_conversation import contents
from yunsong_conversation.domain.access import Viewer
from yunsong_conversation.domain.inboxes import Inbox
from yunsong_conversation.domain.messages import Actor, AuthorKind
from yunsong_conversation.handlers.entry import Appended, Entry, Sender
from yunsong_conversation.handlers.writer import Writer
from yunsong_conversation.repository import projections, search
from yunsong_conversation.segmentation import index_terms, query_terms
from yunsong_standalone.embedded import EmbeddedPostgres

_CONTACTS = 400
_MESSAGES = 15_000
_QUERIES = (
    "退款",
    "物流 延迟",
    "invoice",
    "coupon code",
    "尺码",
    "broken zipper",
    "发票 抬头",
    "return policy",
    "客服",
    "谢谢",
    "123456",
)
_ROUNDS = 300


@dataclass(frozen=True, slots=True)
class _Run:
    rate: float
    times: list[float]
    batch: float
    cpu: float


async def run(*, search_too: bool = True, profile: bool = False) -> dict[str, float]:
    """Takes some ten seconds for writing and two minutes for filling and searching."""
    with TemporaryDirectory(prefix="yunsong-bench-") as folder:
        postgres = EmbeddedPostgres(Path(folder) / "postgres", password="bench-only")
        postgres.start()
        try:
            url = postgres.url("postgres")
            await run_migrations("yunsong_conversation.migrations", url, "conversation")
            db = Database(url, schema="conversation", pool_size=8)
            figures = await _appends(db, profile=profile)
            if search_too:
                stock = await message_stock.fill(url, message_stock.size_from_environment())
                figures |= await _searches(db, stock["agent_id"])
            await db.close()
            return figures
        finally:
            postgres.stop()


async def _appends(db: Database, *, profile: bool) -> dict[str, float]:
    inbox = Inbox(new_id(), 1, "web", bot_enabled=True)
    async with db.transaction() as tx:
        await projections.save_inbox(tx, inbox)
    registry = CollectorRegistry()
    writer = Writer(db, _no_inbox, Metrics(registry, "conversation"))
    task = asyncio.create_task(writer.run())
    senders = [
        Sender(Actor(AuthorKind.CONTACT), inbox_id=inbox.id, identity=f"visitor-{n}", contact_name="客户")
        for n in range(_CONTACTS)
    ]
    await writer.write([_entry(sender, "你好", 0) for sender in senders])
    async with db.read() as tx:
        rows = await tx.raw.fetch("SELECT contact_id FROM identities WHERE inbox_id = $1", inbox.id)
    known = [Sender(Actor(AuthorKind.CONTACT), inbox_id=inbox.id, contact_id=str(row[0])) for row in rows]
    await _talk(writer, known, _MESSAGES // 5, registry)
    profiler = cProfile.Profile()
    if profile:
        profiler.enable()
    measured = await _talk(writer, known, _MESSAGES, registry)
    if profile:
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(30)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    cuts = statistics.quantiles(measured.times, n=100)
    return {
        "appends_per_s": measured.rate,
        "append_p50_ms": cuts[49] * 1000,
        "append_p99_ms": cuts[98] * 1000,
        "append_batch": measured.batch,
        "append_cpu_us": measured.cpu * 1e6,
    }


async def _talk(writer: Writer, senders: list[Sender], count: int, registry: CollectorRegistry) -> _Run:
    left = iter(range(count))
    times: list[float] = []

    async def talk(sender: Sender) -> None:
        for n in left:
            entry = _entry(
                sender, f"你好，我昨天买的蓝牙耳机左边没有声音了，请问怎么申请退换货 {n}", n + 1 + count
            )
            started = time.perf_counter()
            outcome = (await writer.write([entry]))[0]
            times.append(time.perf_counter() - started)
            if not isinstance(outcome, Appended):
                raise outcome

    before = _batches(registry)
    started, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for sender in senders:
            group.create_task(talk(sender))
    elapsed, cpu = time.perf_counter() - started, time.process_time() - cpu
    after = _batches(registry)
    return _Run(count / elapsed, times, (after[1] - before[1]) / (after[0] - before[0]), cpu / count)


def _batches(registry: CollectorRegistry) -> tuple[float, float]:
    labels = {"service": "conversation"}
    count = registry.get_sample_value("yunsong_append_batch_size_count", labels) or 0.0
    return count, registry.get_sample_value("yunsong_append_batch_size_sum", labels) or 0.0


async def _searches(db: Database, agent_id: str) -> dict[str, float]:
    boss = Viewer(Actor(AuthorKind.AGENT, new_id()), frozenset({"conversation.read_all"}))
    agent = Viewer(Actor(AuthorKind.AGENT, agent_id))
    times: dict[Viewer, list[float]] = {boss: [], agent: []}
    slowest: dict[str, float] = {}
    for viewer, taken in times.items():
        for _ in range(_ROUNDS):
            query = random.choice(_QUERIES)
            started = time.perf_counter()
            async with db.read(snapshot=True) as tx:
                await search.find(tx, viewer, query_terms(query), limit=21)
            taken.append(time.perf_counter() - started)
            if viewer is boss:
                slowest[query] = max(slowest.get(query, 0.0), taken[-1])
    print("  slowest by query, ms:", {query: round(value * 1000, 1) for query, value in slowest.items()})
    cuts = statistics.quantiles(times[boss], n=100)
    return {
        "service_search_p50_ms": cuts[49] * 1000,
        "service_search_p99_ms": cuts[98] * 1000,
        "service_search_own_p99_ms": statistics.quantiles(times[agent], n=100)[98] * 1000,
    }


def _entry(sender: Sender, text: str, number: int) -> Entry:
    content = contents.text_content(text)
    stored = contents.serialised(content)
    return Entry(
        sender=sender,
        content=content,
        stored=stored,
        kind="text",
        preview=contents.preview_of("text", content),
        terms=index_terms(text),
        digest=contents.digest_of(stored),
        client_id=f"{number}",
    )


async def _no_inbox(_inbox_id: str) -> bool:
    return False


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--no-search", action="store_true")
    options = parser.parse_args()
    for name, value in asyncio.run(run(search_too=not options.no_search, profile=options.profile)).items():
        print(f"  {name:28} {value:12,.2f}")


if __name__ == "__main__":
    main()
