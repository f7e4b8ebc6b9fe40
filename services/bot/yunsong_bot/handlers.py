"""What the bot does with a contact's message."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from yunsong.bot.v1 import bot_pb2, events_pb2
from yunsong_bot import repository
from yunsong_bot.chain import Skills, States
from yunsong_bot.conversations import Conversations
from yunsong_bot.domain.dialogue import BOT_MISSED, Decision, Kind, decide
from yunsong_bot.domain.languages import Languages
from yunsong_bot.domain.skills import CONTACT_ASKED
from yunsong_bot.external import BYO_BOT, ExternalBot, ExternalBotFailed, Question
from yunsong_bot.library import Edition, Library
from yunsong_bot.repository import StoredDialogue
from yunsong_common.db import Database, Transaction
from yunsong_common.ids import is_uuid
from yunsong_common.telemetry import Metrics
from yunsong_plugin_api import Handoff, NextSkill, SkillContext, SkillResult

log = logging.getLogger(__name__)

_HISTORY = 20
_MAX_SUMMARY = 4000
PROTO_KINDS = {
    Kind.ANSWER: bot_pb2.ANSWER_KIND_ANSWER,
    Kind.SUGGEST: bot_pb2.ANSWER_KIND_SUGGEST,
    Kind.MISS: bot_pb2.ANSWER_KIND_MISS,
    Kind.HANDOFF: bot_pb2.ANSWER_KIND_HANDOFF,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A contact's message in a conversation that is the bot's. `text` is empty when it holds no words."""

    conversation_id: str
    message_id: str
    inbox_id: str
    channel: str
    rev: int
    text: str


@dataclass(frozen=True, slots=True)
class Bot:
    """Answers contacts.

    A message is decided once, in one transaction with its event; what was decided is then said. A delivery
    that is repeated, after a crash or by another replica, finds the decision and says the same under the
    same client id again, so the contact hears it once.
    """

    database: Database
    library: Library
    conversations: Conversations
    skills: Skills
    external: ExternalBot
    languages: Languages
    metrics: Metrics

    async def answer(self, asked: Asked) -> None:
        """Answers, offers, admits a miss or hands off."""
        async with self.database.read() as tx:
            known, decision = await repository.read_dialogue(tx, asked.conversation_id, asked.rev)
        await self._act(asked, decision or await self._decide(asked, known))

    async def _decide(self, asked: Asked, known: StoredDialogue) -> Decision:
        edition = self.library.current
        # Outside of the transaction: a slow skill must not hold a row.
        results, states = await self._ask(asked, edition, known)

        async def settle(tx: Transaction) -> Decision:
            locked = await repository.lock_dialogue(tx, asked.conversation_id)
            decision, after = decide(results, locked.dialogue, edition.limits)
            earlier = await repository.write_decision(tx, asked.conversation_id, asked.rev, decision)
            if earlier is not None:
                return earlier
            await repository.write_dialogue(tx, asked.conversation_id, StoredDialogue(after, states))
            tx.emit(await _handled(tx, asked, decision), rev=asked.rev)
            return decision

        decision = await self.database.run(settle)
        self.metrics.counter("yunsong_bot_decisions_total", decision.kind.value).inc()
        return decision

    async def _ask(
        self, asked: Asked, edition: Edition, known: StoredDialogue
    ) -> tuple[list[SkillResult], States]:
        if not asked.text.strip():
            return [NextSkill()], known.skill_states
        context = await self._context(asked, edition)
        settings = edition.settings
        if settings.external_bot_url:
            question = Question(asked.message_id, context, known.dialogue.misses)
            try:
                result = await self.external.ask(
                    settings.external_bot_url, settings.external_bot_secret, question
                )
            except ExternalBotFailed as error:
                log.warning("external bot failed", extra={"error": str(error)})
                result = Handoff(BYO_BOT)
            if edition.limits.settles(result):
                return [result], known.skill_states
        return await self.skills.ask(context, edition.limits, known.skill_states)

    async def _context(self, asked: Asked, edition: Edition) -> SkillContext:
        history = (
            await self.conversations.read_texts(asked.conversation_id, _HISTORY)
            if self.skills.need_history
            else []
        )
        return SkillContext(
            conversation_id=asked.conversation_id,
            inbox_id=asked.inbox_id,
            channel=asked.channel,
            locale=self.languages.pick(asked.text),
            text=asked.text,
            history=[(said.by, said.text) for said in history],
            settings=edition.skill_settings,
        )

    async def _act(self, asked: Asked, decision: Decision) -> None:
        locale = self.languages.pick(asked.text)
        text = decision.text or self.languages.sentence(locale, _sentence_for(asked, decision))
        heard = await self.conversations.say(asked.conversation_id, f"bot:{asked.message_id}", text, decision)
        if heard and decision.kind is Kind.HANDOFF:
            await self.conversations.hand_off(asked.conversation_id, decision, self._summary(asked, decision))

    def _summary(self, asked: Asked, decision: Decision) -> str:
        speak, locale = self.languages.sentence, self.languages.default
        named = decision.reason if decision.reason in {CONTACT_ASKED, BOT_MISSED, BYO_BOT} else "skill"
        reason = speak(locale, f"reason_{named}")
        summary = speak(locale, "summary", reason=reason, misses=decision.misses, question=asked.text)
        return summary[:_MAX_SUMMARY]


def _sentence_for(asked: Asked, decision: Decision) -> str:
    match decision.kind:
        case Kind.SUGGEST:
            return "offer"
        case Kind.HANDOFF:
            named = {CONTACT_ASKED: "handoff_asked", BOT_MISSED: "handoff_missed"}
            return named.get(decision.reason, "handoff_failed")
        case _:
            return "miss" if asked.text.strip() else "only_text"


async def _handled(tx: Transaction, asked: Asked, decision: Decision) -> events_pb2.QuestionHandled:
    event = events_pb2.QuestionHandled(
        conversation_id=asked.conversation_id,
        message_id=asked.message_id,
        kind=PROTO_KINDS[decision.kind],
        entry_id=decision.source if is_uuid(decision.source) else "",
        score=decision.score,
        misses=decision.misses,
        inbox_id=asked.inbox_id,
    )
    event.occurred_at.FromDatetime(await tx.now())
    return event
