"""Which pages may use an inbox, and what an inbox may hold."""

from __future__ import annotations

import pytest

from yunsong_channel_adapter.domain.inbox import Inbox, normal_origins, origin_violations, skill_violations


def inbox(*origins: str) -> Inbox:
    return Inbox(id="i", name="Shop", channel="web", key="k", allowed_origins=normal_origins(origins))


@pytest.mark.parametrize(
    ("allowed", "origin", "admitted"),
    [
        ("https://shop.example", "https://shop.example", True),
        ("https://shop.example/", "https://SHOP.example:443", True),
        ("https://shop.example", "http://shop.example", False),
        ("https://shop.example", "https://shop.example:8443", False),
        ("https://shop.example", "https://shop.example.evil.example", False),
        ("https://shop.example", "https://evilshop.example", False),
        ("https://shop.example", "null", False),
        ("https://*.shop.example", "https://www.shop.example", True),
        ("https://*.shop.example", "https://a.b.shop.example", True),
        ("https://*.shop.example", "https://shop.example", False),
        ("https://*.shop.example", "https://evilshop.example", False),
        ("https://*.shop.example", "http://www.shop.example", False),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", True),
    ],
)
def test_an_origin_is_admitted_exactly(allowed: str, origin: str, admitted: bool) -> None:
    assert inbox(allowed).admits(origin) is admitted


def test_without_a_list_any_page_is_admitted_and_an_app_always() -> None:
    assert inbox().admits("https://anything.example")
    assert inbox("https://shop.example").admits("")


@pytest.mark.parametrize(
    "wrong", ["shop.example", "https://", "https://shop.example/path", "*", "https://*", "javascript:x"]
)
def test_what_is_no_origin_is_named(wrong: str) -> None:
    [violation] = origin_violations(["https://ok.example", wrong])
    assert violation.field == "inbox.allowed_origins[1]"


def test_skill_levels_are_bounded() -> None:
    assert [each.field for each in skill_violations({"en": 6, "zh": 5, "de": 0})] == [
        "inbox.required_skills.en",
        "inbox.required_skills.de",
    ]
