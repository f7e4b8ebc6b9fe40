"""From events to facts, figures and reports."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
from typing import Any

import pytest

from tests.integration.qa.conftest import FakeConversations, Qa, Thread
from yunsong.qa.v1 import model_pb2, qa_pb2
from yunsong_common.bus import Delivery
from yunsong_common.db import Transaction
from yunsong_common.errors import InvalidArgument
from yunsong_common.ids import new_id
from yunsong_qa.handlers.recording import Observed, erase, rebuild
from yunsong_qa.repository import facts as repository
from yunsong_qa.subscriptions import observed


def handled(thread: Thread, *, category: str = "refund") -> Thread:
    thread.says(1, "CONTACT", "where is my parcel?")
    thread.says(2, "BOT", "on its way")
    thread.says(9, "CONTACT", "a person please")
    thread.move(10, "QUEUED", "handoff_requested").move(25, "ACTIVE", "assigned")
    thread.says(40, "AGENT", "hello")
    return thread.move(125, "RESOLVED", "closed", close=1, category=category).rates(130, 5)


async def figures_of(qa_service: Qa, conversation_id: str) -> model_pb2.ConversationFigures:
    answer = await qa_service.reports.ListConversationFigures(
        qa_pb2.ListConversationFiguresRequest(conversation_id=conversation_id), None
    )
    return answer.conversations[0]


async def summary(qa_service: Qa, **values: object) -> model_pb2.Report:
    now = dt.datetime.now(dt.UTC)
    request = qa_pb2.GetSummaryRequest(**values)  # type: ignore[arg-type]
    getattr(request, "from").FromDatetime(now - dt.timedelta(days=1))
    request.to.FromDatetime(now + dt.timedelta(minutes=1))
    return await qa_service.reports.GetSummary(request, None)


async def test_a_conversations_figures(qa_service: Qa, thread: Thread) -> None:
    await qa_service.hear(handled(thread).new())

    figures = await figures_of(qa_service, thread.id)
    assert (figures.wait_s, figures.first_response_s, figures.handling_s) == (15, 30, 100)
    assert (figures.csat_score, figures.wrap_up_category, figures.messages) == (5, "refund", 4)
    assert figures.handed_off
    assert not figures.HasField("inspection_score")


async def test_facts_hold_no_words(qa_service: Qa, thread: Thread) -> None:
    await qa_service.hear(handled(thread).new())

    async with qa_service.database.read() as tx:
        rows = await tx.raw.fetch("SELECT f::text FROM facts f WHERE entity_id = $1", thread.id)
    assert rows
    assert not any("parcel" in row[0] or "private" in row[0] for row in rows)


async def test_order_and_repetition_do_not_matter(qa_service: Qa, conversations: FakeConversations) -> None:
    rng = random.Random(7)
    straight = handled(Thread().begin())
    await qa_service.hear(straight.new())
    for _ in range(10):
        thread = handled(Thread(started=straight.started).begin())
        told = thread.new()
        shuffled = [*told, *rng.sample(told, 4)]
        rng.shuffle(shuffled)
        while shuffled:
            size = rng.randint(1, 4)
            await qa_service.hear(shuffled[:size])
            shuffled = shuffled[size:]

        expected, found = await figures_of(qa_service, straight.id), await figures_of(qa_service, thread.id)
        found.conversation_id = expected.conversation_id
        assert found == expected


async def test_two_replicas_on_the_same_conversations(
    qa_service: Qa, conversations: FakeConversations
) -> None:
    threads = [handled(Thread().begin()) for _ in range(20)]
    told = [one for thread in threads for one in thread.new()]
    random.Random(3).shuffle(told)
    other = Qa(qa_service.database, conversations)

    async def consume(replica: Qa, share: list[Delivery[Any]]) -> None:
        for start in range(0, len(share), 7):
            batch = [observed(one) for one in share[start : start + 7]]

            async def record(tx: Transaction, batch: list[Observed] = batch) -> None:
                await replica.recording.record(tx, batch)

            await replica.database.run(record)

    async with asyncio.TaskGroup() as group:
        group.create_task(consume(qa_service, told[::2]))
        group.create_task(consume(other, told[1::2]))

    for thread in threads:
        figures = await figures_of(qa_service, thread.id)
        assert (figures.wait_s, figures.first_response_s, figures.messages, figures.csat_score) == (
            15,
            30,
            4,
            5,
        )


async def test_a_rebuild_gives_what_was_there(qa_service: Qa) -> None:
    threads = [handled(Thread().begin()) for _ in range(12)]
    await qa_service.hear([one for thread in threads for one in thread.new()])
    query = "SELECT * FROM conversation_figures ORDER BY conversation_id"
    async with qa_service.database.transaction() as tx:
        before = await tx.raw.fetch(query)
        await tx.raw.execute(
            "UPDATE conversation_figures SET wait_s = -1, messages = 0, applied_rev = 1, category = 'x'"
        )

    rebuilt = await rebuild(qa_service.database, chunk=5)

    async with qa_service.database.read() as tx:
        assert await tx.raw.fetch(query) == before
        assert rebuilt.facts == await tx.raw.fetchval("SELECT count(*) FROM facts WHERE rev > 0")
    assert rebuilt.conversations == len(before)


async def test_a_rebuild_does_not_stop_recording(qa_service: Qa) -> None:
    threads = [Thread().begin() for _ in range(30)]
    await qa_service.hear([one for thread in threads for one in thread.new()])

    async def go_on() -> None:
        for thread in threads:
            handled(thread)
            told = sorted(thread.new(), key=lambda d: d.meta.event_id)
            await qa_service.hear(told)

    async with asyncio.TaskGroup() as group:
        group.create_task(go_on())
        group.create_task(rebuild(qa_service.database, chunk=3))

    for thread in threads:
        assert (await figures_of(qa_service, thread.id)).messages == 4


async def test_a_contact_who_was_erased_leaves_only_numbers(qa_service: Qa, thread: Thread) -> None:
    told = handled(thread).new()
    await qa_service.hear(told[:-1])
    async with qa_service.database.transaction() as tx:
        await erase(tx, [thread.id])
    await qa_service.hear(told[-1:])
    await rebuild(qa_service.database)

    async with qa_service.database.read() as tx:
        assert await repository.history(tx.raw, [thread.id]) == {}
        assert (
            await tx.raw.fetchval(
                "SELECT contact_id FROM conversation_figures WHERE conversation_id = $1", thread.id
            )
            is None
        )
    assert (await figures_of(qa_service, thread.id)).messages == 4


async def test_a_summary_adds_up(qa_service: Qa) -> None:
    queue, agent = new_id(), new_id()
    fast = handled(Thread(queue=queue, agent=agent).begin())
    slow = Thread(queue=queue, agent=agent).begin("QUEUED")
    slow.move(100, "ACTIVE", "assigned").says(150, "AGENT", "sorry")
    slow.move(200, "RESOLVED", close=1, category="other").rates(300, 2)
    left = Thread(queue=queue).begin("QUEUED").move(60, "RESOLVED", close=3)
    await qa_service.hear([*fast.new(), *slow.new(), *left.new()])
    async with qa_service.database.transaction() as tx:
        await repository.set_names(tx.raw, "queue", {queue: ("new name", 5)})
        await repository.set_names(tx.raw, "queue", {queue: ("old name", 4)})

    report = await summary(qa_service, group_by=model_pb2.REPORT_GROUPING_QUEUE, queue_id=queue)
    (row,) = report.rows
    assert (row.key, row.name) == (queue, "new name")
    assert (row.conversations, row.handoffs, row.assigned, row.abandoned, row.resolved) == (3, 3, 2, 1, 3)
    assert row.abandonment_rate == pytest.approx(1 / 3)
    assert row.service_level == pytest.approx(1 / 3)
    assert row.wait_avg_s == 57.5
    assert row.wait_p90_s == pytest.approx(91.5)
    assert (row.first_response_avg_s, row.handling_avg_s) == (90, 100)
    assert (row.csat_avg, row.csat_count) == (3.5, 2)
    assert (row.contact_messages, row.agent_messages, row.bot_messages) == (2, 2, 1)
    assert report.HasField("complete_until")

    categories = await summary(qa_service, group_by=model_pb2.REPORT_GROUPING_CATEGORY, queue_id=queue)
    assert [(row.key, row.conversations) for row in categories.rows] == [("", 1), ("other", 1), ("refund", 1)]
    agents = await summary(qa_service, group_by=model_pb2.REPORT_GROUPING_AGENT, agent_id=agent)
    assert [(row.key, row.conversations) for row in agents.rows] == [(agent, 2)]


async def test_days_and_hours_are_those_of_the_time_zone(qa_service: Qa) -> None:
    queue = new_id()
    # Clocks go back in Berlin at 01:00 UTC: 02:30 comes twice.
    for hour in (0, 1, 23):
        started = dt.datetime(2026, 10, 25, hour, 30, tzinfo=dt.UTC)
        await qa_service.hear(Thread(queue=queue, started=started).begin("QUEUED").new())
    request = qa_pb2.GetSummaryRequest(queue_id=queue, time_zone="Europe/Berlin")
    getattr(request, "from").FromDatetime(dt.datetime(2026, 10, 24, tzinfo=dt.UTC))
    request.to.FromDatetime(dt.datetime(2026, 10, 27, tzinfo=dt.UTC))

    request.group_by = model_pb2.REPORT_GROUPING_HOUR
    hours = await qa_service.reports.GetSummary(request, None)
    request.group_by = model_pb2.REPORT_GROUPING_DAY
    days = await qa_service.reports.GetSummary(request, None)

    assert [row.key for row in hours.rows] == [
        "2026-10-25T02:00+02:00",
        "2026-10-25T02:00+01:00",
        "2026-10-26T00:00+01:00",
    ]
    assert [(row.key, row.conversations) for row in days.rows] == [("2026-10-25", 2), ("2026-10-26", 1)]


async def test_an_empty_period_has_no_rows_and_a_wrong_one_is_refused(qa_service: Qa) -> None:
    assert (
        list((await summary(qa_service, queue_id=new_id(), group_by=model_pb2.REPORT_GROUPING_DAY)).rows)
        == []
    )
    with pytest.raises(InvalidArgument, match="PERIOD_INVALID"):
        await qa_service.reports.GetSummary(qa_pb2.GetSummaryRequest(), None)


async def test_figures_are_paged_newest_first(qa_service: Qa) -> None:
    await qa_service.hear([one for _ in range(5) for one in Thread().begin().new()])
    seen: list[str] = []
    token = ""
    while True:
        page = await qa_service.reports.ListConversationFigures(
            qa_pb2.ListConversationFiguresRequest(page_size=2, page_token=token), None
        )
        seen += [one.conversation_id for one in page.conversations]
        token = page.next_page_token
        if not token:
            break
    async with qa_service.database.read() as tx:
        rows = await tx.raw.fetch(
            "SELECT conversation_id FROM conversation_figures WHERE created_at IS NOT NULL "
            "ORDER BY created_at DESC, conversation_id DESC"
        )
    assert seen == [str(row[0]) for row in rows]
