"""Who a contact proves to be."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunsong_channel_adapter.domain.identity import (
    Claim,
    identify,
    identity_of_user,
    user_external_id,
    visitor_external_id,
)
from yunsong_common.errors import InvalidArgument, PermissionDenied

SECRET = "a" * 64
OLD = "b" * 64
VISITOR = "v" * 22


def user_hash(user_id: str, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), user_id.encode(), hashlib.sha256).hexdigest()


def token(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    return jwt.encode({"sub": "u-1", "exp": int(time.time()) + 60, **claims}, secret, algorithm=algorithm)


def test_a_visitor_is_known_by_a_hash_of_the_id() -> None:
    identity = identify(Claim(visitor_id=VISITOR), [SECRET], required=False)
    assert not identity.verified
    assert identity.external_id.startswith("visitor:")
    assert VISITOR not in identity.external_id


def test_a_guessable_visitor_id_is_refused() -> None:
    with pytest.raises(InvalidArgument) as refused:
        identify(Claim(visitor_id="1234"), [SECRET], required=False)
    assert refused.value.reason == "VISITOR_ID_WEAK"


def test_nobody_at_all_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        identify(Claim(), [SECRET], required=False)


@pytest.mark.parametrize("secrets", [[SECRET], [OLD, SECRET]])
def test_a_hash_under_any_secret_that_works_proves_the_user(secrets: list[str]) -> None:
    identity = identify(Claim(user_id="u-1", user_hash=user_hash("u-1")), secrets, required=True)
    assert identity.verified
    assert identity.external_id == "user:u-1"


@pytest.mark.parametrize("wrong", ["", "0" * 64, user_hash("u-2"), user_hash("u-1", OLD), "ü"])
def test_a_wrong_hash_proves_nothing(wrong: str) -> None:
    with pytest.raises(PermissionDenied) as refused:
        identify(Claim(user_id="u-1", user_hash=wrong), [SECRET], required=False)
    assert refused.value.reason == "IDENTITY_PROOF_INVALID"


def test_without_a_secret_nobody_is_proved() -> None:
    with pytest.raises(PermissionDenied):
        identify(Claim(user_id="u-1", user_hash=user_hash("u-1", "")), [], required=False)


def test_a_hash_without_its_user_is_refused_instead_of_ignored() -> None:
    with pytest.raises(PermissionDenied):
        identify(Claim(visitor_id=VISITOR, user_hash=user_hash("u-1")), [SECRET], required=False)


def test_a_token_proves_the_user_and_carries_claims() -> None:
    claim = Claim(
        visitor_id=VISITOR, user_token=token(name="contact 1", email="contact1@shop.example", age=3)
    )
    identity = identify(claim, [OLD, SECRET], required=True)
    assert identity.external_id == "user:u-1"
    assert identity.claims == {"name": "contact 1", "email": "contact1@shop.example"}
    assert identity.previous_external_id == visitor_external_id(VISITOR)


@pytest.mark.parametrize(
    "wrong",
    [
        token(exp=int(time.time()) - 3600),
        token(secret="c" * 64),
        token(sub=""),
        token(algorithm="HS512"),
        jwt.encode({"sub": "u-1"}, SECRET, algorithm="HS256"),
        jwt.encode({"exp": int(time.time()) + 60}, SECRET, algorithm="HS256"),
        jwt.encode({"sub": "u-1", "exp": int(time.time()) + 60}, "", algorithm="none"),
        "not a token",
        "a.b.c",
    ],
    ids=["expired", "other secret", "no user", "HS512", "no exp", "no sub", "unsigned", "text", "dots"],
)
def test_a_wrong_token_proves_nothing(wrong: str) -> None:
    with pytest.raises(PermissionDenied) as refused:
        identify(Claim(user_token=wrong), [SECRET], required=False)
    assert refused.value.reason == "IDENTITY_PROOF_INVALID"


def test_a_token_about_someone_else_is_refused() -> None:
    with pytest.raises(PermissionDenied):
        identify(Claim(user_id="u-2", user_token=token()), [SECRET], required=False)


def test_an_inbox_for_users_alone_refuses_visitors() -> None:
    with pytest.raises(PermissionDenied) as refused:
        identify(Claim(visitor_id=VISITOR), [SECRET], required=True)
    assert refused.value.reason == "IDENTITY_REQUIRED"


@given(st.text(min_size=22, max_size=100), st.text(min_size=1, max_size=200))
def test_a_visitor_never_becomes_a_user(visitor_id: str, user_id: str) -> None:
    assert visitor_external_id(visitor_id) != user_external_id(user_id)


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=200))
def test_two_users_never_become_one(one: str, other: str) -> None:
    assert (user_external_id(one) == user_external_id(other)) == (one == other)
    assert len(user_external_id(one)) <= 200


def test_the_business_gets_its_own_id_back() -> None:
    assert identity_of_user(user_external_id("u-1")) == "u-1"
    assert identity_of_user("openid-7") == "openid-7"
