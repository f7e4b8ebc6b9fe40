"""The built-in skills. They use the same interface as those that an integrator installs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from yunsong_bot.domain.dialogue import Limits
from yunsong_bot.domain.faq import Faq
from yunsong_bot.domain.languages import Languages
from yunsong_bot.domain.wish import Wish, Wishes
from yunsong_plugin_api import Answer, Handoff, NextSkill, SkillContext, SkillResult

CONTACT_ASKED = "contact_asked"


@dataclass(slots=True)
class HandoffWords:
    """A plain request for a person is always followed."""

    wishes: Wishes
    api_version: str = "1.0"
    name: str = "handoff_words"
    priority: int = 100

    def handle(self, context: SkillContext) -> SkillResult:
        wish = self.wishes.read(context.text, context.settings.get("handoff_words", ()))
        return Handoff(CONTACT_ASKED) if wish is Wish.ASKED else NextSkill()


@dataclass(slots=True)
class Courtesy:
    """Returns a greeting, thanks and a farewell, so that they are no misses."""

    languages: Languages
    api_version: str = "1.0"
    name: str = "courtesy"
    priority: int = 200

    def handle(self, context: SkillContext) -> SkillResult:
        reply = self.languages.courtesy(context.locale, context.text)
        return Answer(reply, source=self.name) if reply is not None else NextSkill()


@dataclass(slots=True)
class Knowledge:
    """Answers from the knowledge base."""

    faq: Callable[[], Faq]
    now: Callable[[], datetime]
    api_version: str = "1.0"
    name: str = "knowledge"
    priority: int = 500

    def handle(self, context: SkillContext) -> SkillResult:
        limits = Limits(
            answer=context.settings["answer_threshold"], suggest=context.settings["suggest_threshold"]
        )
        return self.faq().answer(context.text, locale=context.locale, now=self.now(), limits=limits)


@dataclass(slots=True)
class PeopleMentioned:
    """A mere mention of people is a wish for one when no skill before had an answer."""

    wishes: Wishes
    api_version: str = "1.0"
    name: str = "people_mentioned"
    priority: int = 900

    def handle(self, context: SkillContext) -> SkillResult:
        wish = self.wishes.read(context.text, context.settings.get("handoff_words", ()))
        return Handoff(CONTACT_ASKED) if wish is not Wish.NONE else NextSkill()
