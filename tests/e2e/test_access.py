"""Every operation called as everybody: no door is open that the contract does not open, and none is closed that it opens.

What the contract says is read here from its options anew, so that a mistake in the code that enforces it shows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
import httpx
import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tests.e2e.contract import Operation, operations
from tests.load.client import Api, text_content, visitor_id
from tests.load.scene import Scene
from tests.support.product import Product
from yunsong.auth.v1 import principal_pb2
from yunsong_common.grpc import sign
from yunsong_common.ids import new_id
from yunsong_standalone.catalogue import SERVICES
from yunsong_standalone.contract import all_permissions

pytestmark = pytest.mark.timeout(240)

OPERATIONS = list(operations())
_REFUSALS = frozenset(
    (
        "SIGN_IN_REQUIRED",
        "PERMISSION_MISSING",
        "CALLER_NOT_ALLOWED",
        "PRINCIPAL_INVALID",
        "PRINCIPAL_MISSING",
        "PRINCIPAL_EXPIRED",
        "ACCESS_DENIED",
    )
)
_AT_ONCE = 16


@dataclass(frozen=True)
class Caller:
    """Somebody with a signed principal, and whether the contract lets them in."""

    name: str
    kind: principal_pb2.ActorKind.ValueType
    permissions: frozenset[str] = field(default=frozenset())
    service: str = ""

    def may(self, operation: Operation) -> bool:
        access = operation.access
        if access.anonymous:
            return True
        if self.kind == principal_pb2.ACTOR_KIND_STAFF:
            return access.staff or access.permission in self.permissions
        if self.kind == principal_pb2.ACTOR_KIND_API_KEY:
            return access.permission in self.permissions
        if self.kind == principal_pb2.ACTOR_KIND_CONTACT:
            return access.contact
        if self.kind == principal_pb2.ACTOR_KIND_SERVICE:
            return self.service in access.services
        return False

    def principal(self) -> principal_pb2.Principal:
        return principal_pb2.Principal(
            kind=self.kind,
            actor_id=self.service or new_id(),
            display_name=self.name,
            permissions=sorted(self.permissions),
            inbox_id=new_id() if self.kind == principal_pb2.ACTOR_KIND_CONTACT else "",
            caller=self.service or "gateway",
            session_id=new_id(),
        )


def callers(roles: dict[str, frozenset[str]]) -> list[Caller]:
    """Nobody, a contact, every service, every role, and for each permission those who hold it alone or all others."""
    everything = frozenset(all_permissions())
    staff, key = principal_pb2.ACTOR_KIND_STAFF, principal_pb2.ACTOR_KIND_API_KEY
    return [
        Caller("nobody", principal_pb2.ACTOR_KIND_ANONYMOUS),
        Caller("a contact", principal_pb2.ACTOR_KIND_CONTACT),
        Caller("staff without rights", staff),
        Caller("a key without rights", key),
        Caller("a key with all rights", key, everything),
        *(Caller(f"the role {name}", staff, held) for name, held in roles.items()),
        *(
            Caller(f"the service {entry.name}", principal_pb2.ACTOR_KIND_SERVICE, service=entry.name)
            for entry in SERVICES
        ),
    ]


async def built_in_roles(product: Product) -> dict[str, frozenset[str]]:
    admin = Api(product.url, product.api_key)
    try:
        roles = (await admin.call("GET", "/api/v1/roles"))["roles"]
    finally:
        await admin.close()
    return {role["name"]: frozenset(role["permissions"]) for role in roles}


@asynccontextmanager
async def channels(product: Product) -> AsyncIterator[dict[str, grpc.aio.Channel]]:
    ports = product.running["grpc_ports"]
    opened = {entry.name: grpc.aio.insecure_channel(f"127.0.0.1:{ports[entry.name]}") for entry in SERVICES}
    try:
        yield opened
    finally:
        for channel in opened.values():
            await channel.close()


async def reason_of(channel: grpc.aio.Channel, operation: Operation, token: str | None) -> str:
    """Calls with an empty request; the reason of the refusal, or "" when it was not refused for who calls."""
    call: grpc.aio.UnaryUnaryMultiCallable[Message, bytes] = channel.unary_unary(
        operation.path,
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=lambda raw: raw,
    )
    metadata = () if token is None else (("x-yunsong-principal", token),)
    request = GetMessageClass(operation.method.input_type)()
    try:
        await call(request, metadata=metadata, timeout=20)
    except grpc.aio.AioRpcError as error:
        refusal = error
    else:
        return ""
    faults = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL}
    assert refusal.code() not in faults, f"{operation.name}: {refusal}"
    found = _reason(refusal)
    return found if found in _REFUSALS else ""


def _reason(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    for detail in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return info.reason
    return ""


async def test_every_operation_as_every_caller(shared_product: Product) -> None:
    product = shared_product
    who = callers(await built_in_roles(product))
    key = product.secret("release_key")
    wrong: list[str] = []
    async with channels(product) as opened:
        limit = asyncio.Semaphore(_AT_ONCE)

        async def call(operation: Operation, caller: Caller, token: str) -> None:
            async with limit:
                refused = await reason_of(opened[operation.service], operation, token)
            if bool(refused) == caller.may(operation):
                wrong.append(f"{caller.name} -> {operation.name}: {refused or 'let in'}")

        await asyncio.gather(
            *(
                call(operation, caller, token)
                for caller in who
                for token in [sign(caller.principal(), key)]
                for operation in OPERATIONS
            )
        )
    assert not wrong, "\n".join(wrong)


async def test_each_permission_opens_what_names_it_and_nothing_else(shared_product: Product) -> None:
    product = shared_product
    key = product.secret("release_key")
    everything = frozenset(all_permissions())
    wrong: list[str] = []
    async with channels(product) as opened:
        limit = asyncio.Semaphore(_AT_ONCE)

        async def call(operation: Operation, caller: Caller) -> None:
            async with limit:
                refused = await reason_of(opened[operation.service], operation, sign(caller.principal(), key))
            if bool(refused) == caller.may(operation):
                wrong.append(f"{caller.name} -> {operation.name}: {refused or 'let in'}")

        named = [operation for operation in OPERATIONS if operation.access.permission]
        staff = principal_pb2.ACTOR_KIND_STAFF
        await asyncio.gather(
            *(
                call(operation, caller)
                for operation in named
                for needed in [operation.access.permission]
                for caller in (
                    Caller(f"only {needed}", staff, frozenset((needed,))),
                    Caller(f"all but {needed}", staff, everything - {needed}),
                )
            )
        )
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("forgery", ["none", "garbage", "another key", "old", "not itself"])
async def test_nobody_gets_in_without_a_true_signature(shared_product: Product, forgery: str) -> None:
    key = shared_product.secret("release_key")
    admin = Caller("admin", principal_pb2.ACTOR_KIND_STAFF, frozenset(all_permissions())).principal()
    router = Caller("router", principal_pb2.ACTOR_KIND_SERVICE, service="router").principal()
    router.caller = "gateway"
    token = {
        "none": None,
        "garbage": "x.y",
        "another key": sign(admin, "k" * 32),
        "old": sign(admin, key, now=time.time() - 120),
        "not itself": sign(router, key),
    }[forgery]
    async with channels(shared_product) as opened:
        got_in = [
            operation.name
            for operation in OPERATIONS
            if not await reason_of(opened[operation.service], operation, token)
            and not (operation.access.anonymous and forgery == "not itself")
        ]
    assert not got_in, got_in


# Ends the session that calls it.
_LAST = frozenset(("SignOut",))


@pytest.mark.parametrize(
    "who", ["nobody", "contact", "agent", "supervisor", "inspector", "key without scopes"]
)
async def test_every_route_as_every_caller(shared_product: Product, who: str) -> None:
    product = shared_product
    token = await _token(product, who)
    roles = await built_in_roles(product)
    kinds = {
        "nobody": principal_pb2.ACTOR_KIND_ANONYMOUS,
        "contact": principal_pb2.ACTOR_KIND_CONTACT,
        "key without scopes": principal_pb2.ACTOR_KIND_API_KEY,
    }
    held = roles.get(who, frozenset({"label.read"} if who == "key without scopes" else ()))
    caller = Caller(who, kinds.get(who, principal_pb2.ACTOR_KIND_STAFF), held)
    wrong: list[str] = []
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(base_url=product.url, headers=headers, timeout=30) as client:
        for operation in sorted(OPERATIONS, key=lambda one: one.method.name in _LAST):
            if not operation.verb:
                continue
            verb, path = operation.verb, operation.route()
            answer = await client.request(verb, path, json=None if verb in {"GET", "DELETE"} else {})
            code = answer.json().get("code", "") if answer.is_error else ""
            if answer.status_code >= 500:
                wrong.append(f"{operation.name}: {answer.status_code} {answer.text[:300]}")
            elif (code in _REFUSALS or answer.status_code == 401) == caller.may(operation):
                wrong.append(f"{verb} {path} {operation.name}: {answer.status_code} {code}")
    assert not wrong, "\n".join(wrong)


async def _token(product: Product, who: str) -> str:
    if who == "nobody":
        return ""
    admin = Api(product.url, product.api_key)
    try:
        if who == "contact":
            return (await _contact(admin, await Scene.set_up(admin, agents=1, name="access")))[0]
        if who == "key without scopes":
            made = await admin.call(
                "POST", "/api/v1/api_keys", {"name": f"key {new_id()}", "permissions": ["label.read"]}
            )
            return str(made["key"])
        username, password = f"access-{new_id()[-8:]}", new_id()
        user = {"username": username, "display_name": who, "roles": [who], "enabled": True}
        await admin.call("POST", "/api/v1/users", {"user": user, "password": password})
        signed_in = await admin.sign_in(username, password)
        await signed_in.close()
        return signed_in.token
    finally:
        await admin.close()


async def _contact(admin: Api, scene: Scene) -> tuple[str, str]:
    """A contact's token and the conversation that it began."""
    session = await admin.call(
        "POST", "/api/v1/contact/sessions", {"inbox_key": scene.inbox_key, "visitor_id": visitor_id()}
    )
    own = Api(admin.url, session["access_token"])
    sent = await own.call(
        "POST", "/api/v1/contact/messages", {"client_id": new_id(), "content": text_content("my secret")}
    )
    await own.close()
    return str(session["access_token"]), str(sent["conversation_id"])


async def test_a_contact_reaches_no_conversation_of_another(shared_product: Product) -> None:
    admin = Api(shared_product.url, shared_product.api_key)
    scene = await Scene.set_up(admin, agents=1, name="foreign")
    _, foreign = await _contact(admin, scene)
    token, own = await _contact(admin, scene)
    await admin.close()
    headers = {"authorization": f"Bearer {token}"}
    wrong: list[str] = []
    async with httpx.AsyncClient(base_url=shared_product.url, headers=headers, timeout=30) as client:
        for operation in OPERATIONS:
            if not operation.access.contact or "{conversation_id}" not in operation.template:
                continue
            verb, path = operation.verb, operation.route(conversation_id=foreign)
            body = {"through_public_rev": 1, "score": 5}
            names = {field.name for field in operation.method.input_type.fields}
            json = {name: value for name, value in body.items() if name in names}
            answer = await client.request(verb, path, json=None if verb == "GET" else json)
            if answer.status_code != 404 or "secret" in answer.text:
                wrong.append(f"{verb} {path}: {answer.status_code} {answer.text[:200]}")
        mine = await client.get(f"/api/v1/contact/conversations/{own}")
        assert mine.status_code == 200
        listed = await client.get("/api/v1/contact/conversations")
        assert foreign not in listed.text
    assert not wrong, "\n".join(wrong)


async def test_an_agent_reads_only_what_concerns_the_agent(shared_product: Product) -> None:
    admin = Api(shared_product.url, shared_product.api_key)
    scene = await Scene.set_up(admin, agents=1, name="concern")
    _, conversation_id = await _contact(admin, scene)
    await admin.close()
    token = await _token(shared_product, "agent")
    async with httpx.AsyncClient(
        base_url=shared_product.url, headers={"authorization": f"Bearer {token}"}, timeout=30
    ) as client:
        for path in ("", "/messages", "/changes"):
            answer = await client.get(f"/api/v1/conversations/{conversation_id}{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "CONVERSATION_UNKNOWN"), path
        found = await client.get("/api/v1/messages:search", params={"query": "secret"})
        assert conversation_id not in found.text
        listed = await client.get("/api/v1/conversations")
        assert conversation_id not in listed.text
