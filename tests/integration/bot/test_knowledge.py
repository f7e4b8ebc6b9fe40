"""The knowledge base through its RPCs, on every replica."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import Any

import pytest

from tests.integration.bot.conftest import STAFF, Field, Replica, knows
from tests.support.polling import eventually
from yunsong.bot.v1 import bot_pb2
from yunsong_common.db import Database
from yunsong_common.errors import (
    Aborted,
    AlreadyExists,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    YunsongError,
)
from yunsong_common.ids import new_id


def entry(question: str, answer: str = "可以。", **values: Any) -> bot_pb2.Entry:
    return bot_pb2.Entry(question=question, answer=answer, **values)


async def create(replica: Replica, given: bot_pb2.Entry, *, idempotency_key: str = "") -> bot_pb2.Entry:
    created: bot_pb2.Entry = await replica.knowledge.CreateEntry(
        bot_pb2.CreateEntryRequest(entry=given), metadata=replica.staff(idempotency_key=idempotency_key)
    )
    return created


async def update(replica: Replica, entry_id: str, rev: int = 0, **values: Any) -> bot_pb2.Entry:
    request = bot_pb2.UpdateEntryRequest(entry_id=entry_id, entry=bot_pb2.Entry(**values), rev=rev)
    request.update_mask.paths.extend(values)
    changed: bot_pb2.Entry = await replica.knowledge.UpdateEntry(request, metadata=replica.staff())
    return changed


async def test_a_change_reaches_every_replica(bots: Field) -> None:
    here, there = await bots.start(), await bots.start()
    created = await create(here, entry("你们收旧茶壶吗"))
    for replica in (here, there):
        await eventually(partial(knows, replica, "收不收旧茶壶"), what="the new entry")
    await update(there, created.id, enabled=False)
    for replica in (here, there):

        async def forgotten(replica: Replica = replica) -> bool:
            return not await knows(replica, "收不收旧茶壶")

        await eventually(forgotten, what="the disabled entry gone")
    await update(here, created.id, enabled=True, question="有没有茶艺课")
    await eventually(lambda: knows(there, "茶艺课有吗"), what="the changed entry")
    await here.knowledge.DeleteEntry(bot_pb2.DeleteEntryRequest(entry_id=created.id), metadata=here.staff())

    async def deleted() -> bool:
        return not await knows(there, "茶艺课有吗")

    await eventually(deleted, what="the deleted entry gone")


async def test_what_is_written_is_read_back(bots: Field) -> None:
    replica = await bots.start()
    until = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    given = entry("  能开发票吗 ", similar_questions=["发票", " 发票", ""], category="发票", locale="zh-CN")
    given.valid_until.FromDatetime(until)
    created = await create(replica, given)
    found = await replica.knowledge.GetEntry(
        bot_pb2.GetEntryRequest(entry_id=created.id), metadata=replica.staff()
    )
    assert found == created
    assert (found.question, list(found.similar_questions), found.enabled, found.rev) == (
        "能开发票吗",
        ["发票"],
        True,
        1,
    )
    assert found.valid_until.ToDatetime(tzinfo=dt.UTC) == until
    assert not found.HasField("valid_from")


async def test_an_update_changes_what_its_mask_names_and_minds_the_revision(bots: Field) -> None:
    replica = await bots.start()
    created = await create(replica, entry("问题一", "答案一", category="甲"))
    changed = await update(replica, created.id, rev=1, answer="答案二")
    assert (changed.question, changed.answer, changed.category, changed.rev) == ("问题一", "答案二", "甲", 2)
    with pytest.raises(Aborted, match="REVISION_CHANGED"):
        await update(replica, created.id, rev=1, answer="答案三")
    with pytest.raises(InvalidArgument, match="update_mask"):
        await update(replica, created.id, id=new_id())


@pytest.mark.parametrize("question", ["", "   "])
async def test_a_blank_question_is_refused(bots: Field, question: str) -> None:
    replica = await bots.start()
    with pytest.raises(InvalidArgument) as refused:
        await create(replica, entry(question))
    assert "entry.question" in {violation.field for violation in refused.value.violations}


async def test_a_validity_that_ends_before_it_begins_is_refused(bots: Field) -> None:
    given = entry("问题")
    given.valid_from.FromDatetime(dt.datetime(2030, 1, 2, tzinfo=dt.UTC))
    given.valid_until.FromDatetime(dt.datetime(2030, 1, 1, tzinfo=dt.UTC))
    with pytest.raises(InvalidArgument, match="VALIDITY_CROSSED"):
        await create(await bots.start(), given)


async def test_what_is_not_there_is_not_found(bots: Field) -> None:
    replica = await bots.start()
    with pytest.raises(NotFound, match="ENTRY_UNKNOWN"):
        await replica.knowledge.GetEntry(bot_pb2.GetEntryRequest(entry_id=new_id()), metadata=replica.staff())
    with pytest.raises(NotFound, match="ENTRY_UNKNOWN"):
        await update(replica, new_id(), answer="x")
    with pytest.raises(NotFound, match="ENTRY_UNKNOWN"):
        await replica.knowledge.DeleteEntry(
            bot_pb2.DeleteEntryRequest(entry_id=new_id()), metadata=replica.staff()
        )


async def test_a_repeated_creation_gives_the_first_answer(bots: Field) -> None:
    replica = await bots.start()
    key = new_id()
    first = await create(replica, entry("只要一次"), idempotency_key=key)
    assert await create(replica, entry("只要一次"), idempotency_key=key) == first
    with pytest.raises(InvalidArgument, match="IDEMPOTENCY_KEY_REUSED"):
        await create(replica, entry("另一个"), idempotency_key=key)


async def test_an_external_key_belongs_to_one_entry(bots: Field) -> None:
    replica = await bots.start()
    await create(replica, entry("甲", external_key="unique-key"))
    with pytest.raises(AlreadyExists, match="EXTERNAL_KEY_TAKEN"):
        await create(replica, entry("乙", external_key="unique-key"))


async def test_an_import_writes_what_it_can_and_says_what_it_cannot(bots: Field) -> None:
    replica = await bots.start()
    given = [
        entry("一", external_key="import-1", similar_questions=["壹", "1"]),
        entry("二"),
        entry("三", external_key="import-3"),
        entry("三", external_key="import-3"),
        entry("  ", external_key="import-4"),
        entry("", external_key="import-5"),
        entry("六", external_key="import-6", locale="not a locale"),
    ]

    async def load(entries: list[bot_pb2.Entry]) -> list[bot_pb2.ImportResult]:
        response = await replica.knowledge.ImportEntries(
            bot_pb2.ImportEntriesRequest(entries=entries), metadata=replica.staff()
        )
        return list(response.results)

    first = await load(given)
    assert [(result.created, bool(result.error)) for result in first] == [
        (True, False),
        (False, True),
        (False, True),
        (False, True),
        (False, True),
        (False, True),
        (False, True),
    ]
    assert "question" in first[5].error
    again = await load([entry("一改", "答", external_key="import-1")])
    assert (again[0].entry_id, again[0].created) == (first[0].entry_id, False)
    found = await replica.knowledge.GetEntry(
        bot_pb2.GetEntryRequest(entry_id=first[0].entry_id), metadata=replica.staff()
    )
    assert (found.question, found.rev, list(found.similar_questions)) == ("一改", 2, [])


async def test_an_external_bot_in_the_private_network_is_refused(bots: Field) -> None:
    replica = await bots.start()
    request = bot_pb2.UpdateBotSettingsRequest(
        settings=bot_pb2.BotSettings(external_bot_url="http://localhost:9/bot")
    )
    request.update_mask.paths.append("external_bot_url")
    with pytest.raises(InvalidArgument, match="EXTERNAL_BOT_ALLOW_PRIVATE"):
        await replica.knowledge.UpdateBotSettings(request, metadata=replica.staff())


async def test_a_list_goes_from_page_to_page_and_filters(bots: Field) -> None:
    replica = await bots.start()
    category = new_id()
    for number in range(5):
        await create(replica, entry(f"第 {number} 个 100%_问题", category=category))

    async def pages(**filters: Any) -> list[str]:
        found, token = [], ""
        while True:
            page = await replica.knowledge.ListEntries(
                bot_pb2.ListEntriesRequest(page_size=2, page_token=token, **filters), metadata=replica.staff()
            )
            found += [each.question for each in page.entries]
            token = page.next_page_token
            if not token:
                return found

    assert await pages(category=category) == [f"第 {number} 个 100%_问题" for number in (4, 3, 2, 1, 0)]
    assert await pages(category=category, query="第 3") == ["第 3 个 100%_问题"]
    assert len(await pages(category=category, query="100%_")) == 5
    assert await pages(category=category, query="100_%") == []
    with pytest.raises(InvalidArgument, match="PAGE_TOKEN_INVALID"):
        await replica.knowledge.ListEntries(
            bot_pb2.ListEntriesRequest(page_token="nonsense"), metadata=replica.staff()
        )


async def test_the_test_box_shows_candidates_and_what_matched(bots: Field) -> None:
    replica = await bots.start()
    await bots.stock(replica)
    ranked = await replica.knowledge.RankEntries(
        bot_pb2.RankEntriesRequest(question="请问邮费和退款多久能到账", limit=2), metadata=replica.staff()
    )
    assert ranked.candidates[0].entry.question == "退款多久到账？"
    assert "退款" in ranked.candidates[0].matched_terms
    assert "退款" in ranked.terms
    handoff = await replica.knowledge.RankEntries(
        bot_pb2.RankEntriesRequest(question="转人工"), metadata=replica.staff()
    )
    assert handoff.kind == bot_pb2.ANSWER_KIND_HANDOFF


async def test_settings_are_kept_and_secrets_stay_inside(bots: Field, service_database: Any) -> None:
    replica = await bots.start()

    async def change(**values: Any) -> bot_pb2.BotSettings:
        request = bot_pb2.UpdateBotSettingsRequest(settings=bot_pb2.BotSettings(**values))
        request.update_mask.paths.extend(values)
        settings: bot_pb2.BotSettings = await replica.knowledge.UpdateBotSettings(
            request, metadata=replica.staff()
        )
        return settings

    changed = await change(handoff_words=["掌柜", "掌柜", " "], external_bot_secret="a-secret")
    assert list(changed.handoff_words) == ["掌柜"]
    assert changed.external_bot_secret == ""
    with pytest.raises(InvalidArgument, match="THRESHOLDS_CROSSED"):
        await change(answer_threshold=0.1)
    shown = await replica.knowledge.GetBotSettings(bot_pb2.GetBotSettingsRequest(), metadata=replica.staff())
    assert shown == changed
    assert shown.answer_threshold == pytest.approx(0.5)
    database: Database = await service_database("bot")
    async with database.read() as tx:
        stored: bytes = await tx.raw.fetchval("SELECT external_bot_secret FROM settings")
    assert b"a-secret" not in stored
    await change(handoff_words=[])


async def test_only_those_who_may_change_the_knowledge_base(bots: Field) -> None:
    replica = await bots.start()
    reader = type(STAFF)()
    reader.CopyFrom(STAFF)
    reader.permissions[:] = ["knowledge.read"]
    metadata = replica.channels.as_principal(reader)
    await replica.knowledge.ListEntries(bot_pb2.ListEntriesRequest(), metadata=metadata)
    with pytest.raises(PermissionDenied):
        await replica.knowledge.CreateEntry(bot_pb2.CreateEntryRequest(entry=entry("x")), metadata=metadata)


async def test_an_agent_gets_suggestions_for_what_the_contact_last_asked(bots: Field) -> None:
    replica = await bots.start()
    await bots.stock(replica)
    thread = bots.conversation.begin()
    for text in ("Where is my package?", "钱什么时候能退给我"):
        await bots.conversation.contact_writes(thread, text)
    suggested = await replica.assist.SuggestAnswers(
        bot_pb2.SuggestAnswersRequest(conversation_id=thread.id), metadata=replica.staff()
    )
    assert suggested.question == "钱什么时候能退给我"
    assert suggested.candidates[0].entry.question == "退款多久到账？"
    assert bots.conversation.readers[-1] == STAFF.actor_id
    with pytest.raises(YunsongError):
        await replica.assist.SuggestAnswers(
            bot_pb2.SuggestAnswersRequest(conversation_id="not an id"), metadata=replica.staff()
        )


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (
            "SELECT * FROM entries WHERE (updated_at, id) < (now(), '{id}') ORDER BY updated_at DESC, id DESC LIMIT 50",
            "entries_updated",
        ),
        (
            (
                "SELECT * FROM entries WHERE category = 'c7' AND (updated_at, id) < (now(), '{id}') "
                "ORDER BY updated_at DESC, id DESC LIMIT 50"
            ),
            "entries_category",
        ),
        (
            (
                "SELECT conversation_id FROM dialogues WHERE updated_at < now() - interval '30 days' "
                "ORDER BY updated_at LIMIT 1000"
            ),
            "dialogues_updated",
        ),
        ("SELECT decision FROM turns WHERE conversation_id = '{id}' AND rev = 1", "turns_pkey"),
    ],
)
async def test_lists_and_timers_have_their_index(service_database: Any, query: str, index: str) -> None:
    database: Database = await service_database("bot")
    async with database.transaction() as tx:
        if await tx.raw.fetchval("SELECT count(*) FROM dialogues") < 5000:
            await tx.raw.execute(
                "INSERT INTO entries (id, question, similar_questions, answer, category, created_at, updated_at) "
                "SELECT gen_random_uuid(), 'q' || n, '{}', 'a', 'c' || n % 50, now(), now() - n * interval '1 s' "
                "FROM generate_series(1, 10000) n"
            )
            await tx.raw.execute(
                "INSERT INTO dialogues (conversation_id, misses, offered, skill_states, updated_at) "
                "SELECT gen_random_uuid(), 0, false, '{}', now() - n * interval '1 min' FROM generate_series(1, 50000) n"
            )
            await tx.raw.execute(
                "INSERT INTO turns SELECT conversation_id, 1, '{}' FROM dialogues ON CONFLICT DO NOTHING"
            )
    async with database.read() as tx:
        await tx.raw.execute("ANALYZE entries, dialogues, turns")
        plan = "\n".join(row[0] for row in await tx.raw.fetch("EXPLAIN " + query.format(id=new_id())))
    assert index in plan, plan
