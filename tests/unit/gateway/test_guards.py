"""Small guards of the door: rates, addresses, targets, files, passwords, codes."""

from __future__ import annotations

import time

import pyotp
import pytest

from yunsong_common.errors import InvalidArgument, ResourceExhausted, Unauthenticated
from yunsong_gateway.addresses import ClientAddress
from yunsong_gateway.files import sniff
from yunsong_gateway.identity import passwords, totp
from yunsong_gateway.identity.oidc import _is_local
from yunsong_gateway.identity.passwords import Passwords
from yunsong_gateway.identity.roles import Permissions
from yunsong_gateway.identity.tokens import ContactClaims, StaffClaims, Tokens
from yunsong_gateway.identity.vault import Vault
from yunsong_gateway.limits import Limits
from yunsong_gateway.webhooks.targets import TargetRefused, resolve

KEY = "a release key that only tests know, long enough"


def test_a_limit_says_when_to_come_again() -> None:
    limits = Limits()
    for _ in range(5):
        limits.take("a", per_minute=6)
    with pytest.raises(ResourceExhausted) as refused:
        limits.take("a", per_minute=6)
    assert refused.value.retry_after_s is not None
    assert 9 < refused.value.retry_after_s <= 10
    limits.take("b", per_minute=6)


@pytest.mark.parametrize(
    ("client", "forwarded", "expected"),
    [
        ("203.0.113.7", "1.2.3.4", "203.0.113.7"),
        ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.9", "1.2.3.4"),
        ("10.0.0.1", "", "10.0.0.1"),
    ],
)
def test_only_trusted_proxies_are_believed(client: str, forwarded: str, expected: str) -> None:
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    assert ClientAddress(["10.0.0.0/8"]).of({"client": (client, 1), "headers": headers}) == expected


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://10.1.2.3:8080/a",
        "http://169.254.169.254/latest",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://0.0.0.0/",
        "ftp://example.com/",
        "http://user:pw@8.8.8.8/",
        "http://",
    ],
)
async def test_webhooks_do_not_go_inside(url: str) -> None:
    with pytest.raises(TargetRefused):
        await resolve(url, allow_private=False)


async def test_a_target_is_its_address() -> None:
    target = await resolve("https://8.8.8.8:8443/a?b=c", allow_private=False)
    assert (target.url, target.host_header) == ("https://8.8.8.8:8443/a?b=c", "8.8.8.8:8443")


def test_files_are_what_their_bytes_say() -> None:
    assert sniff.media_type(b"%PDF-1.7 ...") == "application/pdf"
    assert sniff.media_type("文字".encode() * 5000) == "text/plain; charset=utf-8"
    assert sniff.media_type(b"\x00\x01\x02") == "application/octet-stream"
    assert not sniff.is_inline(sniff.media_type(b"<svg onload='x'/>"))
    with pytest.raises(InvalidArgument):
        sniff.media_type(b"\x7fELF\x02")


@pytest.mark.parametrize("weak", ["short", "aaaaaaaaaaaa", "password123", "my-name-is-lin"])
def test_weak_passwords(weak: str) -> None:
    with pytest.raises(InvalidArgument, match="PASSWORD_WEAK"):
        passwords.check_strength(weak, "lin", "password")


async def test_passwords_are_hashed_with_argon2id() -> None:
    hasher = Passwords(memory_kib=64, passes=1)
    stored = await hasher.hash("correct horse")
    assert stored.startswith("$argon2id$")
    assert await hasher.verify(stored, "correct horse")
    assert not await hasher.verify(stored, "wrong")
    assert not await hasher.verify("", "correct horse")
    hasher.close()


def test_a_code_counts_once() -> None:
    secret = totp.new_secret()
    now = time.time()
    code = pyotp.TOTP(secret).at(now)
    step = totp.matching_step(secret, code, now, 0)
    assert step is not None
    assert totp.matching_step(secret, code, now, step) is None
    assert totp.matching_step(secret, pyotp.TOTP(secret).at(now - 120), now, 0) is None


def test_tokens_say_who_and_end() -> None:
    tokens = Tokens(KEY, staff_s=60, contact_s=60)
    staff = tokens.read(tokens.staff("u", "s"))
    assert isinstance(staff, StaffClaims)
    assert (staff.user_id, staff.session_id) == ("u", "s")
    contact = tokens.read(tokens.contact("c", "i", "e", "s", "contact 1", verified=True))
    assert isinstance(contact, ContactClaims)
    assert (contact.inbox_id, contact.verified) == ("i", True)
    with pytest.raises(Unauthenticated, match="TOKEN_EXPIRED"):
        tokens.read(Tokens(KEY, staff_s=-10, contact_s=60).staff("u", "s"))
    with pytest.raises(Unauthenticated, match="TOKEN_INVALID"):
        tokens.read(Tokens(KEY + "another", staff_s=60, contact_s=60).staff("u", "s"))


def test_a_vault_opens_with_its_own_key_alone() -> None:
    locked = Vault(KEY).lock("secret")
    assert b"secret" not in locked
    assert Vault(KEY).unlock(locked) == "secret"
    with pytest.raises(Exception, match="SECRET_UNREADABLE"):
        Vault(KEY + "another").unlock(locked)


def test_roles_add_up() -> None:
    permissions = Permissions(lambda: {"tree.plant": ["a.PlantTree"]})
    assert "tree.plant" in permissions.of_roles(["admin"], {})
    assert "tree.plant" not in permissions.of_roles(["agent"], {})
    assert permissions.of_roles(["own", "gone"], {"own": ["tree.plant"]}) == {"tree.plant"}


def test_a_sign_in_returns_to_this_host_alone() -> None:
    assert _is_local("/inbox?a=b")
    for path in ("//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nb"):
        assert not _is_local(path)
