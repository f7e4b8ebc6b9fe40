"""Alerts while a conversation runs, inspection when it is closed."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

from tests.integration.qa.conftest import AGENT, QUEUE, FakeConversations, Qa, Thread
from tests.support.polling import eventually
from yunsong.qa.v1 import events_pb2, model_pb2, qa_pb2
from yunsong_common.errors import FailedPrecondition, InvalidArgument, NotFound
from yunsong_common.ids import new_id
from yunsong_plugin_api import Hit, InspectedConversation, InspectedMessage
from yunsong_qa.domain.rules import BUILTIN
from yunsong_qa.handlers.recording import erase
from yunsong_qa.repository import facts


def phrase(*phrases: str, within_first: int = 0) -> model_pb2.PhraseRule:
    return model_pb2.PhraseRule(phrases=phrases, within_first=within_first)


def item(rule: model_pb2.Rule, points: int = 30, *, fatal: bool = False) -> model_pb2.ScorecardItem:
    return model_pb2.ScorecardItem(title=f"item {rule.name}", rule_id=rule.id, points=points, fatal=fatal)


async def alerts_of(qa_service: Qa, thread: Thread, *, all_of_them: bool = False) -> list[model_pb2.Alert]:
    answer = await qa_service.inspections.ListAlerts(
        qa_pb2.ListAlertsRequest(conversation_id=thread.id, include_acknowledged=all_of_them), None
    )
    return list(answer.alerts)


async def inspections_of(qa_service: Qa, thread: Thread) -> list[model_pb2.Inspection]:
    answer = await qa_service.inspections.ListInspections(
        qa_pb2.ListInspectionsRequest(conversation_id=thread.id), None
    )
    return list(answer.inspections)


def answered(thread: Thread, text: str = "加微信聊") -> str:
    thread.says(1, "CONTACT", "人工")
    thread.move(2, "QUEUED").move(5, "ACTIVE", "assigned")
    return thread.says(50, "AGENT", text)


async def test_a_forbidden_phrase_alerts_while_the_conversation_runs(qa_service: Qa, thread: Thread) -> None:
    rule = await qa_service.rule(live_alert=True, phrase=phrase("加微信"))
    message_id = answered(thread)
    told = thread.new()

    caused = await qa_service.hear(told)
    assert await qa_service.hear(told) == []

    (alert,) = await alerts_of(qa_service, thread)
    assert (alert.hit.rule_id, alert.hit.message_id, alert.hit.matched) == (rule.id, message_id, "加微信")
    assert (alert.agent_id, alert.queue_id) == (AGENT, QUEUE)
    assert caused == [events_pb2.AlertRaised(alert=alert)]


async def test_a_rule_holds_on_every_replica_from_its_commit_on(
    qa_service: Qa, conversations: FakeConversations, thread: Thread
) -> None:
    other = Qa(qa_service.database, conversations)
    await other.hear(thread.new())
    rule = await qa_service.rule(live_alert=True, phrase=phrase("one"))
    thread.says(5, "AGENT", "one two")
    assert len(await other.hear(thread.new())) == 1

    change = model_pb2.Rule(phrase=phrase("two"))
    request = qa_pb2.UpdateRuleRequest(rule_id=rule.id, rule=change)
    request.update_mask.paths.append("phrase.phrases")
    await qa_service.scorecards.UpdateRule(request, None)
    thread.says(6, "AGENT", "one")
    assert await other.hear(thread.new()) == []
    thread.says(7, "AGENT", "two")
    assert len(await other.hear(thread.new())) == 1


async def test_only_the_first_messages_and_only_the_speaker_alert(qa_service: Qa, thread: Thread) -> None:
    await qa_service.rule(live_alert=True, phrase=phrase("late", within_first=1))
    thread.says(1, "CONTACT", "late?")
    thread.says(2, "AGENT", "no")
    thread.says(3, "AGENT", "late")
    assert await qa_service.hear(thread.new()) == []
    other = Thread().begin()
    other.says(3, "AGENT", "late")
    assert len(await qa_service.hear(other.new())) == 1


async def test_what_happened_long_ago_is_not_live(qa_service: Qa, conversations: FakeConversations) -> None:
    service = Qa(qa_service.database, conversations, max_age_s=60)
    await qa_service.rule(live_alert=True, phrase=phrase("x"))
    thread = Thread().begin()
    thread.says(1, "AGENT", "x")

    assert await service.hear(thread.new()) == []


async def test_a_long_text_is_matched_all_the_same(qa_service: Qa, thread: Thread) -> None:
    await qa_service.rule(live_alert=True, phrase=phrase("needle"))
    for _ in range(4):
        thread.says(1, "AGENT", "hay " * 2_000 + "needle")

    assert len(await qa_service.hear(thread.new())) == 4


async def test_overdue_answers_alert_once(qa_service: Qa, conversations: FakeConversations) -> None:
    await qa_service.rule(
        live_alert=True, response_time=model_pb2.ResponseTimeRule(first_response_s=60, next_response_s=120)
    )
    waiting = Thread(started=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=100)).begin("QUEUED")
    asked = Thread().begin("QUEUED").move(1, "ACTIVE")
    asked.says(2, "AGENT", "hello")
    question = asked.says(300, "CONTACT", "and?")
    answered_in_time = Thread().begin("QUEUED").move(1, "ACTIVE")
    answered_in_time.says(2, "AGENT", "hello")
    with_bot = Thread().begin()
    with_bot.says(2, "CONTACT", "hm")
    for thread in (waiting, asked, answered_in_time, with_bot):
        await qa_service.hear(thread.new())

    raised = await asyncio.gather(*(qa_service.alerting.watch_clock(qa_service.database) for _ in range(3)))

    assert sum(raised) == 2
    assert [a.hit.message_id for a in await alerts_of(qa_service, waiting)] == [""]
    (late,) = await alerts_of(qa_service, asked)
    assert (late.hit.message_id, late.hit.rev) == (question, 4)
    assert late.hit.matched.endswith(" s")
    assert await qa_service.alerting.watch_clock(qa_service.database) == 0


async def test_an_alert_is_seen_to_once(
    qa_service: Qa, thread: Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    await qa_service.rule(live_alert=True, phrase=phrase("加微信"))
    answered(thread)
    await qa_service.hear(thread.new())
    (alert,) = await alerts_of(qa_service, thread)
    who = [new_id(), new_id()]
    seen = []
    for actor_id in who:
        monkeypatch.setattr(
            "yunsong_qa.grpc_api.inspections.current_principal",
            lambda actor_id=actor_id: _Principal(actor_id),
        )
        seen.append(
            await qa_service.inspections.AcknowledgeAlert(
                qa_pb2.AcknowledgeAlertRequest(alert_id=alert.id), None
            )
        )

    assert [one.acknowledged_by for one in seen] == [who[0], who[0]]
    assert await alerts_of(qa_service, thread) == []
    assert await alerts_of(qa_service, thread, all_of_them=True) == [seen[0]]


class _Principal:
    def __init__(self, actor_id: str) -> None:
        self.actor_id = actor_id


async def test_a_closed_conversation_is_inspected_and_again_when_it_is_rated(
    qa_service: Qa, thread: Thread
) -> None:
    forbidden = await qa_service.rule(phrase=phrase("加微信"))
    greeting = await qa_service.rule(required_phrase=phrase("您好", within_first=1))
    slow = await qa_service.rule(response_time=model_pb2.ResponseTimeRule(first_response_s=30))
    low = await qa_service.rule(csat=model_pb2.CsatRule(at_most=2))
    card = await qa_service.card(item(forbidden, 20), item(greeting, 10), item(slow, 10), item(low, 50))
    message_id = answered(thread)
    thread.move(100, "RESOLVED", "closed", close=1)
    await qa_service.hear(thread.new())
    assert await qa_service.inspector.work() == 1

    (first,) = await inspections_of(qa_service, thread)
    assert (first.score, first.passed, first.revision, first.scorecard_version) == (60, True, 1, 1)
    assert (first.agent_id, first.queue_id, first.scorecard_id) == (AGENT, QUEUE, card.id)
    assert [(hit.message_id, hit.matched, hit.points) for hit in first.hits] == [
        (message_id, "加微信", 20),
        (message_id, "phrase_missing", 10),
        (message_id, "48 s", 10),
    ]

    await qa_service.hear(thread.rates(130, 1).new())
    assert await qa_service.inspector.work() == 1
    (second,) = await inspections_of(qa_service, thread)
    assert (second.id, second.score, second.passed, second.revision) == (first.id, 10, False, 2)
    assert await qa_service.inspector.work() == 0

    listed = await qa_service.reports.ListConversationFigures(
        qa_pb2.ListConversationFiguresRequest(conversation_id=thread.id), None
    )
    assert listed.conversations[0].inspection_score == 10


async def test_inspection_comes_at_once(qa_service: Qa, thread: Thread) -> None:
    rule = await qa_service.rule(phrase=phrase("x"))
    await qa_service.card(item(rule))
    running = asyncio.create_task(qa_service.inspector.run())
    try:
        answered(thread)
        thread.move(100, "RESOLVED", close=1)
        await qa_service.hear(thread.new())
        found = await eventually(lambda: inspections_of(qa_service, thread), within_s=3)
        assert found[0].score == 100
    finally:
        running.cancel()


async def test_only_what_an_agent_had_and_a_scorecard_concerns_is_inspected(
    qa_service: Qa, conversations: FakeConversations
) -> None:
    rule = await qa_service.rule(phrase=phrase("x"))
    await qa_service.card(item(rule), queue_ids=[new_id()])
    await qa_service.card(item(rule), automatic=False)
    other_queue, by_bot, spam = Thread().begin(), Thread().begin(), Thread().begin()
    answered(other_queue)
    answered(spam)
    other_queue.move(100, "RESOLVED", close=1)
    by_bot.move(100, "RESOLVED", close=4)
    spam.move(100, "RESOLVED", close=5)
    for thread in (other_queue, by_bot, spam):
        conversations.threads[thread.id] = thread
        await qa_service.hear(thread.new())
    while await qa_service.inspector.work():
        pass

    assert [await inspections_of(qa_service, thread) for thread in (other_queue, by_bot, spam)] == [
        [],
        [],
        [],
    ]
    assert conversations.reads == 1


async def test_a_fatal_item_and_what_was_taken_back(qa_service: Qa, thread: Thread) -> None:
    rule = await qa_service.rule(live_alert=True, phrase=phrase("加微信"))
    await qa_service.card(item(rule, 0, fatal=True))
    message_id = answered(thread)
    await qa_service.hear(thread.new())
    thread.messages[-1].ClearField("content")
    thread.move(100, "RESOLVED", close=1)
    await qa_service.hear(thread.new())
    await qa_service.inspector.work()

    (inspection,) = await inspections_of(qa_service, thread)
    assert (inspection.score, inspection.fatal, inspection.passed) == (0, True, False)
    assert [hit.message_id for hit in inspection.hits] == [message_id]
    answer = await qa_service.inspections.ListInspections(
        qa_pb2.ListInspectionsRequest(agent_id=AGENT, fatal_only=True), None
    )
    assert inspection in list(answer.inspections)
    assert (inspection.agent_name, inspection.queue_name) == ("", "")
    async with qa_service.database.transaction() as tx:
        await facts.set_names(tx.raw, "agent", {AGENT: ("agent 1", 1)})
    (inspection,) = await inspections_of(qa_service, thread)
    assert inspection.agent_name == "agent 1"
    for narrow in (
        {"queue_id": new_id()},
        {"created_after": inspection.created_at.ToDatetime() + dt.timedelta(seconds=1)},
        {"created_before": inspection.created_at},
    ):
        answer = await qa_service.inspections.ListInspections(
            qa_pb2.ListInspectionsRequest(conversation_id=thread.id, failed_only=True, **narrow), None
        )
        assert list(answer.inspections) == []


async def test_a_failure_is_tried_again_and_does_not_stop_the_others(
    qa_service: Qa, conversations: FakeConversations, thread: Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = await qa_service.rule(phrase=phrase("x"))
    await qa_service.card(item(rule))
    answered(thread)
    thread.move(100, "RESOLVED", close=1)
    gone = Thread().begin()
    answered(gone)
    gone.move(100, "RESOLVED", close=1)
    await qa_service.hear([*thread.new(), *gone.new()])
    real = conversations.read

    async def broken(conversation_id: str) -> object:
        raise RuntimeError("no answer")

    monkeypatch.setattr(conversations, "read", broken)
    assert await qa_service.inspector.work() == 2
    assert await qa_service.inspector.work() == 0
    monkeypatch.setattr(conversations, "read", real)
    async with qa_service.database.transaction() as tx:
        await tx.raw.execute("UPDATE inspection_jobs SET next_attempt_at = clock_timestamp()")
    assert await qa_service.inspector.work() == 2

    assert len(await inspections_of(qa_service, thread)) == 1
    async with qa_service.database.read() as tx:
        assert await tx.raw.fetchval("SELECT count(*) FROM inspection_jobs") == 0


async def test_a_person_asks_for_an_inspection(qa_service: Qa, thread: Thread) -> None:
    rule = await qa_service.rule(phrase=phrase("x"))
    card = await qa_service.card(item(rule), automatic=False)
    request = qa_pb2.InspectConversationRequest(conversation_id=thread.id, scorecard_id=card.id)
    with pytest.raises(FailedPrecondition, match="CONVERSATION_OPEN"):
        await qa_service.inspections.InspectConversation(request, None)
    answered(thread, "x")
    thread.move(100, "RESOLVED", close=1)
    await qa_service.hear(thread.new())

    first = await qa_service.inspections.InspectConversation(request, None)
    second = await qa_service.inspections.InspectConversation(request, None)

    assert (first.score, first.revision, second.revision) == (70, 1, 2)
    again = await qa_service.inspections.GetInspection(
        qa_pb2.GetInspectionRequest(inspection_id=first.id), None
    )
    assert again == second
    request.scorecard_id = new_id()
    with pytest.raises(NotFound, match="SCORECARD_UNKNOWN"):
        await qa_service.inspections.InspectConversation(request, None)


async def test_an_erased_contacts_words_are_gone(qa_service: Qa, thread: Thread) -> None:
    rule = await qa_service.rule(live_alert=True, phrase=model_pb2.PhraseRule(patterns=["my name is \\w+"]))
    await qa_service.card(item(rule))
    answered(thread, "my name is Li")
    thread.move(100, "RESOLVED", close=1)
    await qa_service.hear(thread.new())
    await qa_service.inspector.work()
    async with qa_service.database.transaction() as tx:
        await erase(tx, [thread.id])

    (inspection,) = await inspections_of(qa_service, thread)
    assert await alerts_of(qa_service, thread) == []
    (alert,) = await alerts_of(qa_service, thread, all_of_them=True)
    assert (alert.HasField("acknowledged_at"), alert.acknowledged_by) == (True, "")
    assert (inspection.score, [hit.matched for hit in inspection.hits], alert.hit.matched) == (70, [""], "")


async def test_an_erased_conversation_that_waited_raises_no_alert(qa_service: Qa) -> None:
    await qa_service.rule(live_alert=True, response_time=model_pb2.ResponseTimeRule(first_response_s=60))
    waiting = Thread(started=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=100)).begin("QUEUED")
    await qa_service.hear(waiting.new())
    async with qa_service.database.transaction() as tx:
        await erase(tx, [waiting.id])

    await qa_service.alerting.watch_clock(qa_service.database)

    assert await alerts_of(qa_service, waiting, all_of_them=True) == []


async def test_trying_a_rule_stores_nothing(qa_service: Qa, thread: Thread) -> None:
    message_id = answered(thread)
    rule = model_pb2.Rule(name="try", phrase=phrase("微信"))

    answer = await qa_service.scorecards.TryRule(
        qa_pb2.TryRuleRequest(rule=rule, conversation_id=thread.id), None
    )

    assert [hit.message_id for hit in answer.hits] == [message_id]
    assert not (await qa_service.scorecards.ListRules(qa_pb2.ListRulesRequest(), None)).rules


async def test_scorecards_have_versions_and_rules_in_use_stay(qa_service: Qa) -> None:
    rule = await qa_service.rule(phrase=phrase("x"))
    card = await qa_service.card(item(rule))
    with pytest.raises(FailedPrecondition, match="RULE_IN_USE"):
        await qa_service.scorecards.DeleteRule(qa_pb2.DeleteRuleRequest(rule_id=rule.id), None)

    request = qa_pb2.UpdateScorecardRequest(
        scorecard_id=card.id, scorecard=model_pb2.Scorecard(pass_score=80)
    )
    request.update_mask.paths.append("pass_score")
    changed = await qa_service.scorecards.UpdateScorecard(request, None)
    assert (changed.version, changed.pass_score, changed.items, changed.automatic) == (
        2,
        80,
        card.items,
        True,
    )

    await qa_service.scorecards.DeleteScorecard(qa_pb2.DeleteScorecardRequest(scorecard_id=card.id), None)
    await qa_service.scorecards.DeleteRule(qa_pb2.DeleteRuleRequest(rule_id=rule.id), None)
    with pytest.raises(NotFound, match="RULE_UNKNOWN"):
        await qa_service.scorecards.DeleteRule(qa_pb2.DeleteRuleRequest(rule_id=rule.id), None)


async def test_what_cannot_work_is_refused_with_the_field(qa_service: Qa) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await qa_service.rule(phrase=model_pb2.PhraseRule(patterns=["("]))
    assert [violation.field for violation in refused.value.violations] == ["rule.phrase.patterns[0]"]
    with pytest.raises(InvalidArgument, match="RULE_INVALID"):
        await qa_service.rule()
    with pytest.raises(InvalidArgument, match="RULE_INVALID"):
        await qa_service.rule(plugin=model_pb2.PluginRule(name="phrase"))
    with pytest.raises(NotFound, match="RULE_UNKNOWN"):
        await qa_service.card(model_pb2.ScorecardItem(title="a", rule_id=new_id(), points=5))


class Shouting:
    """A plugin: finds messages in capital letters. Breaks on request."""

    api_version = "1.0"
    kind = "shouting"
    live = True

    def check(self, settings: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        return [] if settings.get("least") else [("config.least", "must be set")]

    def inspect(self, conversation: InspectedConversation, settings: Mapping[str, Any]) -> Sequence[Hit]:
        return [hit for message in conversation.messages for hit in self.inspect_message(message, settings)]

    def inspect_message(self, message: InspectedMessage, settings: Mapping[str, Any]) -> Sequence[Hit]:
        if message.text == "break":
            raise RuntimeError("broken")
        loud = message.text.isupper() and len(message.text) >= settings["least"]
        return [Hit(message.id, "shouting", {"matched": message.text})] if loud else []


async def test_a_plugins_rule_works_like_a_built_in_one_and_its_faults_stay_its_own(
    qa_service: Qa, thread: Thread
) -> None:
    qa_service.rulebooks.kinds = {**BUILTIN, "shouting": Shouting()}
    config = Struct()
    with pytest.raises(InvalidArgument, match="RULE_INVALID"):
        await qa_service.rule(plugin=model_pb2.PluginRule(name="shouting", config=config))
    config.update({"least": 3})
    rule = await qa_service.rule(live_alert=True, plugin=model_pb2.PluginRule(name="shouting", config=config))
    await qa_service.card(item(rule))
    thread.says(1, "CONTACT", "I SHOUT")
    thread.says(2, "AGENT", "break")
    message_id = answered(thread, "SO DO I")
    assert len(await qa_service.hear(thread.new())) == 1
    (alert,) = await alerts_of(qa_service, thread)
    assert (alert.hit.message_id, alert.hit.matched) == (message_id, "SO DO I")

    del thread.messages[1]
    thread.move(100, "RESOLVED", close=1)
    await qa_service.hear(thread.new())
    await qa_service.inspector.work()
    (inspection,) = await inspections_of(qa_service, thread)
    assert [hit.message_id for hit in inspection.hits] == [message_id]
