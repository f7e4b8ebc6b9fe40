"""Credentials at rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunsong_channel_adapter.vault import Vault
from yunsong_common.errors import Internal

KEY, NEXT = "k" * 32, "n" * 32


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_what_is_sealed_opens_again(secrets: dict[str, str]) -> None:
    vault = Vault(KEY)
    assert vault.open(vault.seal(secrets, "inbox"), vault.key_id, "inbox") == secrets


def test_nothing_of_it_shows_and_twice_is_not_the_same() -> None:
    vault = Vault(KEY)
    one, other = (vault.seal({"token": "s3cret"}, "inbox") for _ in range(2))
    assert b"s3cret" not in one
    assert one != other


def test_it_opens_for_its_inbox_alone() -> None:
    vault = Vault(KEY)
    with pytest.raises(Internal, match="another inbox"):
        vault.open(vault.seal({"a": "b"}, "inbox"), vault.key_id, "other")


def test_a_change_is_noticed() -> None:
    vault = Vault(KEY)
    sealed = bytearray(vault.seal({"a": "b"}, "inbox"))
    sealed[-1] ^= 1
    with pytest.raises(Internal):
        vault.open(bytes(sealed), vault.key_id, "inbox")


def test_a_key_of_before_opens_but_no_longer_seals() -> None:
    before, now = Vault(KEY), Vault(NEXT, [KEY])
    sealed = before.seal({"a": "b"}, "inbox")
    assert now.open(sealed, before.key_id, "inbox") == {"a": "b"}
    assert now.key_id != before.key_id
    with pytest.raises(Internal, match="PREVIOUS_ENCRYPTION_KEYS"):
        Vault(NEXT).open(sealed, before.key_id, "inbox")
