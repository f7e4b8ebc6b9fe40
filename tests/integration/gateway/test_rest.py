"""REST over whatever services there are: routes, every violation at once, documents, errors, and what is passed on raw."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
from jsonschema import Draft202012Validator

from tests.integration.gateway.conftest import Door, bearer
from tests.integration.gateway.fakes import ORIGIN
from tests.integration.gateway.throwaway import ThrowAway, compile_proto
from tests.support.polling import eventually
from yunsong_common.ids import new_id

GARDEN = """
syntax = "proto3";
package garden.v1;
import "google/api/annotations.proto";
import "google/protobuf/timestamp.proto";
import "yunsong/options/v1/options.proto";

// Looks after trees.
service TreeService {
  // Plants a tree. Errors: ALREADY_EXISTS / TREE_THERE.
  rpc PlantTree(PlantTreeRequest) returns (Tree) {
    option (google.api.http) = {
      post: "/api/v1/trees"
      body: "tree"
      additional_bindings { post: "/api/v1/gardens/{garden}/trees" body: "tree" }
    };
    option (yunsong.options.v1.access) = {staff: true};
  }
  // Only services may.
  rpc Prune(PlantTreeRequest) returns (Tree) {
    option (google.api.http) = {post: "/api/v1/trees:prune" body: "*"};
    option (yunsong.options.v1.access) = {services: ["router"]};
  }
  %s
}

// One tree.
message Tree {
  // Assigned by the server.
  string id = 1 [(yunsong.options.v1.field) = {output_only: true}];
  // What it is called.
  string name = 2 [(yunsong.options.v1.field) = {required: true, max_length: 5}];
  // Metres, 1 to 100.
  uint32 height = 3 [(yunsong.options.v1.field) = {min: 1, max: 100}];
  // What it is.
  Kind kind = 4;
  // When.
  google.protobuf.Timestamp planted_at = 5;
  // A secret.
  string secret = 6 [(yunsong.options.v1.field) = {secret: true}];
}

// Kinds of trees.
enum Kind {
  // Not set.
  KIND_UNSPECIFIED = 0;
  // Evergreen.
  KIND_PINE_TREE = 1;
}

message PlantTreeRequest {
  // The tree.
  Tree tree = 1 [(yunsong.options.v1.field) = {required: true}];
  // Where.
  string garden = 2;
  // With whom.
  repeated string helpers = 3;
}
"""
FELL = """
  // Fells a tree.
  rpc FellTree(FellTreeRequest) returns (Tree) {
    option (google.api.http) = {delete: "/api/v1/trees/{id}"};
    option (yunsong.options.v1.access) = {staff: true};
  }
"""
FELL_MESSAGE = """
message FellTreeRequest {
  // Which.
  string id = 1;
}
"""


def plant(request: Any, response_type: Any) -> Any:
    tree = response_type()
    tree.CopyFrom(request.tree)
    tree.id = f"{request.garden}/{','.join(request.helpers)}"
    return tree


async def test_a_service_joins_and_changes_while_the_door_is_open(door: Door, tmp_path: Path) -> None:
    staff = await door.staff()
    assert (await door.http.post("/api/v1/trees", json={}, headers=staff)).status_code == 404
    first = ThrowAway(
        compile_proto(tmp_path / "1", "garden.proto", GARDEN % ""),
        {"garden.v1.TreeService.PlantTree": plant, "garden.v1.TreeService.Prune": plant},
    )
    await first.server.start()
    door.upstreams_file.write_text(json.dumps({"garden": f"127.0.0.1:{first.port}"}))

    async def planted() -> httpx.Response | None:
        answer = await door.http.post(
            "/api/v1/gardens/north/trees?helpers=Li&helpers=Wang",
            json={
                "name": "松",
                "kind": "pine_tree",
                "height": 3,
                "secret": "s",
                "planted_at": "2026-01-01T08:00:00+08:00",
            },
            headers=staff,
        )
        return answer if answer.status_code == 200 else None

    answer = await eventually(planted, what="the new service")
    assert answer.json() == {
        "id": "north/Li,Wang",
        "name": "松",
        "height": 3,
        "kind": "pine_tree",
        "planted_at": "2026-01-01T00:00:00Z",
    }
    assert "x-yunsong-principal" in first.metadata[-1]
    assert "traceparent" in first.metadata[-1]

    wrong = await door.http.post(
        "/api/v1/trees?colour=green",
        json={"name": "too long", "height": 101, "kind": "oak", "planted_at": "yesterday", "leaves": 1},
        headers=staff,
    )
    assert wrong.status_code == 400
    assert wrong.headers["content-type"] == "application/problem+json"
    body = wrong.json()
    assert body["code"] == "INVALID_REQUEST"
    assert len(body["trace_id"]) == 32
    found = {(one["field"], one["reason"]) for one in body["violations"]}
    assert found == {
        ("colour", "UNKNOWN_FIELD"),
        ("tree.name", "TOO_LONG"),
        ("tree.height", "TOO_LARGE"),
        ("tree.kind", "ENUM"),
        ("tree.planted_at", "FORMAT"),
        ("tree.leaves", "UNKNOWN_FIELD"),
    }
    assert (await door.http.post("/api/v1/trees:prune", json={}, headers=staff)).status_code == 404
    assert (await door.http.post("/api/v1/trees", json={"name": "a"})).status_code == 401

    document = (await door.http.get("/openapi.json")).json()
    operation = document["paths"]["/api/v1/trees"]["post"]
    assert operation["summary"] == "Plants a tree"
    assert operation["responses"]["409"]["x-codes"] == ["TREE_THERE"]
    assert document["components"]["schemas"]["TreeInput"]["properties"]["height"]["maximum"] == 100
    assert "Evergreen" in document["components"]["schemas"]["Kind"]["description"]

    # The same address, a new contract: the connection breaks and comes back.
    port = first.port
    await first.server.stop(0)
    second = ThrowAway(
        compile_proto(tmp_path / "2", "garden.proto", GARDEN % FELL + FELL_MESSAGE),
        {"garden.v1.TreeService.PlantTree": plant, "garden.v1.TreeService.FellTree": lambda r, t: t(id=r.id)},
        port,
    )
    await second.server.start()

    async def felled() -> bool:
        gone = await door.http.delete("/api/v1/trees/a%2Fb", headers=staff)
        return gone.status_code == 200 and gone.json()["id"] == "a/b"

    await eventually(felled, what="the redeployed service")
    door.upstreams_file.write_text("{}")

    async def left() -> bool:
        return (await door.http.delete("/api/v1/trees/a", headers=staff)).status_code == 404

    await eventually(left, what="the removed service")
    await second.server.stop(0)


async def test_an_absent_service_is_503_and_not_404(door: Door, tmp_path: Path) -> None:
    staff = await door.staff()
    garden = ThrowAway(
        compile_proto(tmp_path, "garden.proto", GARDEN % ""), {"garden.v1.TreeService.PlantTree": plant}
    )
    await garden.server.start()
    door.upstreams_file.write_text(json.dumps({"garden": f"127.0.0.1:{garden.port}"}))

    async def status() -> int:
        return (
            await door.http.post("/api/v1/trees", json={"name": "a", "height": 1}, headers=staff)
        ).status_code

    async def works() -> bool:
        return await status() == 200

    await eventually(works)
    await garden.server.stop(0)
    answer = await door.http.post("/api/v1/trees", json={"name": "a", "height": 1}, headers=staff)
    assert answer.status_code == 503
    assert answer.json()["code"] == "SERVICE_UNAVAILABLE"
    assert answer.headers["retry-after"] == "1"


async def test_errors_of_a_service_come_through(door: Door) -> None:
    staff = await door.staff()
    answer = await door.http.get(f"/api/v1/conversations/{new_id()}", headers=staff)
    assert answer.status_code == 404
    assert answer.json()["code"] == "CONVERSATION_UNKNOWN"
    assert answer.json()["detail"] == "There is no such conversation."


async def test_head_is_get_without_the_body(door: Door) -> None:
    admin = await door.staff()
    got = await door.http.get("/api/v1/roles", headers=admin)
    asked = await door.http.head("/api/v1/roles", headers=admin)
    assert (asked.status_code, asked.content) == (200, b"")
    for name in ("content-length", "content-type", "cache-control"):
        assert asked.headers[name] == got.headers[name]
    assert (await door.http.head("/api/v1/roles")).status_code == 401
    assert (await door.http.head(f"/api/v1/users/{new_id()}", headers=admin)).status_code == 404
    refused = await door.http.head("/api/v1/me:change_password", headers=admin)
    assert refused.status_code == 405
    refused = await door.http.put("/api/v1/roles", headers=admin)
    assert refused.headers["allow"] == "GET, HEAD"


async def test_wrong_requests(door: Door) -> None:
    staff = await door.staff()
    get, post = door.http.get, door.http.post
    assert (await get("/api/v1/nothing", headers=staff)).json()["code"] == "ROUTE_UNKNOWN"
    not_allowed = await door.http.put("/api/v1/conversations", headers=staff)
    assert not_allowed.status_code == 405
    assert not_allowed.headers["allow"] == "GET, HEAD, POST"
    assert (
        await post("/api/v1/sessions", content=b"{", headers={"content-type": "application/json"})
    ).status_code == 400
    assert (
        await post("/api/v1/sessions", content=b"a=b", headers={"content-type": "text/plain"})
    ).status_code == 415
    huge = await post(
        "/api/v1/sessions", content=b" " * 2_000_000, headers={"content-type": "application/json"}
    )
    assert huge.status_code == 413
    bad_path = await get("/api/v1/conversations/%FF", headers=staff)
    assert bad_path.status_code == 400
    assert (await get("/api/v1/conversations", headers=bearer("nonsense"))).status_code == 401
    nul = await post("/api/v1/sessions", json={"username": "a\x00", "password": "b"})
    assert nul.json()["violations"][0]["reason"] == "INVALID_CHARACTER"


async def test_the_documents_are_valid(door: Door) -> None:
    document = (await door.http.get("/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    references = {
        part for part in json.dumps(document).split('"') if part.startswith("#/components/schemas/")
    }
    for reference in references:
        assert reference.rpartition("/")[2] in document["components"]["schemas"], reference
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids))
    sign_in = document["paths"]["/api/v1/sessions"]["post"]
    assert sign_in["security"] == [{}]
    assert document["paths"]["/api/v1/users"]["get"]["x-permission"] == "user.read"
    sockets = (await door.http.get("/asyncapi.json")).json()
    assert sockets["asyncapi"] == "3.0.0"
    assert set(sockets["components"]["messages"]) >= {
        "send",
        "subscribe",
        "ack",
        "error",
        "event",
        "heartbeat",
    }


async def test_pages_of_allowed_origins_may_call(door: Door) -> None:
    preflight = await door.http.options(
        "/api/v1/contact/sessions", headers={"origin": ORIGIN, "access-control-request-method": "POST"}
    )
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    for path, origin in (("/api/v1/contact/sessions", "https://evil.example"), ("/api/v1/users", ORIGIN)):
        refused = await door.http.options(path, headers={"origin": origin})
        assert "access-control-allow-origin" not in refused.headers
    session = await door.http.post(
        "/api/v1/contact/sessions", json={"inbox_key": "web_test"}, headers={"origin": "https://evil.example"}
    )
    assert session.json()["code"] == "ORIGIN_REFUSED"


async def test_security_headers_and_the_plain_page(door: Door) -> None:
    page = await door.http.get("/")
    assert page.status_code == 200
    assert "/openapi.json" in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    for answer in (page, await door.http.get("/api/v1/me")):
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert (await door.http.get("/api/v1/me")).headers["cache-control"] == "no-store"
    assert (await door.http.get("/etc/passwd")).status_code == 404


async def test_a_channels_webhook_is_passed_on_raw(door: Door) -> None:
    answer = await door.http.request(
        "PUT",
        "/api/v1/channel_webhooks/key1/sub/path?a=%2F&b",
        content=b"<xml>\x00\xff</xml>",
        headers={"x-signature": "abc", "content-type": "text/xml"},
    )
    assert (answer.status_code, answer.content) == (202, b"<ok/>")
    assert answer.headers["content-type"] == "text/xml"
    passed = door.channel.webhooks[0]
    assert (passed.inbox_key, passed.method, passed.sub_path, passed.query) == (
        "key1",
        "PUT",
        "sub/path",
        "a=%2F&b",
    )
    assert passed.body == b"<xml>\x00\xff</xml>"
    assert ("x-signature", "abc") in [(header.name, header.value) for header in passed.headers]


PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de") + b"\x00" * 20


async def test_files_are_sniffed_bounded_and_signed(door: Door) -> None:
    contact = bearer((await door.contact())["access_token"])
    stored = await door.http.post(
        "/api/v1/files", files={"file": ("../照片.exe", PNG, "text/html")}, headers=contact
    )
    assert stored.status_code == 200, stored.text
    file = stored.json()
    assert (file["media_type"], file["name"], file["size"]) == ("image/png", "照片.exe", len(PNG))
    content = await door.http.get(file["url"])
    assert content.content == PNG
    assert content.headers["content-disposition"].startswith("inline")
    assert "sandbox" in content.headers["content-security-policy"]
    described = await door.http.get(f"/api/v1/files/{file['id']}", headers=contact)
    assert described.json()["sha256"] == file["sha256"]
    forged = file["url"].replace("signature=", "signature=0")
    assert (await door.http.get(forged)).json()["code"] == "FILE_LINK_INVALID"
    other = bearer((await door.contact())["access_token"])
    assert (await door.http.get(f"/api/v1/files/{file['id']}", headers=other)).status_code == 404
    page = await door.http.post("/api/v1/files?name=a.html", content=b"<html></html>", headers=contact)
    download = await door.http.get(page.json()["url"])
    assert download.headers["content-disposition"].startswith("attachment")
    program = await door.http.post("/api/v1/files?name=a.png", content=b"MZ" + b"\x00" * 100, headers=contact)
    assert program.json()["code"] == "FILE_TYPE_REFUSED"
    too_large = await door.http.post(
        "/api/v1/files?name=a", content=b"a" * (21 * 1024 * 1024), headers=contact
    )
    assert too_large.status_code == 413
    assert (await door.http.post("/api/v1/files", content=b"a")).status_code == 401


async def test_simultaneous_requests(door: Door) -> None:
    staff = await door.staff()
    answers = await asyncio.gather(*(door.http.get("/api/v1/me", headers=staff) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
