"""Paths to operations, and requests to messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.gateway.contracts import learned
from yunsong_common.errors import InvalidArgument
from yunsong_gateway.openapi.document import build
from yunsong_gateway.transcoding.binding import Binding, bindings_of
from yunsong_gateway.transcoding.catalogue import Routes
from yunsong_gateway.transcoding.decode import Decoders
from yunsong_gateway.transcoding.encode import Encoders
from yunsong_gateway.transcoding.template import RouteTable, Template


@pytest.fixture(scope="module")
def bindings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Binding]:
    contract = learned(Path(tmp_path_factory.mktemp("proto")))
    made = bindings_of("things", contract, Decoders(contract.contract), Encoders(contract.contract))
    return {binding.method.name: binding for binding in made}


def test_the_most_literal_route_wins() -> None:
    table: RouteTable[str] = RouteTable()
    for text in ("/a/{id}", "/a/me", "/a/{id}:close", "/a/{id}/b", "/files/{path=**}", "/{name=x/*}/y"):
        table.add("GET", Template.parse(text), text)

    def found(path: str) -> str | None:
        return table.find(path[1:].split("/")).get("GET")

    assert found("/a/me") == "/a/me"
    assert found("/a/1") == "/a/{id}"
    assert found("/a/1:close") == "/a/{id}:close"
    assert found("/a/1:open") == "/a/{id}"
    assert found("/a/me/b") == "/a/{id}/b"
    assert found("/files/b/c/d") == "/files/{path=**}"
    assert found("/x/1/y") == "/{name=x/*}/y"
    assert found("/a/") is None
    assert found("/a") is None


def test_variables_are_decoded_after_the_path_is_split() -> None:
    close = Template.parse("/a/{id}:close")
    assert close.values(["a", "b%2Fc%3Ad:close"]) == {"id": "b/c:d"}
    rest = Template.parse("/files/{path=**}")
    assert rest.values(["files", "a", "b"]) == {"path": "a/b"}
    with pytest.raises(UnicodeDecodeError):
        close.values(["a", "%FF:close"])


@pytest.mark.parametrize("text", ["a", "/a/{b", "/a//b", "/{x=**}/y"])
def test_what_is_no_template(text: str) -> None:
    with pytest.raises(ValueError, match="template"):
        Template.parse(text)


def test_a_patch_without_a_mask_changes_what_it_holds(bindings: dict[str, Binding]) -> None:
    request: Any = bindings["UpdateThing"].request(
        ["api", "v1", "things", "t1"], [], {"thing": {"small": 1, "note": None}}, True
    )
    assert request.thing_id == "t1"
    assert list(request.update_mask.paths) == ["small", "note"]
    assert request.thing.small == 1


def test_a_mask_is_about_a_field_that_shares_the_last_words(bindings: dict[str, Binding]) -> None:
    update = bindings["UpdateThingLook"]
    request: Any = update.request(["api", "v1", "look"], [], {"look": {"name": "ab"}}, True)
    assert list(request.update_mask.paths) == ["name"]
    request = update.request(["api", "v1", "look"], [], {"look": {"parts": []}, "update_mask": "parts"}, True)
    assert list(request.update_mask.paths) == ["parts"]


def test_a_mask_says_what_is_required(bindings: dict[str, Binding]) -> None:
    update = bindings["UpdateThing"]
    parts = ["api", "v1", "things", "t1"]
    with pytest.raises(InvalidArgument) as refused:
        update.request(parts, [], {"thing": {"small": 1}, "update_mask": "small,name"}, True)
    assert [one.field for one in refused.value.violations] == ["thing.name"]
    with pytest.raises(InvalidArgument) as refused:
        update.request(parts, [], {"thing": {"name": "ab"}, "update_mask": "name,id,colour"}, True)
    assert [one.description for one in refused.value.violations] == [
        "names 'id', which cannot be changed",
        "names 'colour', which cannot be changed",
    ]
    with pytest.raises(InvalidArgument):
        update.request(parts, [], None, False)


def test_path_body_and_query_meet_in_one_message(bindings: dict[str, Binding]) -> None:
    close = bindings["CloseThing"]
    request: Any = close.request(
        ["api", "v1", "things", "t1:close"], [("after_s", "5")], {"name": "ab"}, True
    )
    assert (request.thing.id, request.thing.name, request.after_s) == ("t1", "ab", 5)
    with pytest.raises(InvalidArgument) as refused:
        close.request(["api", "v1", "things", "t1:close"], [("thing.name", "x"), ("after_s", "-1")], {}, True)
    assert {(one.field, one.reason) for one in refused.value.violations} == {
        ("thing.name", "UNKNOWN_FIELD"),
        ("thing.name", "REQUIRED"),
        ("after_s", "TOO_SMALL"),
    }


def test_query_parameters_repeat_and_nest(bindings: dict[str, Binding]) -> None:
    find = bindings["FindThings"]
    query = [
        ("page_size", "3"),
        ("kinds", "round_one"),
        ("kinds", "unspecified"),
        ("like.name", "abc"),
        ("all", "true"),
    ]
    request: Any = find.request(["api", "v1", "things"], query, None, False)
    assert (request.page_size, list(request.kinds), request.like.name, request.all) == (
        3,
        [1, 0],
        "abc",
        True,
    )
    with pytest.raises(InvalidArgument) as refused:
        find.request(["api", "v1", "things"], [("page_size", "x"), ("like", "y"), ("all", "1")], None, False)
    assert {one.field for one in refused.value.violations} == {"page_size", "like", "all"}


def test_openapi_tells_bounds_errors_and_rights(bindings: dict[str, Binding]) -> None:
    document = build(Routes(RouteTable(), tuple(bindings.values()), 1), "1")
    update = document["paths"]["/api/v1/things/{thing_id}"]["patch"]
    assert update["x-permission"] == "thing.write"
    assert update["security"] == [{"staff": []}, {"api_key": []}]
    assert update["description"] == "Changes a thing."
    assert update["responses"]["404"]["x-codes"] == ["THING_UNKNOWN", "THING_GONE"]
    assert update["responses"]["409"]["x-codes"] == ["NAME_TAKEN"]
    schemas = document["components"]["schemas"]
    assert schemas["ThingInput"]["required"] == ["name"]
    assert schemas["ThingInput"]["properties"]["tags"]["maxItems"] == 2
    assert "id" not in schemas["ThingInput"]["properties"]
    assert "secret" not in schemas["Thing"]["properties"]
    assert "small" in schemas["Thing"]["required"]
    assert schemas["ThingKind"]["enum"] == ["unspecified", "round_one"]
    names = [parameter["name"] for parameter in document["paths"]["/api/v1/things"]["get"]["parameters"]]
    assert names == ["page_size", "kinds", "like.name", "all"]
