"""The codes that clients may rely on are those that the doors answer with."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from yunsong.gateway.v1 import gateway_pb2
from yunsong.router.v1 import router_pb2
from yunsong_common.errors import InvalidArgument
from yunsong_common.grpc.validation import validate
from yunsong_gateway.openapi.problem import CODES, PROBLEM, VIOLATIONS
from yunsong_gateway.problems import body_of

PACKAGES = (
    "yunsong_common",
    "yunsong_gateway",
    "yunsong_conversation",
    "yunsong_router",
    "yunsong_channel_adapter",
    "yunsong_bot",
    "yunsong_qa",
)


def texts() -> Iterator[str]:
    """Every text that the product's code holds, but for the list itself."""
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.submodule_search_locations
        for path in Path(spec.submodule_search_locations[0]).rglob("*.py"):
            if path.parts[-2:] == ("openapi", "problem.py"):
                continue
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def test_every_documented_code_is_one_that_the_product_uses() -> None:
    used = set(texts())
    assert not {*CODES, *VIOLATIONS} - used


def test_no_door_has_a_code_of_its_own_for_wrong_fields() -> None:
    others = {"INVALID_FIELDS", "MASK_INVALID", "UPDATE_MASK_INVALID", "UPDATE_MASK_UNKNOWN", "NAME_BLANK"}
    assert not others & set(texts())


def test_a_wrong_field_over_grpc_is_the_problem_of_the_document() -> None:
    with pytest.raises(InvalidArgument) as refused:
        validate(router_pb2.SetPresenceReasonsRequest(reasons=[router_pb2.PresenceReason()]))
    body = body_of(refused.value, "0" * 32)
    assert (body["status"], body["code"]) == (400, "INVALID_REQUEST")
    assert {one["field"] for one in body["violations"]} == {"reasons[0].name", "reasons[0].state"}
    assert {one["reason"] for one in body["violations"]} <= VIOLATIONS.keys()
    with pytest.raises(InvalidArgument, match="INVALID_REQUEST"):
        validate(gateway_pb2.UpdateBusinessRequest(time_zone="Moon/Crater"))


def test_the_document_lists_the_codes() -> None:
    described = PROBLEM["properties"]["code"]["description"]
    assert all(f"`{code}`" in described for code in CODES)
