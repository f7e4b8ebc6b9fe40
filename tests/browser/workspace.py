"""What tests of the agent's desk have in common."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

from playwright.sync_api import Locator, Page, ViewportSize, expect

from tests.support.desk import WIDE, Desk, Theme
from tests.support.visitor import Visitor

# Many suites share the machine.
expect.set_options(timeout=10_000)


def visitor_of(desk: Desk, name: str, text: str = "", *, waits: bool = True) -> Visitor:
    """A visitor of the demo shop who asks for a person, when there is a text."""
    shop = json.loads((desk.product.home / "demo-shop.json").read_text("utf-8"))
    visitor = Visitor(desk.product.url, shop["inbox_key"], name=name)
    if text:
        visitor.write(text)
        if waits:
            visitor.ask_for_a_person()
    return visitor


def open_desk(
    desk: Desk,
    user: str = "agent1",
    path: str = "/workspace",
    *,
    locale: str = "zh-CN",
    theme: Theme = "light",
    viewport: ViewportSize = WIDE,
) -> Page:
    """An agent's desk; the page is there when the list is."""
    page = desk.open(user, path, theme=theme, viewport=viewport)
    if locale != "zh-CN":
        page.evaluate("(locale) => localStorage.setItem('yunsong.locale', locale)", locale)
        page.reload()
    expect(page.locator(".views, .thread").first).to_be_visible(timeout=20_000)
    return page


def go(desk: Desk, user: str, presence: str = "online") -> None:
    """Sets an agent's presence by REST."""
    with desk.rest(user) as rest:
        rest.post("/api/v1/agents/me:set_presence", json={"presence": presence}).raise_for_status()


def row(page: Page, name: str) -> Locator:
    """A conversation of the list by its contact's name."""
    return page.locator(".rows a").filter(has_text=name)


def composer(page: Page) -> Locator:
    """Where one writes."""
    return page.locator("[data-composer]")


def message(page: Page, text: str) -> Locator:
    """A message of the open thread by its exact text."""
    return page.locator("article").filter(
        has=page.locator("p.text", has_text=re.compile(f"^{re.escape(text)}$"))
    )


def open_conversation(page: Page, name: str) -> None:
    """Opens a conversation of the list."""
    row(page, name).first.click()
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()


def close_all(desk: Desk, user: str = "agent1") -> None:
    """Empties an agent's desk, for the next test."""
    with desk.rest(user) as rest:
        me = rest.get("/api/v1/me").json()["user"]["id"]
        held = rest.get("/api/v1/conversations", params={"assignee_id": me, "states": "active"}).json()
        for one in held["conversations"]:
            rest.post(f"/api/v1/conversations/{one['id']}:close", json={"summary": "done"})


def until(condition: Callable[[], bool], *, within_s: float = 10) -> None:
    """Waits for something beside the page to come true. Raises AssertionError after `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)
