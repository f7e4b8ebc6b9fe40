"""A call is what its signature says, and may do what the contract says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.common import contract
from yunsong.auth.v1 import principal_pb2
from yunsong_common.errors import PermissionDenied, Unauthenticated, YunsongError
from yunsong_common.grpc import Signer, sign, verify
from yunsong_common.grpc.access import AccessRule, rules_of
from yunsong_common.grpc.principal import LIFETIME_S, Verifier

KEY = "k" * 32
KINDS = principal_pb2.ActorKind
ALICE = principal_pb2.Principal(
    kind=KINDS.ACTOR_KIND_STAFF, actor_id="alice", permissions=["x.read"], caller="gateway"
)


def test_a_signed_principal_comes_back() -> None:
    claims = verify(sign(ALICE, KEY, now=1000), KEY, now=1030)
    assert claims.actor_id == "alice"
    assert claims.issued_at == 1000


@pytest.mark.parametrize("now", [1000 + LIFETIME_S + 1, 1000 - 11])
def test_it_is_refused_when_old_or_from_the_future(now: float) -> None:
    with pytest.raises(Unauthenticated) as refused:
        verify(sign(ALICE, KEY, now=1000), KEY, now=now)
    assert refused.value.reason == "PRINCIPAL_EXPIRED"


def test_another_key_is_refused() -> None:
    with pytest.raises(Unauthenticated):
        verify(sign(ALICE, "x" * 32), KEY)


@given(st.integers(min_value=0), st.characters())
def test_no_change_of_a_token_is_taken(position: int, character: str) -> None:
    token = sign(ALICE, KEY, now=1000)
    index = position % len(token)
    changed = token[:index] + character + token[index + 1 :]
    if changed == token:
        return
    with pytest.raises(Unauthenticated):
        verify(changed, KEY, now=1000)


@given(st.text())
def test_no_text_is_a_token(text: str) -> None:
    with pytest.raises(Unauthenticated):
        verify(text, KEY)


def test_a_token_is_reused_and_verified_once() -> None:
    signer, verifier = Signer(KEY), Verifier(KEY)
    token = signer.sign(ALICE)
    assert signer.sign(ALICE) is token
    assert verifier.verify(token) is verifier.verify(token)


def test_a_cached_token_still_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier, token = Verifier(KEY), sign(ALICE, KEY, now=1000)
    monkeypatch.setattr("time.time", lambda: 1001.0)
    verifier.verify(token)
    monkeypatch.setattr("time.time", lambda: 1001.0 + LIFETIME_S)
    with pytest.raises(Unauthenticated):
        verifier.verify(token)


def rule(**parts: object) -> AccessRule:
    empty: dict[str, object] = {
        "permission": "",
        "services": frozenset(),
        "staff": False,
        "contact": False,
        "anonymous": False,
    }
    return AccessRule(method="S/M", **{**empty, **parts})  # type: ignore[arg-type]


def actor(kind: str, **fields: object) -> principal_pb2.Principal:
    return principal_pb2.Principal(kind=KINDS.Value(f"ACTOR_KIND_{kind}"), **fields)  # type: ignore[arg-type]


ACTORS = {
    "staff": actor("STAFF", actor_id="s", caller="gateway"),
    "reader": actor("STAFF", actor_id="s", caller="gateway", permissions=["x.read"]),
    "key": actor("API_KEY", actor_id="k", caller="gateway", permissions=["x.read"]),
    "keyless": actor("API_KEY", actor_id="k", caller="gateway"),
    "contact": actor("CONTACT", actor_id="c", caller="gateway", permissions=["x.read"]),
    "anonymous": actor("ANONYMOUS", caller="gateway", permissions=["x.read"]),
    "router": actor("SERVICE", actor_id="router", caller="router"),
    "bot": actor("SERVICE", actor_id="bot", caller="bot", permissions=["x.read"]),
    "masquerade": actor("SERVICE", actor_id="router", caller="bot"),
}


@pytest.mark.parametrize(
    ("access", "admitted"),
    [
        (rule(permission="x.read"), {"reader", "key"}),
        (rule(services=frozenset({"router"})), {"router"}),
        (rule(staff=True), {"staff", "reader"}),
        (rule(contact=True), {"contact"}),
        (rule(anonymous=True), set(ACTORS)),
        (
            rule(permission="x.read", services=frozenset({"router"}), contact=True),
            {"reader", "key", "router", "contact"},
        ),
        (rule(), set()),
    ],
)
def test_each_rule_admits_whom_it_names_and_nobody_else(access: AccessRule, admitted: set[str]) -> None:
    def passes(principal: principal_pb2.Principal) -> bool:
        try:
            access.check(principal)
        except YunsongError:
            return False
        return True

    assert {name for name, principal in ACTORS.items() if passes(principal)} == admitted


def test_a_refusal_says_what_is_missing() -> None:
    with pytest.raises(PermissionDenied) as refused:
        rule(permission="x.read").check(ACTORS["staff"])
    assert refused.value.metadata == {"permission": "x.read"}
    with pytest.raises(Unauthenticated):
        rule(permission="x.read").check(ACTORS["anonymous"])


def test_rules_come_from_the_contract_and_a_method_without_one_is_named() -> None:
    assert rules_of(f"{contract.PACKAGE}.GoodService")["Read"].services == {"router"}
    with pytest.raises(ValueError, match="OpenService/Forgotten"):
        rules_of(f"{contract.PACKAGE}.OpenService")
