"""The domain's numbers are the contract's, and what goes through the wire comes back."""

from __future__ import annotations

import datetime as dt

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct

from yunsong.conversation.v1 import message_pb2
from yunsong.conversation.v1 import model_pb2 as conversation
from yunsong.qa.v1 import model_pb2 as qa
from yunsong_common.errors import InvalidArgument
from yunsong_common.ids import new_id
from yunsong_qa import wire
from yunsong_qa.domain.facts import Author, CloseReason, State
from yunsong_qa.domain.rules import Speaker
from yunsong_qa.grpc_api import paging
from yunsong_qa.handlers.masks import merged
from yunsong_qa.repository.reports import Grouping

NOW = dt.datetime(2026, 1, 5, 9, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("ours", "theirs", "prefix"),
    [
        (Author, message_pb2.AuthorKind, "AUTHOR_KIND_"),
        (State, conversation.ConversationState, "CONVERSATION_STATE_"),
        (CloseReason, conversation.CloseReason, "CLOSE_REASON_"),
        (Speaker, qa.RuleSpeaker, "RULE_SPEAKER_"),
        (Grouping, qa.ReportGrouping, "REPORT_GROUPING_"),
    ],
)
def test_numbers_are_those_of_the_contract(ours: type, theirs: object, prefix: str) -> None:
    numbers = dict(theirs.items())  # type: ignore[attr-defined]
    named = {f"{prefix}{member.name}": int(member) for member in ours if member}  # type: ignore[attr-defined]

    assert named == {name: number for name, number in numbers.items() if number}


@pytest.mark.parametrize(
    "proto",
    [
        qa.Rule(
            name="a",
            speaker=qa.RULE_SPEAKER_ANY,
            phrase=qa.PhraseRule(phrases=["x"], patterns=["y"], within_first=3),
        ),
        qa.Rule(name="a", speaker=qa.RULE_SPEAKER_AGENT, required_phrase=qa.PhraseRule(phrases=["x"])),
        qa.Rule(name="a", speaker=qa.RULE_SPEAKER_CONTACT, live_alert=True, csat=qa.CsatRule(at_most=2)),
        qa.Rule(name="a", speaker=qa.RULE_SPEAKER_BOT, response_time=qa.ResponseTimeRule(next_response_s=9)),
    ],
)
def test_a_rule_survives_the_way_in_and_out(proto: qa.Rule) -> None:
    out = wire.rule_to(wire.rule_from(proto, ""), NOW)
    out.ClearField("created_at")

    assert out == proto


def test_a_plugins_configuration_is_its_own() -> None:
    config = Struct()
    config.update({"phrases": "not ours", "level": 3})
    rule = wire.rule_from(qa.Rule(name="a", plugin=qa.PluginRule(name="acme", config=config)), "")

    assert (rule.kind, rule.speaker, dict(rule.settings)) == (
        "acme",
        Speaker.AGENT,
        {"phrases": "not ours", "level": 3},
    )
    assert wire.rule_to(rule, NOW).plugin.config == config


def test_the_words_of_every_kind_of_message_are_read() -> None:
    content = message_pb2.Content
    buttons = message_pb2.ButtonsContent(text="choose", buttons=[message_pb2.Button(label="this")])
    card = message_pb2.CardContent(title="title", description="below")

    assert wire.text_of(content(text=message_pb2.TextContent(text="hi"))) == "hi"
    assert wire.text_of(content(buttons=buttons)) == "choose\nthis"
    assert wire.text_of(content(card=card)) == "title\nbelow"
    assert wire.text_of(content(file=message_pb2.FileContent(name="a.pdf"))) == "a.pdf"
    assert wire.text_of(content()) == ""


def test_a_mask_replaces_what_it_names_and_nothing_else() -> None:
    held = qa.Rule(name="a", live_alert=True, phrase=qa.PhraseRule(phrases=["x", "y"], within_first=2))
    new = qa.Rule(name="b", phrase=qa.PhraseRule(phrases=["z"]))

    phrases = merged(held, new, FieldMask(paths=["phrase.phrases"]))
    assert (phrases.name, list(phrases.phrase.phrases), phrases.phrase.within_first) == ("a", ["z"], 2)
    whole = merged(held, new, FieldMask(paths=["phrase", "live_alert"]))
    assert (whole.name, whole.live_alert, whole.phrase.within_first) == ("a", False, 0)
    other = merged(held, qa.Rule(csat=qa.CsatRule(at_most=1)), FieldMask(paths=["csat"]))
    assert other.WhichOneof("kind") == "csat"


@pytest.mark.parametrize(
    "path", ["id", "created_at", "nothing", "phrase.nothing", "name.x", "phrase.phrases.x", ""]
)
def test_a_mask_cannot_name_what_cannot_change(path: str) -> None:
    with pytest.raises(InvalidArgument, match="INVALID_REQUEST"):
        merged(qa.Rule(name="a"), qa.Rule(id="x"), FieldMask(paths=[path]))


def test_page_tokens_come_back_and_others_are_refused() -> None:
    row_id = new_id()

    assert paging.place(paging.token(NOW, row_id)) == (NOW, row_id)
    assert paging.place("") is None
    for wrong in ("x", "!!!!", "W10", paging.token(NOW, "no id")):
        with pytest.raises(InvalidArgument, match="PAGE_TOKEN_INVALID"):
            paging.place(wrong)
