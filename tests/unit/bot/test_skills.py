"""The built-in skills together, as a contact meets them; and skills that misbehave."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest

from yunsong_bot import resources
from yunsong_bot.chain import Skills
from yunsong_bot.domain.dialogue import Decision, Dialogue, Kind, Limits, decide
from yunsong_bot.domain.faq import build_faq
from yunsong_bot.domain.knowledge import BotSettings, Entry
from yunsong_bot.library import Edition
from yunsong_bot.wiring import builtin_skills
from yunsong_plugin_api import Answer, LoadedPlugin, PluginRunner, SkillContext, SkillResult

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
LANGUAGES = resources.languages("zh-CN")
ENTRIES = [
    Entry("ship.zh", "下单后多久发货？", "当天发出。", ("什么时候发货",), locale="zh-CN"),
    Entry("ship.en", "When do you ship?", "The same day.", ("How soon is it dispatched?",), locale="en"),
    Entry("hours", "人工客服几点上班？", "9 点到 21 点。", locale="zh-CN"),
    Entry("logo", "可以定制 logo 吗", "可以。", locale="zh-CN"),
    Entry("logo.en", "Can you print a logo?", "Yes.", locale="en"),
    Entry("old", "元旦放假吗", "放。", valid_until=NOW - dt.timedelta(days=1)),
    Entry("soon", "中秋放假吗", "放。", valid_from=NOW + dt.timedelta(days=1)),
    Entry("off", "可以自提吗", "可以。", enabled=False),
]


def skills(*installed: Any, settings: BotSettings = BotSettings()) -> tuple[Skills, Edition]:  # noqa: B008
    faq, _ = build_faq({entry.id: entry for entry in ENTRIES}, {}, resources.analyzer())
    loaded: dict[str, LoadedPlugin[Any]] = {
        name: LoadedPlugin(name, "", skill)
        for name, skill in builtin_skills(lambda: faq, lambda: NOW, LANGUAGES).items()
    }
    loaded |= {skill.name: LoadedPlugin(skill.name, "acme 1.0", skill) for skill in installed}
    return Skills.by_priority(loaded, PluginRunner()), Edition(1, faq, settings)


async def said(text: str, *installed: Any, dialogue: Dialogue | None = None, **settings: Any) -> Decision:
    chain, edition = skills(*installed, settings=BotSettings(**settings))
    context = SkillContext("c", "i", "web", LANGUAGES.pick(text), text, settings=edition.skill_settings)
    results, _ = await chain.ask(context, edition.limits, {})
    return decide(results, dialogue or Dialogue(), edition.limits)[0]


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("什么时候发货", "ship.zh"),
        ("When do you ship?", "ship.en"),
        ("人工客服几点上班", "hours"),
        ("logo 可以定制吗", "logo"),
        ("print a logo", "logo.en"),
    ],
)
async def test_a_known_question_is_answered_in_its_language(text: str, source: str) -> None:
    decision = await said(text)
    assert (decision.kind, decision.source) == (Kind.ANSWER, source)


@pytest.mark.parametrize("text", ["转人工", "human please", "客服"])
async def test_a_wish_for_a_person_is_followed(text: str) -> None:
    decision = await said(text)
    assert (decision.kind, decision.reason) == (Kind.HANDOFF, "contact_asked")


@pytest.mark.parametrize("text", ["元旦放假吗", "中秋放假吗", "可以自提吗"])
async def test_an_entry_is_used_only_while_it_is_valid_and_enabled(text: str) -> None:
    assert (await said(text)).kind is Kind.MISS


@pytest.mark.parametrize(("text", "begins"), [("你好！", "您好"), ("Hello", "Hello"), ("Thanks!", "You are")])
async def test_a_courtesy_is_returned(text: str, begins: str) -> None:
    decision = await said(text)
    assert decision.kind is Kind.ANSWER
    assert decision.text.startswith(begins)


async def test_thresholds_are_the_businesss() -> None:
    text = "大概什么时候能把货发过来呢，我等了很久"
    assert (await said(text, answer_threshold=0.99, suggest_threshold=0.1)).kind is Kind.SUGGEST
    assert (await said(text, answer_threshold=0.1, suggest_threshold=0.1)).kind is Kind.ANSWER


async def test_a_pressed_button_is_answered() -> None:
    offer = await said("大概什么时候能把货发过来呢，我等了很久", answer_threshold=0.99, suggest_threshold=0.1)
    assert (await said(offer.buttons[0])).kind is Kind.ANSWER


class _Weather:
    api_version, name, priority = "1.0", "weather", 300

    def handle(self, context: SkillContext) -> SkillResult:
        return Answer("晴", source="weather", state={"asked": context.state.get("asked", 0) + 1})


class _Broken(_Weather):
    name, priority = "broken", 250

    def handle(self, context: SkillContext) -> SkillResult:
        raise ValueError("boom")


class _Hanging(_Weather):
    name, priority = "hanging", 260

    def __init__(self) -> None:
        self.release = threading.Event()

    def handle(self, context: SkillContext) -> SkillResult:
        self.release.wait(30)
        return Answer("late")


async def test_an_installed_skill_answers_before_the_knowledge_base() -> None:
    assert (await said("什么时候发货", _Weather())).source == "weather"


async def test_an_installed_skill_cannot_keep_a_contact_from_people() -> None:
    assert (await said("转人工", _Weather())).kind is Kind.HANDOFF


async def test_a_skill_that_fails_is_passed_over() -> None:
    assert (await said("什么时候发货", _Broken())).source == "ship.zh"


async def test_a_skill_that_hangs_is_passed_over() -> None:
    hanging = _Hanging()
    try:
        assert (await said("什么时候发货", hanging)).source == "ship.zh"
    finally:
        hanging.release.set()


async def test_a_skill_gets_back_what_it_kept() -> None:
    chain, edition = skills(_Weather())
    context = SkillContext("c", "i", "web", "zh-CN", "天气", settings=edition.skill_settings)
    _, states = await chain.ask(context, Limits(), {})
    _, states = await chain.ask(context, Limits(), states)
    assert states == {"weather": {"asked": 2}}


@pytest.mark.parametrize(
    ("text", "preferred", "locale"),
    [
        ("几点发货", "", "zh-CN"),
        ("when", "", "en"),
        ("when", "zh-CN", "en"),
        ("where is my 订单", "en", "zh-CN"),
        ("12345", "", "zh-CN"),
        ("12345", "en-GB", "en"),
        ("quand", "fr", "zh-CN"),
    ],
)
def test_the_language_of_the_answer(text: str, preferred: str, locale: str) -> None:
    assert LANGUAGES.pick(text, preferred) == locale


def test_every_language_has_every_sentence() -> None:
    names = [set(phrases.sentences) for phrases in LANGUAGES.phrases.values()]
    assert all(found == names[0] for found in names)
