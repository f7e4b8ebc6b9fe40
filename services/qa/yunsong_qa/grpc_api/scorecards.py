"""Rules and scorecards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from yunsong.qa.v1 import model_pb2, qa_pb2, qa_pb2_grpc
from yunsong_common.db import Database, Transaction
from yunsong_common.errors import FailedPrecondition, InvalidArgument, NotFound, Violation
from yunsong_common.ids import new_id
from yunsong_qa import wire
from yunsong_qa.domain import rules, scoring
from yunsong_qa.domain.rules import Rule
from yunsong_qa.domain.scoring import Scorecard
from yunsong_qa.handlers.inspecting import Inspector
from yunsong_qa.handlers.masks import merged
from yunsong_qa.repository import rules as repository
from yunsong_qa.rulebook import RulebookCache


class ScorecardServicer(qa_pb2_grpc.ScorecardServiceServicer):
    """Every change raises the rulebook's version, which replicas see with their next batch."""

    def __init__(self, database: Database, rulebooks: RulebookCache, inspector: Inspector) -> None:
        self._database = database
        self._rulebooks = rulebooks
        self._inspector = inspector

    async def ListRules(self, request: qa_pb2.ListRulesRequest, context: Any) -> qa_pb2.ListRulesResponse:
        del request, context
        async with self._database.read() as tx:
            found = await repository.all_rules(tx.raw)
        return qa_pb2.ListRulesResponse(rules=[wire.rule_to(rule, created_at) for rule, created_at in found])

    async def CreateRule(self, request: qa_pb2.CreateRuleRequest, context: Any) -> model_pb2.Rule:
        del context
        rule = self._checked(request.rule, new_id())

        async def create(tx: Transaction) -> model_pb2.Rule:
            await repository.begin_change(tx.raw)
            return wire.rule_to(rule, await repository.put_rule(tx.raw, rule, await tx.now()))

        return await self._database.run(create)

    async def UpdateRule(self, request: qa_pb2.UpdateRuleRequest, context: Any) -> model_pb2.Rule:
        del context

        async def update(tx: Transaction) -> model_pb2.Rule:
            await repository.begin_change(tx.raw)
            held, created_at = await repository.rule(tx.raw, request.rule_id)
            rule = self._checked(
                merged(wire.rule_to(held, created_at), request.rule, request.update_mask), request.rule_id
            )
            return wire.rule_to(rule, await repository.put_rule(tx.raw, rule, await tx.now()))

        return await self._database.run(update)

    async def DeleteRule(self, request: qa_pb2.DeleteRuleRequest, context: Any) -> qa_pb2.DeleteRuleResponse:
        del context

        async def delete(tx: Transaction) -> None:
            await repository.begin_change(tx.raw)
            held, _ = await repository.rule(tx.raw, request.rule_id)
            users = await repository.scorecards_using(tx.raw, request.rule_id)
            if users:
                raise FailedPrecondition(
                    reason="RULE_IN_USE",
                    message=f"the rule {held.name!r} is used by: {', '.join(users)}; take it out of them first",
                )
            await repository.delete_rule(tx.raw, request.rule_id)

        await self._database.run(delete)
        return qa_pb2.DeleteRuleResponse()

    async def TryRule(self, request: qa_pb2.TryRuleRequest, context: Any) -> qa_pb2.TryRuleResponse:
        del context
        rule = self._checked(request.rule, request.rule.id)
        hits = await self._inspector.try_rule(rule, request.conversation_id)
        return qa_pb2.TryRuleResponse(hits=[wire.hit_to(hit) for hit in hits])

    async def ListScorecards(
        self, request: qa_pb2.ListScorecardsRequest, context: Any
    ) -> qa_pb2.ListScorecardsResponse:
        del request, context
        async with self._database.read() as tx:
            cards = await repository.all_scorecards(tx.raw)
        return qa_pb2.ListScorecardsResponse(scorecards=[wire.scorecard_to(card) for card in cards])

    async def CreateScorecard(
        self, request: qa_pb2.CreateScorecardRequest, context: Any
    ) -> model_pb2.Scorecard:
        del context
        card = _card(request.scorecard, new_id(), version=1)

        async def create(tx: Transaction) -> None:
            await repository.begin_change(tx.raw)
            await _require_rules(tx, card)
            await repository.put_scorecard(tx.raw, card)

        await self._database.run(create)
        return wire.scorecard_to(card)

    async def UpdateScorecard(
        self, request: qa_pb2.UpdateScorecardRequest, context: Any
    ) -> model_pb2.Scorecard:
        del context

        async def update(tx: Transaction) -> Scorecard:
            await repository.begin_change(tx.raw)
            held = await repository.scorecard(tx.raw, request.scorecard_id)
            proto = merged(wire.scorecard_to(held), request.scorecard, request.update_mask)
            card = _card(proto, held.id, version=held.version + 1)
            await _require_rules(tx, card)
            await repository.put_scorecard(tx.raw, card)
            return card

        return wire.scorecard_to(await self._database.run(update))

    async def DeleteScorecard(
        self, request: qa_pb2.DeleteScorecardRequest, context: Any
    ) -> qa_pb2.DeleteScorecardResponse:
        del context

        async def delete(tx: Transaction) -> None:
            await repository.begin_change(tx.raw)
            if not await repository.delete_scorecard(tx.raw, request.scorecard_id):
                raise NotFound(
                    reason="SCORECARD_UNKNOWN", message=f"there is no scorecard {request.scorecard_id}"
                )

        await self._database.run(delete)
        return qa_pb2.DeleteScorecardResponse()

    def _checked(self, proto: model_pb2.Rule, rule_id: str) -> Rule:
        kind = proto.WhichOneof("kind") or ""
        if not kind:
            kinds = ", ".join(field.name for field in proto.DESCRIPTOR.oneofs_by_name["kind"].fields)
            raise _invalid("RULE_INVALID", [("rule", f"must say what it looks for: one of {kinds}")])
        if kind == "plugin" and wire.is_builtin(proto.plugin.name):
            raise _invalid(
                "RULE_INVALID",
                [("rule.plugin.name", f"{proto.plugin.name!r} is a kind of its own, not a plugin")],
            )
        rule = wire.rule_from(proto, rule_id)
        problems = rules.problems_of(rule, self._rulebooks.kinds)
        if problems:
            raise _invalid(
                "RULE_INVALID",
                [
                    (f"rule.{field}" if field == "live_alert" else f"rule.{kind}.{field}", problem)
                    for field, problem in problems
                ],
            )
        return rule


def _card(proto: model_pb2.Scorecard, card_id: str, *, version: int) -> Scorecard:
    items = wire.items_from(proto)
    problems = scoring.problems_of(items)
    if problems:
        raise _invalid("SCORECARD_INVALID", [(f"scorecard.{field}", problem) for field, problem in problems])
    return Scorecard(
        id=card_id,
        name=proto.name,
        items=items,
        automatic=proto.automatic,
        queue_ids=list(dict.fromkeys(proto.queue_ids)),
        pass_score=proto.pass_score or scoring.PASS_SCORE,
        version=version,
    )


async def _require_rules(tx: Transaction, card: Scorecard) -> None:
    known = {rule.id for rule, _ in await repository.all_rules(tx.raw)}
    for index, item in enumerate(card.items):
        if item.rule_id not in known:
            raise NotFound(
                reason="RULE_UNKNOWN",
                message=f"there is no rule {item.rule_id}",
                violations=[Violation(f"scorecard.items[{index}].rule_id", "names no rule", "RULE_UNKNOWN")],
            )


def _invalid(reason: str, problems: Sequence[tuple[str, str]]) -> InvalidArgument:
    field, problem = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return InvalidArgument(
        reason=reason,
        message=f"{field}: {problem}{more}",
        violations=[Violation(field, problem, reason) for field, problem in problems],
    )
