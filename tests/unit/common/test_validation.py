"""Field rules give every violation at once, by path."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import struct_pb2

from tests.unit.common.contract import message
from yunsong_common.errors import InvalidArgument
from yunsong_common.grpc import clear_output_only, validate, violations_of

Queue: Any = message("Queue")
Update: Any = message("UpdateRequest")
Formats: Any = message("Formats")
ID = "01890a5d-ac96-774b-bcce-b302099a8057"


def good(**changes: Any) -> Any:
    return Queue(**{"name": "sales", "color": 1, "tags": ["a"], **changes})


def found(value: Any) -> list[tuple[str, str]]:
    return [(item.field, item.reason) for item in violations_of(value)]


def test_a_right_message_passes() -> None:
    validate(
        good(
            priority=5,
            limit=1,
            skills=[{"name": "fr", "level": 3}],
            code="ab1",
            rate=0.5,
            time_zone="Asia/Shanghai",
        )
    )


def test_every_violation_is_given_at_once_with_its_path() -> None:
    wrong = good(
        name="toolong",
        priority=100,
        limit=0,
        skills=[{"name": "", "level": 9}, {"name": "fr"}],
        color=7,
        code="AB",
        rate=0.75,
        tags=["a", "long"],
        parent=good(name="x"),
        time_zone="Mars/Olympus",
    )
    assert found(wrong) == [
        ("name", "TOO_LONG"),
        ("priority", "TOO_LARGE"),
        ("limit", "TOO_SMALL"),
        ("skills[0].name", "REQUIRED"),
        ("skills[0].level", "TOO_LARGE"),
        ("skills[1].level", "TOO_SMALL"),
        ("color", "UNKNOWN_VALUE"),
        ("code", "PATTERN"),
        ("rate", "TOO_LARGE"),
        ("tags[1]", "TOO_LONG"),
        ("parent.name", "TOO_SHORT"),
        ("time_zone", "FORMAT"),
    ]
    with pytest.raises(InvalidArgument) as refused:
        validate(wrong)
    assert refused.value.reason == "INVALID_REQUEST"
    assert len(refused.value.violations) == 12


def test_what_must_be_set_is_named() -> None:
    assert found(Queue()) == [("name", "REQUIRED"), ("color", "REQUIRED"), ("tags", "TOO_FEW")]
    assert found(Update()) == [("queue", "REQUIRED")]


def test_lengths_count_characters_and_not_bytes() -> None:
    assert found(good(name="转人工客服组")) == []
    assert found(good(name="转人工客服组吗")) == [("name", "TOO_LONG")]


def test_a_list_that_is_too_long_is_not_looked_into() -> None:
    assert found(good(skills=[{}] * 50_000)) == [("skills", "TOO_MANY")]


def test_a_number_without_presence_may_be_left_out() -> None:
    assert found(good(priority=0)) == []


def test_what_only_the_server_sets_is_not_checked_and_can_be_cleared() -> None:
    queue = good(id="not a uuid", parent=good(id="neither"))
    assert found(queue) == []
    clear_output_only(queue)
    assert queue.id == ""
    assert queue.parent.id == ""
    assert queue.parent.name == "sales"


def test_an_update_is_checked_only_where_its_mask_says() -> None:
    update = Update(queue=Queue(priority=100, name="toolong"))
    update.update_mask.paths.append("priority")
    assert found(update) == [("queue.priority", "TOO_LARGE")]
    update.update_mask.paths.append("tags")
    assert found(update) == [("queue.priority", "TOO_LARGE"), ("queue.tags", "TOO_FEW")]


def test_an_entry_is_never_the_empty_text() -> None:
    assert found(good(agent_ids=[ID, ""])) == [("agent_ids[1]", "FORMAT")]


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("priority", True),
        ("parent.name", True),
        ("extra.anything", True),
        ("id", False),  # only the server sets it
        ("parent.id", False),
        ("y", False),
        ("parent.y", False),
        ("name.y", False),
        ("skills.name", False),
        ("*", False),
        ("", False),
    ],
)
def test_a_mask_names_what_can_be_changed(path: str, right: bool) -> None:
    update = Update(queue=Queue(priority=5, tags=["a"], parent=good()))
    update.update_mask.paths.append(path)
    assert [item for item in found(update) if item[0] == "update_mask"] == (
        [] if right else [("update_mask", "UNKNOWN_FIELD")]
    )


def test_endless_nesting_is_refused() -> None:
    queue = good()
    for _ in range(60):
        queue = good(parent=queue)
    assert found(queue)[-1][1] == "TOO_DEEP"


def test_messages_without_rules_cost_nothing() -> None:
    assert violations_of(struct_pb2.Struct()) == []


@pytest.mark.parametrize(
    ("field", "right", "wrong"),
    [
        ("uuid", [ID], [ID.upper(), "x", ID[:-1], "{" + ID + "}"]),
        (
            "email",
            ["a@b.cn", "a.b+c@x.y.example"],
            ["a", "a@b", "@b.cn", "a b@c.cn", "a@b.cn\n", "a@" + "b" * 260 + ".cn"],
        ),
        (
            "url",
            ["https://x.example/p?q=1", "http://127.0.0.1:80"],
            ["ftp://x", "//x", "https://", "https://a b", "http://x:99999"],
        ),
        ("time_zone", ["Asia/Shanghai", "UTC"], ["Asia/shanghai", "+08:00"]),
        ("locale", ["zh-CN", "en", "zh-Hans-CN"], ["zh_CN", "z", "-en"]),
        ("date", ["2026-02-28"], ["2026-02-30", "20260228", "2026-2-8"]),
        ("time_of_day", ["00:00", "23:59", "24:00"], ["24:01", "9:00", "12:60", "12:00:00"]),
        ("color", ["#00ffAA"], ["00ffAA", "#0fa", "#gggggg"]),
        ("slug", ["a", "wechat_oa", "a.b-c9"], ["A", "9a", "a b", "a\n"]),
    ],
)
def test_formats(field: str, right: list[str], wrong: list[str]) -> None:
    for text in right:
        assert found(Formats(**{field: text})) == [], text
    for text in wrong:
        assert found(Formats(**{field: text})) == [(field, "FORMAT")], text
