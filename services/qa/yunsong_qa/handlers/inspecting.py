"""Inspects conversations: at once when they close, again when a rating comes later or a person asks for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from yunsong.qa.v1 import events_pb2
from yunsong_common.clock import Clock
from yunsong_common.db import Database, Transaction
from yunsong_common.errors import FailedPrecondition, NotFound, Unavailable
from yunsong_common.ids import new_id
from yunsong_common.telemetry import Metrics
from yunsong_plugin_api import InspectedConversation, PluginRunner
from yunsong_qa import wire
from yunsong_qa.conversations import Conversations, Transcript
from yunsong_qa.domain.figures import Figures
from yunsong_qa.domain.inspections import Alert, Inspection
from yunsong_qa.domain.rules import Rule, RuleHit, evaluate
from yunsong_qa.domain.scoring import Scorecard, score
from yunsong_qa.repository import alerts, facts
from yunsong_qa.repository import inspections as repository
from yunsong_qa.rulebook import Rulebook, RulebookCache

LOG = logging.getLogger(__name__)

_AT_ONCE = 8
_LEASE_S = 60.0
# One rule on one conversation.
_RULE_S = 2.0
# After a wake-up the transaction that caused it is about to commit: look again soon, then leave it to the slow poll.
_LOOKS = (0.02, 0.05, 0.1, 0.3, 1.0)
_POLL_S = 10.0


class Inspector:
    """Works off the inspections that are due; replicas share them."""

    def __init__(
        self,
        database: Database,
        conversations: Conversations,
        rulebooks: RulebookCache,
        runner: PluginRunner,
        clock: Clock,
        metrics: Metrics | None = None,
    ) -> None:
        self._metrics = metrics
        self._database = database
        self._conversations = conversations
        self._rulebooks = rulebooks
        self._runner = runner
        self._clock = clock
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Says that an inspection is, or is about to be, due."""
        self._woken.set()

    async def run(self) -> None:
        """Works until cancelled."""
        while True:
            woken = self._woken.is_set()
            self._woken.clear()
            if not await self.work() and not (woken and await self._look_again()):
                await self._rest()

    async def work(self) -> int:
        """Does what is due, at most some at once; returns how many."""
        jobs = await self._database.run(lambda tx: repository.claim(tx.raw, _AT_ONCE, _LEASE_S))
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(self._do(job))
        return len(jobs)

    async def inspect(self, conversation_id: str, scorecard_id: str) -> Inspection:
        """Inspects a closed conversation with one scorecard, now.

        Raises FailedPrecondition / CONVERSATION_OPEN, NotFound / CONVERSATION_UNKNOWN or SCORECARD_UNKNOWN.
        """
        transcript = await self._conversations.read(conversation_id)
        if not wire.is_resolved(transcript.conversation):
            raise FailedPrecondition(
                reason="CONVERSATION_OPEN",
                message="the conversation is still open; it can be inspected once it is closed",
            )
        async with self._database.read() as tx:
            rulebook = await self._rulebooks.current(tx)
        card = next((card for card in rulebook.scorecards if card.id == scorecard_id), None)
        if card is None:
            raise NotFound(reason="SCORECARD_UNKNOWN", message=f"there is no scorecard {scorecard_id}")
        inspection = (await self._measure(transcript, rulebook, [card]))[0]
        stored = await self._database.run(lambda tx: _store(tx, inspection))
        if stored is None:
            raise NotFound(
                reason="CONVERSATION_UNKNOWN",
                message="the conversation was erased or has changed; read it again",
            )
        return stored

    async def try_rule(self, rule: Rule, conversation_id: str) -> list[RuleHit]:
        """What a rule would find in a conversation, open or closed."""
        transcript = await self._conversations.read(conversation_id)
        async with self._database.read() as tx:
            figures = await facts.figures_of(tx.raw, conversation_id)
        return await self._hits(rule, _inspected(transcript, figures), ())

    async def _do(self, job: repository.Job) -> None:
        try:
            await self._inspect_automatically(job)
        except NotFound:
            # Erased meanwhile; there is nothing to inspect.
            await self._database.run(lambda tx: repository.finish(tx.raw, job))
        except Exception as error:  # whatever is wrong with one conversation, the others go on
            pause_s = min(2.0**job.attempts, 600.0)
            if not isinstance(error, Unavailable):
                LOG.exception(
                    "inspecting conversation %s failed; next try in %.0f s", job.conversation_id, pause_s
                )
            message = f"{type(error).__name__}: {error}"
            await self._database.run(lambda tx: repository.put_back(tx.raw, job, message, pause_s))

    async def _inspect_automatically(self, job: repository.Job) -> None:
        async with self._database.read() as tx:
            rulebook = await self._rulebooks.current(tx)
        inspections: list[Inspection] = []
        if rulebook.automatic:
            transcript = await self._conversations.read(job.conversation_id)
            cards = [card for card in rulebook.automatic if card.concerns(transcript.conversation.queue_id)]
            # One that was opened again is inspected when it closes again.
            if cards and wire.is_resolved(transcript.conversation):
                inspections = await self._measure(transcript, rulebook, cards)

        async def store(tx: Transaction) -> None:
            for inspection in inspections:
                await _store(tx, inspection)
            await repository.finish(tx.raw, job)

        await self._database.run(store)
        self._count(inspections)

    def _count(self, inspections: Sequence[Inspection]) -> None:
        if self._metrics is None:
            return
        for inspection in inspections:
            outcome = "fatal" if inspection.fatal else "passed" if inspection.passed else "failed"
            self._metrics.counter("yunsong_qa_inspections_total", outcome).inc()
            self._metrics.histogram("yunsong_qa_inspection_score").observe(inspection.score)

    async def _measure(
        self, transcript: Transcript, rulebook: Rulebook, cards: Sequence[Scorecard]
    ) -> list[Inspection]:
        conversation = transcript.conversation
        async with self._database.read() as tx:
            figures = await facts.figures_of(tx.raw, conversation.id)
            raised = await alerts.of_conversation(tx.raw, conversation.id)
            now = await tx.now()
        inspected = _inspected(transcript, figures)
        rule_ids = dict.fromkeys(item.rule_id for card in cards for item in card.items)
        hits: Mapping[str, list[RuleHit]] = {
            rule_id: await self._hits(rulebook.rules[rule_id], inspected, raised)
            for rule_id in rule_ids
            if rule_id in rulebook.rules
        }
        results = [(card, score(card, hits)) for card in cards]
        return [
            Inspection(
                id=new_id(),
                conversation_id=conversation.id,
                scorecard_id=card.id,
                scorecard_name=card.name,
                scorecard_version=card.version,
                agent_id=conversation.assignee_id or conversation.last_assignee_id or None,
                queue_id=conversation.queue_id or None,
                score=result.score,
                passed=result.passed,
                fatal=result.fatal,
                items=result.items,
                hits=result.hits,
                source_rev=conversation.rev,
                revision=1,
                created_at=now,
            )
            for card, result in results
        ]

    async def _hits(
        self, rule: Rule, inspected: InspectedConversation, raised: Sequence[Alert]
    ) -> list[RuleHit]:
        plugin = self._rulebooks.kinds.get(rule.kind)
        if plugin is None:
            raise FailedPrecondition(
                reason="PLUGIN_MISSING",
                message=f"the rule {rule.name!r} needs the inspection rule {rule.kind!r}",
            )
        hits = await self._runner.run(_RULE_S, evaluate, rule, plugin, inspected)
        if rule.kind != "phrase":
            return hits
        # What was said and then taken back or edited was said all the same; the alert remembers it.
        seen = {hit.message_id for hit in hits}
        remembered = [a.hit for a in raised if a.hit.rule_id == rule.id and a.hit.message_id not in seen]
        return sorted([*hits, *remembered], key=lambda hit: hit.rev)

    async def _look_again(self) -> bool:
        for pause_s in _LOOKS:
            await self._clock.sleep(pause_s)
            if await self.work():
                return True
        return False

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(_POLL_S):
                await self._woken.wait()
        except TimeoutError:
            return


async def _store(tx: Transaction, inspection: Inspection) -> Inspection | None:
    kept = await repository.put(tx.raw, inspection)
    if kept is None:
        return None
    stored = await repository.get(tx.raw, kept[0])
    tx.emit(events_pb2.InspectionCompleted(inspection=wire.inspection_to(stored)), rev=stored.revision)
    return stored


def _inspected(transcript: Transcript, figures: Figures | None) -> InspectedConversation:
    conversation = transcript.conversation
    closed_at = wire.at(conversation.resolved_at) if conversation.HasField("resolved_at") else None
    return InspectedConversation(
        id=conversation.id,
        channel=conversation.channel,
        queue_id=conversation.queue_id,
        agent_ids=list(conversation.participant_ids),
        messages=[wire.inspected_message(message) for message in transcript.messages],
        opened_at=wire.at(conversation.created_at),
        closed_at=closed_at,
        csat=conversation.csat_score or None,
        figures=_times(figures),
    )


def _times(figures: Figures | None) -> dict[str, float]:
    if figures is None:
        return {}
    times = {"frt_s": figures.first_response_s, "wait_s": figures.wait_s, "aht_s": figures.handling_s}
    if figures.first_reply_at is None and figures.first_assigned_at and figures.resolved_at:
        # An agent had it and never answered.
        start = figures.first_queued_at or figures.first_assigned_at
        times["unanswered_s"] = (figures.resolved_at - start).total_seconds()
    return {name: value for name, value in times.items() if value is not None}
