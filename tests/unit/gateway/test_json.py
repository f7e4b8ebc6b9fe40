"""JSON in and out over descriptors that no code was generated for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import orjson
import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.gateway.contracts import learned, message
from yunsong_gateway.transcoding.decode import MAX_VIOLATIONS, Decoders
from yunsong_gateway.transcoding.encode import Encoders
from yunsong_gateway.transcoding.reflection import Learned


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Learned:
    return learned(Path(tmp_path_factory.mktemp("proto")))


def decode(contract: Learned, value: Any, name: str = "Thing") -> tuple[Any, list[tuple[str, str]]]:
    made = message(contract, name)
    violations = Decoders(contract.contract).decode(made, value)
    return made, [(one.field, one.reason) for one in violations]


def test_every_violation_at_once(contract: Learned) -> None:
    _, violations = decode(
        contract,
        {
            "id": "ignored: the server sets it",
            "name": "x",
            "kind": "THING_KIND_ROUND_ONE",
            "small": 6,
            "large": -1,
            "ratio": "1",
            "single": 1e300,
            "flag": "true",
            "data": "!",
            "tags": ["ok", "NO", 3],
            "counts": {"a": -1, "b": "1"},
            "part": {"name": "four"},
            "parts": [{}, {"name": "ok", "parts": [{"name": ""}]}],
            "at": "2026-02-30T00:00:00Z",
            "lasts": "1 s",
            "extra": [],
            "circle": "a",
            "square": {"name": "b"},
            "maybe": 1,
            "email": "a@",
            "colour": "red",
        },
    )
    assert set(violations) == {
        ("name", "TOO_SHORT"),
        ("kind", "ENUM"),
        ("small", "TOO_LARGE"),
        ("large", "TOO_SMALL"),
        ("ratio", "TYPE"),
        ("single", "TOO_LARGE"),
        ("flag", "TYPE"),
        ("data", "FORMAT"),
        ("tags", "TOO_MANY"),
        ("counts.a", "TOO_SMALL"),
        ("counts.b", "TYPE"),
        ("part.name", "TOO_LONG"),
        ("parts[0].name", "REQUIRED"),
        ("parts[1].parts[0].name", "REQUIRED"),
        ("at", "FORMAT"),
        ("lasts", "FORMAT"),
        ("extra", "TYPE"),
        ("square", "ONEOF"),
        ("maybe", "TYPE"),
        ("email", "FORMAT"),
        ("colour", "UNKNOWN_FIELD"),
    }


def test_entries_with_answers_of_their_own_keep_what_breaks_a_rule(contract: Learned) -> None:
    given = {"parts": [{"name": "four", "parts": [{}]}, {}, {"name": 4}]}
    made, violations = decode(contract, given, "ImportPartsRequest")
    assert violations == [("parts[2].name", "TYPE")]
    assert [part.name for part in made.parts] == ["four", "", ""]


def test_an_entry_is_never_the_empty_text(contract: Learned) -> None:
    assert decode(contract, {"name": "ab", "tags": [""]})[1] == [("tags[0]", "PATTERN")]


def test_what_is_written_is_read_again(contract: Learned) -> None:
    value = {
        "name": "松树",
        "kind": "round_one",
        "small": -5,
        "large": 2**53 - 1,
        "ratio": 0.1,
        "single": 0.5,
        "flag": True,
        "data": "AAE=",
        "tags": ["a", "b"],
        "counts": {"x": 1},
        "part": {"name": "p", "parts": [{"name": "q", "parts": []}]},
        "parts": [],
        "at": "2026-01-31T09:30:00.123456789Z",
        "lasts": "-1.500s",
        "extra": {"a": [1, 2.5, None, True, {"b": "c"}]},
        "note": "",
        "square": {"name": "s", "parts": []},
        "maybe": False,
        "email": "a@b.example",
    }
    made, violations = decode(contract, {**value, "secret": "hidden"})
    assert violations == []
    assert Encoders(contract.contract).encode(made) == {"id": "", **value}
    assert made.secret == "hidden"


def test_an_empty_answer_has_its_whole_shape(contract: Learned) -> None:
    assert Encoders(contract.contract).encode(message(contract, "Thing")) == {
        "id": "",
        "name": "",
        "kind": "unspecified",
        "small": 0,
        "large": 0,
        "ratio": 0.0,
        "single": 0.0,
        "flag": False,
        "data": "",
        "tags": [],
        "counts": {},
        "part": None,
        "parts": [],
        "at": None,
        "lasts": None,
        "extra": None,
        "note": None,
        "maybe": None,
        "email": "",
    }


@pytest.mark.parametrize(
    ("text", "seconds", "nanos"),
    [
        ("1970-01-01T00:00:00Z", 0, 0),
        ("1970-01-01T08:00:00+08:00", 0, 0),
        ("1969-12-31T23:59:59.9Z", -1, 900_000_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800, 0),
        ("9999-12-31T23:59:59.999999999Z", 253_402_300_799, 999_999_999),
    ],
)
def test_times(contract: Learned, text: str, seconds: int, nanos: int) -> None:
    made, violations = decode(contract, {"name": "ab", "at": text})
    assert violations == []
    assert (made.at.seconds, made.at.nanos) == (seconds, nanos)
    assert Encoders(contract.contract).encode(made)["at"] == json_format.MessageToDict(made)["at"]


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00Z",
        "0001-01-01T00:00:00+08:00",
        "٢٠٢٦-01-01T00:00:00Z",
    ],
)
def test_what_is_no_time(contract: Learned, text: str) -> None:
    assert decode(contract, {"name": "ab", "at": text})[1] == [("at", "FORMAT")]


def test_depth_and_number_of_violations_are_bounded(contract: Learned) -> None:
    part: dict[str, Any] = {"name": "a"}
    for _ in range(50):
        part = {"name": "a", "parts": [part]}
    assert ("TOO_DEEP") in {reason for _, reason in decode(contract, {"name": "ab", "part": part})[1]}
    many = {f"unknown_{number}": 1 for number in range(1000)}
    assert len(decode(contract, many)[1]) == MAX_VIOLATIONS


@pytest.mark.parametrize("value", [None, [], "text", 1, True])
def test_what_is_no_object(contract: Learned, value: Any) -> None:
    assert decode(contract, value)[1] == [("", "TYPE")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
FIELDS = st.sampled_from(
    [
        "id",
        "name",
        "kind",
        "small",
        "large",
        "ratio",
        "single",
        "flag",
        "data",
        "tags",
        "counts",
        "part",
        "parts",
        "at",
        "lasts",
        "extra",
        "note",
        "circle",
        "square",
        "maybe",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(FIELDS, JSON, max_size=8))
def test_any_json_gives_violations_or_a_message(contract: Learned, value: dict[str, Any]) -> None:
    made, violations = decode(contract, value)
    if not violations:
        encoded = Encoders(contract.contract).encode(made)
        orjson.dumps(encoded)
        assert not math.isnan(encoded["ratio"])
    made.SerializeToString()
