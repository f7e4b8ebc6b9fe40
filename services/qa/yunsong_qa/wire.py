"""Between the contract's messages and the domain; no rules."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from google.protobuf import json_format, struct_pb2
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from yunsong.conversation.v1 import events_pb2 as conversation_events
from yunsong.conversation.v1 import message_pb2, model_pb2
from yunsong.qa.v1 import model_pb2 as qa
from yunsong_plugin_api import InspectedMessage
from yunsong_qa.domain.facts import Fact, FactKind
from yunsong_qa.domain.inspections import Alert, Inspection
from yunsong_qa.domain.rules import Rule, RuleHit, Speaker
from yunsong_qa.domain.scoring import Item, Scorecard

_AUTHORS: dict[int, Any] = {
    message_pb2.AUTHOR_KIND_CONTACT: "contact",
    message_pb2.AUTHOR_KIND_AGENT: "agent",
    message_pb2.AUTHOR_KIND_BOT: "bot",
    message_pb2.AUTHOR_KIND_SYSTEM: "system",
    message_pb2.AUTHOR_KIND_API: "api",
}
_BUILTIN_KINDS = ("phrase", "required_phrase", "response_time", "csat")
_LISTS = frozenset({"phrases", "patterns"})
_NO_NAMES: Mapping[str, str] = MappingProxyType({})


def at(time: Timestamp) -> dt.datetime:
    """A timestamp as a time in UTC."""
    return time.ToDatetime(dt.UTC)


def _timestamp(time: dt.datetime) -> Timestamp:
    proto = Timestamp()
    proto.FromDatetime(time)
    return proto


def created_fact(event: conversation_events.ConversationCreated, event_id: str) -> Fact:
    """The fact of a conversation that began."""
    return _fact(FactKind.CREATED, event.meta, event_id)


def message_fact(event: conversation_events.MessagePosted, event_id: str, text_length: int) -> Fact:
    """The fact of a message: who, when, what kind and how long, not what it says."""
    meta, message = event.meta, event.message
    return Fact(
        entity_id=meta.conversation_id,
        rev=meta.rev,
        event_id=event_id,
        kind=FactKind.MESSAGE,
        occurred_at=at(meta.occurred_at),
        state=meta.state,
        author=message.author.kind,
        author_id=message.author.id or None,
        internal=message.visibility != message_pb2.VISIBILITY_PUBLIC,
        message_id=message.id or None,
        content_kind=_content_kind(message.content),
        text_length=text_length,
        queue_id=meta.queue_id or None,
        agent_id=meta.assignee_id or None,
        inbox_id=meta.inbox_id or None,
        contact_id=meta.contact_id or None,
    )


def state_fact(event: conversation_events.StateChanged, event_id: str) -> Fact:
    """The fact of a move in the state machine."""
    return _fact(
        FactKind.STATE,
        event.meta,
        event_id,
        state=int(event.to_state),
        from_state=int(event.from_state),
        reason=event.reason,
        category=event.conversation.wrap_up_category_name,
        close_reason=int(event.conversation.close_reason),
    )


def rating_fact(event: conversation_events.ConversationRated, event_id: str) -> Fact:
    """The fact of a rating; the words stay with the conversation."""
    return _fact(FactKind.RATED, event.meta, event_id, value=float(event.score))


def _fact(kind: FactKind, meta: conversation_events.ChangeMeta, event_id: str, **values: Any) -> Fact:
    return Fact(
        **{
            "entity_id": meta.conversation_id,
            "rev": meta.rev,
            "event_id": event_id,
            "kind": kind,
            "occurred_at": at(meta.occurred_at),
            "state": int(meta.state),
            "author": int(meta.actor.kind),
            "author_id": meta.actor.id or None,
            "queue_id": meta.queue_id or None,
            "agent_id": meta.assignee_id or None,
            "inbox_id": meta.inbox_id or None,
            "contact_id": meta.contact_id or None,
            **values,
        }
    )


def inspected_message(message: message_pb2.Message) -> InspectedMessage:
    """A message as rules see it."""
    return InspectedMessage(
        id=message.id,
        rev=message.rev,
        author=_AUTHORS.get(message.author.kind, "system"),
        author_id=message.author.id,
        internal=message.visibility != message_pb2.VISIBILITY_PUBLIC,
        kind=message.content.WhichOneof("kind") or "",
        text=text_of(message.content),
        sent_at=at(message.created_at),
    )


def text_of(content: message_pb2.Content) -> str:
    """The words of a message, whatever its kind."""
    kind = content.WhichOneof("kind")
    if kind == "text":
        return content.text.text
    if kind == "buttons":
        return "\n".join([content.buttons.text, *(button.label for button in content.buttons.buttons)])
    if kind == "card":
        return f"{content.card.title}\n{content.card.description}"
    if kind == "location":
        return content.location.label
    if kind == "form":
        answers = json_format.MessageToDict(content.form.answers) if content.form.HasField("answers") else {}
        return "\n".join([content.form.title, *(str(answer) for answer in answers.values())])
    if kind in {"image", "file", "audio", "video"}:
        name: str = getattr(content, kind).name
        return name
    return ""


def _content_kind(content: message_pb2.Content) -> int:
    kind = content.WhichOneof("kind")
    return 0 if kind is None else content.DESCRIPTOR.fields_by_name[kind].number


def is_resolved(conversation: model_pb2.Conversation) -> bool:
    """Whether a conversation is closed."""
    return conversation.state == model_pb2.CONVERSATION_STATE_RESOLVED


def rule_from(proto: qa.Rule, rule_id: str) -> Rule:
    """A rule from the contract; a kind that is not set gives the kind ""."""
    kind: str = proto.WhichOneof("kind") or ""
    settings: dict[str, Any]
    if kind == "plugin":
        kind = proto.plugin.name
        settings = dict(json_format.MessageToDict(proto.plugin.config))
    elif kind:
        body: Message = getattr(proto, kind)
        settings = {
            field.name: list(value) if field.name in _LISTS else value
            for field in body.DESCRIPTOR.fields
            if (value := getattr(body, field.name))
        }
    else:
        settings = {}
    speaker = Speaker(proto.speaker) if proto.speaker else Speaker.AGENT
    return Rule(rule_id, proto.name, speaker, proto.live_alert, kind, settings)


def rule_to(rule: Rule, created_at: dt.datetime) -> qa.Rule:
    """A rule for the contract."""
    proto = qa.Rule(
        id=rule.id,
        name=rule.name,
        speaker=qa.RuleSpeaker.ValueType(rule.speaker),
        live_alert=rule.live_alert,
        created_at=_timestamp(created_at),
    )
    if rule.kind in _BUILTIN_KINDS:
        body = getattr(proto, rule.kind)
        body.SetInParent()
        for name, value in rule.settings.items():
            if name in _LISTS:
                getattr(body, name).extend(value)
            else:
                setattr(body, name, value)
    else:
        config = struct_pb2.Struct()
        config.update(dict(rule.settings))
        proto.plugin.CopyFrom(qa.PluginRule(name=rule.kind, config=config))
    return proto


def is_builtin(kind: str) -> bool:
    """Whether the contract has a message of its own for a kind of rule."""
    return kind in _BUILTIN_KINDS


def items_from(proto: qa.Scorecard) -> list[Item]:
    """A scorecard's items from the contract."""
    return [
        Item(item.title, item.rule_id, item.points, fatal=item.fatal, per_hit=item.per_hit)
        for item in proto.items
    ]


def scorecard_to(card: Scorecard) -> qa.Scorecard:
    """A scorecard for the contract."""
    return qa.Scorecard(
        id=card.id,
        name=card.name,
        items=[
            qa.ScorecardItem(
                title=item.title,
                rule_id=item.rule_id,
                points=item.points,
                fatal=item.fatal,
                per_hit=item.per_hit,
            )
            for item in card.items
        ],
        automatic=card.automatic,
        queue_ids=card.queue_ids,
        pass_score=card.pass_score,
        version=card.version,
    )


def hit_to(hit: RuleHit, *, item_title: str = "", points: int = 0, fatal: bool = False) -> qa.Hit:
    """A hit for the contract."""
    return qa.Hit(
        rule_id=hit.rule_id,
        rule_name=hit.rule_name,
        message_id=hit.message_id,
        rev=hit.rev,
        matched=hit.matched,
        item_title=item_title,
        points=points,
        fatal=fatal,
    )


def inspection_to(inspection: Inspection, names: Mapping[str, str] = _NO_NAMES) -> qa.Inspection:
    """An inspection for the contract; `names` are those of queues and agents by id."""
    return qa.Inspection(
        id=inspection.id,
        conversation_id=inspection.conversation_id,
        scorecard_id=inspection.scorecard_id,
        scorecard_name=inspection.scorecard_name,
        scorecard_version=inspection.scorecard_version,
        agent_id=inspection.agent_id or "",
        agent_name=names.get(inspection.agent_id or "", ""),
        queue_id=inspection.queue_id or "",
        queue_name=names.get(inspection.queue_id or "", ""),
        score=inspection.score,
        passed=inspection.passed,
        fatal=inspection.fatal,
        items=[
            qa.ItemResult(
                title=item.title,
                rule_id=item.rule_id,
                points_lost=item.points_lost,
                passed=item.passed,
                fatal=item.fatal,
            )
            for item in inspection.items
        ],
        hits=[
            hit_to(hit.hit, item_title=hit.item_title, points=hit.points, fatal=hit.fatal)
            for hit in inspection.hits
        ],
        created_at=_timestamp(inspection.created_at),
        revision=inspection.revision,
    )


def alert_to(alert: Alert, names: Mapping[str, str] = _NO_NAMES) -> qa.Alert:
    """An alert for the contract; `names` are those of queues and agents by id."""
    proto = qa.Alert(
        id=alert.id,
        conversation_id=alert.conversation_id,
        agent_id=alert.agent_id or "",
        agent_name=names.get(alert.agent_id or "", ""),
        queue_id=alert.queue_id or "",
        queue_name=names.get(alert.queue_id or "", ""),
        hit=hit_to(alert.hit),
        created_at=_timestamp(alert.created_at),
        acknowledged_by=alert.acknowledged_by or "",
    )
    if alert.acknowledged_at is not None:
        proto.acknowledged_at.FromDatetime(alert.acknowledged_at)
    return proto
