"""Signing in and out, and what a person sees of oneself, in a real browser."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
import time

import pytest
from playwright.sync_api import ViewportSize, expect

from tests.support.desk import NARROW, WIDE, Desk, Theme, assert_accessible


def test_signs_in_and_out(desk: Desk) -> None:
    page = desk.open(path="/profile", locale="en")
    expect(page).to_have_url(f"{desk.product.url}/sign-in?next=/profile")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password", exact=True).fill(desk.password_of("admin"))
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_url(f"{desk.product.url}/profile")
    page.get_by_role("button", name="Account").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_label("User name")).to_be_visible()
    page.goto("/profile")
    expect(page).to_have_url(f"{desk.product.url}/sign-in?next=/profile")


def test_says_that_the_password_is_wrong(desk: Desk) -> None:
    desk.allow("status of 401")
    page = desk.open(path="/sign-in")
    page.get_by_label("用户名").fill("admin")
    page.get_by_label("密码", exact=True).fill("not the password")
    page.get_by_role("button", name="登录", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("用户名或密码不正确")


def test_signing_out_in_one_tab_signs_out_the_other(desk: Desk) -> None:
    first = desk.open("agent1", "/profile")
    second = first.context.new_page()
    second.goto("/profile")
    expect(second.get_by_role("heading", level=1)).to_be_visible()
    first.get_by_role("button", name="账户").click()
    first.get_by_role("menuitem", name="退出登录").click()
    expect(second.get_by_label("用户名")).to_be_visible()


def test_two_tabs_renew_one_session_together(desk: Desk) -> None:
    first = desk.open("agent1", "/profile")
    second = first.context.new_page()
    second.goto("/profile")
    # Both find the token ended at the same moment; a refresh token works once.
    first.evaluate(
        "() => { const kept = JSON.parse(localStorage.getItem('yunsong.session')); kept.until = 0;"
        " localStorage.setItem('yunsong.session', JSON.stringify(kept)) }"
    )
    for page in (first, second):
        page.evaluate("() => { location.reload() }")
    for page in (first, second):
        expect(page.get_by_role("heading", level=1)).to_have_text("个人资料")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_is_accessible(desk: Desk, theme: Theme, viewport: ViewportSize) -> None:
    page = desk.open(path="/sign-in", theme=theme, viewport=viewport)
    expect(page.get_by_label("用户名")).to_be_visible()
    assert_accessible(page)
    page = desk.open("admin", "/profile", theme=theme, viewport=viewport)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert_accessible(page)


def test_an_address_without_a_page_says_so(desk: Desk) -> None:
    page = desk.open("admin", "/nowhere", locale="en")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")


def test_the_language_and_the_theme_are_remembered(desk: Desk) -> None:
    page = desk.open("admin", "/profile", locale="en")
    page.get_by_role("button", name="Account").click()
    page.get_by_role("menuitem", name="简体中文").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("个人资料")
    page.get_by_role("button", name="账户").click()
    page.get_by_role("menuitem", name="深色").click()
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("个人资料")
    expect(page.locator("html")).to_have_class("dark")


def test_a_second_factor_guards_the_sign_in(desk: Desk) -> None:
    desk.allow("status of 401")
    page = desk.open("agent3", "/profile", locale="en")
    page.get_by_role("button", name="Turn on two-step sign-in").click()
    expect(page.get_by_role("img", name="QR code for two-step sign-in")).to_be_visible()
    page.get_by_text("Cannot scan it?").click()
    secret = page.get_by_role("group", name="Key", exact=True).locator("code").inner_text()
    assert_accessible(page)
    page.get_by_label("Code").fill(_totp(secret))
    page.get_by_role("button", name="Turn on", exact=True).click()
    codes = page.get_by_role("group", name="Recovery codes").locator("pre").inner_text().split()
    page.get_by_role("button", name="I have kept them").click()

    other = desk.open(path="/sign-in", locale="en")
    other.get_by_label("User name").fill("agent3")
    other.get_by_label("Password", exact=True).fill(desk.password_of("agent3"))
    other.get_by_role("button", name="Sign in", exact=True).click()
    other.get_by_label("Code").fill("000000")
    other.get_by_role("button", name="Sign in", exact=True).click()
    expect(other.get_by_role("alert")).to_contain_text("The code is wrong")
    other.get_by_label("Code").fill(codes[0])
    other.get_by_role("button", name="Sign in", exact=True).click()
    expect(other.get_by_role("navigation", name="Main navigation")).to_be_visible()


def test_a_device_can_be_signed_out_from_another(desk: Desk) -> None:
    desk.allow("status of 401")
    lost = desk.open("agent2", "/profile", locale="en")
    expect(lost.get_by_role("heading", level=1)).to_be_visible()
    page = desk.open("agent2", "/profile", locale="en")
    devices = page.get_by_role("listitem").filter(has=page.get_by_role("button", name="Sign out"))
    expect(devices).to_have_count(2)
    expect(devices.first).to_contain_text("This device")
    devices.last.get_by_role("button", name="Sign out").click()
    page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    expect(devices).to_have_count(1)
    # The other one's socket is closed, so it hears of it without a click.
    expect(lost.get_by_label("User name")).to_be_visible()


def test_shows_the_name_that_was_changed(desk: Desk) -> None:
    page = desk.open("agent1", "/profile", locale="en")
    page.get_by_label("Name", exact=True).fill("Lin of the pines")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Account: Lin of the pines")).to_be_visible()


def _totp(secret: str) -> str:
    """The code of this moment (RFC 6238)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1)
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset : offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"
