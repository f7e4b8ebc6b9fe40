"""Takes events in: facts, figures, what is to be inspected, live alerts. One transaction per batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from yunsong.qa.v1 import events_pb2
from yunsong_common.db import Database, Transaction
from yunsong_plugin_api import InspectedMessage
from yunsong_qa import wire
from yunsong_qa.domain.facts import CloseReason, Fact, FactKind, State
from yunsong_qa.domain.figures import Figures, advance, fold, is_late, ordinals
from yunsong_qa.handlers.alerting import Alerting
from yunsong_qa.repository import alerts, inspections
from yunsong_qa.repository import facts as repository
from yunsong_qa.rulebook import RulebookCache

# Nobody served these.
_NOT_INSPECTED = frozenset({CloseReason.SPAM, CloseReason.MERGED})


@dataclass(frozen=True, slots=True)
class Observed:
    """A fact, with the message behind it while it is in memory anyway."""

    fact: Fact
    message: InspectedMessage | None = None


class Recording:
    """Handles batches; replicas may work on the same conversations at once."""

    def __init__(
        self, rulebooks: RulebookCache, alerting: Alerting, wake_inspector: Callable[[], None]
    ) -> None:
        self._rulebooks = rulebooks
        self._alerting = alerting
        self._wake_inspector = wake_inspector

    async def record(self, tx: Transaction, observed: Sequence[Observed]) -> None:
        """Appends the facts, brings the figures of their conversations up to date, asks for inspections and raises alerts.

        A fact that is there already has no effect.
        """
        # The lock comes first: what an erasure has removed meanwhile must be seen as removed.
        figures = await repository.lock_figures(tx.raw, {o.fact.entity_id for o in observed if o.fact.rev})
        new_ids = await repository.insert(tx.raw, [o.fact for o in observed])
        new = [o for o in observed if o.fact.event_id in new_ids]
        by_conversation: dict[str, list[Fact]] = defaultdict(list)
        for one in new:
            if one.fact.rev:
                by_conversation[one.fact.entity_id].append(one.fact)
        if not by_conversation:
            return
        await _project(tx, figures, by_conversation)
        rulebook = await self._rulebooks.current(tx)
        due = _to_inspect(figures, by_conversation) if rulebook.automatic else {}
        if due:
            await inspections.request(tx.raw, due)
            self._wake_inspector()
        places = {
            message_id: place
            for conversation_id, facts in by_conversation.items()
            for message_id, place in ordinals(figures[conversation_id], facts).items()
        }
        await self._alerting.watch_batch(
            tx,
            rulebook,
            [(o.fact, o.message, places.get(o.message.id, 0) if o.message else 0) for o in new],
        )


async def _project(tx: Transaction, figures: dict[str, Figures], facts: Mapping[str, Sequence[Fact]]) -> None:
    late = [one for one, own in facts.items() if is_late(figures[one], own)]
    histories = await repository.history(tx.raw, late) if late else {}
    for conversation_id, own in facts.items():
        if conversation_id in histories:
            figures[conversation_id] = fold(conversation_id, histories[conversation_id])
        else:
            advance(figures[conversation_id], own)
    await repository.write_figures(tx.raw, [figures[one] for one in facts])


def _to_inspect(figures: Mapping[str, Figures], facts: Mapping[str, Sequence[Fact]]) -> dict[str, int]:
    """Conversations that an agent had and that were closed, or rated after closing."""
    return {
        conversation_id: figures[conversation_id].applied_rev
        for conversation_id, own in facts.items()
        if figures[conversation_id].state == State.RESOLVED
        and figures[conversation_id].agent_id
        and figures[conversation_id].close_reason not in _NOT_INSPECTED
        and any(_asks_for_inspection(fact) for fact in own)
    }


def _asks_for_inspection(fact: Fact) -> bool:
    closed = fact.kind == FactKind.STATE and fact.state == State.RESOLVED
    return closed or fact.kind == FactKind.RATED


async def erase(tx: Transaction, conversation_ids: Sequence[str]) -> None:
    """Forgets the conversations of a contact who was erased, and closes their alerts."""
    await repository.erase(tx.raw, conversation_ids)
    for alert in await alerts.close(tx.raw, conversation_ids, await tx.now()):
        tx.emit(events_pb2.AlertRaised(alert=wire.alert_to(alert)))


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did."""

    facts: int
    conversations: int


async def rebuild(database: Database, *, chunk: int = 500) -> Rebuilt:
    """Folds every conversation's figures from its facts again.

    Some hundred conversations are locked, folded and committed at a time, so reports and the recording of new events go on; running
    twice at once does no harm. Conversations whose facts were erased keep their figures.
    """
    facts, conversations, after = 0, 0, ""
    while True:
        async with database.read() as tx:
            ids = await repository.conversations_after(tx.raw, after, chunk)
        if not ids:
            return Rebuilt(facts, conversations)
        after = ids[-1]

        async def fold_again(tx: Transaction, ids: list[str] = ids) -> tuple[int, int]:
            await repository.lock_figures(tx.raw, ids)
            histories = await repository.history(tx.raw, ids)
            folded = [fold(one, own) for one, own in histories.items()]
            await repository.write_figures(tx.raw, folded)
            return sum(map(len, histories.values())), len(folded)

        read, written = await database.run(fold_again)
        facts += read
        conversations += written
