"""How the desk looks and holds: both languages and themes, a narrow screen, accessibility, and ten thousand messages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.workspace import (
    close_all,
    composer,
    go,
    message,
    open_conversation,
    open_desk,
    row,
    visitor_of,
)
from tests.support.desk import NARROW, WIDE, Desk, Theme, assert_accessible

_MANY = 10_000
_FIRST_IN_SIGHT = """(scroller) => {
  const top = scroller.getBoundingClientRect().top
  const placed = [...scroller.querySelectorAll('article')].map((one) => [one.innerText, one.getBoundingClientRect().top - top])
  return placed.find(([, at]) => at > 0)
}"""


@pytest.fixture
def online(desk: Desk) -> Iterator[None]:
    """The agent is online while the test runs."""
    go(desk, "agent1")
    yield
    close_all(desk)
    go(desk, "agent1", "offline")


@pytest.mark.parametrize(
    ("theme", "locale"),
    [
        ("light", "zh-CN"),
        ("dark", "en"),
        pytest.param("light", "en", marks=pytest.mark.slow),
        pytest.param("dark", "zh-CN", marks=pytest.mark.slow),
    ],
)
def test_is_accessible(desk: Desk, online: None, theme: Theme, locale: str) -> None:
    page = open_desk(desk, theme=theme, locale=locale)
    go(desk, "agent1")
    visitor = visitor_of(desk, "Anna", "Where is my order? https://example.com")
    visitor.write("👍")
    open_conversation(page, "Anna")
    composer(page).fill("One moment")
    composer(page).press("Enter")
    expect(message(page, "One moment")).to_be_visible()
    assert_accessible(page)
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert_accessible(page)


def test_a_narrow_screen_is_a_stack_of_pages(desk: Desk, online: None) -> None:
    page = open_desk(desk, viewport=NARROW)
    go(desk, "agent1")
    visitor_of(desk, "窄屏", "你好")
    row(page, "窄屏").click()
    expect(message(page, "你好")).to_be_visible()
    expect(row(page, "窄屏")).to_be_hidden()
    page.get_by_role("button", name="客户资料").click()
    expect(page.get_by_role("heading", name="历史会话")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    assert_accessible(page)
    page.go_back()
    expect(composer(page)).to_be_visible()
    page.get_by_role("button", name="返回列表").click()
    expect(row(page, "窄屏")).to_be_visible()


def test_ten_thousand_messages_scroll_and_stay_where_they_are(desk: Desk, online: None) -> None:
    page = open_desk(desk, viewport=WIDE)
    go(desk, "agent1")
    visitor = visitor_of(desk, "很长", "你好")
    expect(row(page, "很长")).to_be_visible()
    thread = LongThread()
    page.route(re.compile(rf"/conversations/{visitor.conversation_id}/messages\?"), thread.answer)
    open_conversation(page, "很长")
    expect(message(page, f"第 {_MANY} 条")).to_be_visible()
    scroller = page.get_by_role("region", name="消息")
    frames = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    for _ in range(40):
        scroller.evaluate("(one) => { one.scrollTop -= 700 }")
        page.evaluate(frames)
    drawn = page.locator(".drawn > div").count()
    assert 5 < drawn < 80, drawn
    # What is in sight stays in its place while an older page comes in above it.
    thread.pause()
    scroller.evaluate("(one) => { one.scrollTop = 300 }")
    before = at_rest(page, scroller)
    height = scroller.evaluate("(one) => one.querySelector('.all').offsetHeight")
    thread.go_on()
    page.wait_for_function(
        "(height) => document.querySelector('.all').offsetHeight > height + 1000", arg=height
    )
    after = at_rest(page, scroller)
    assert before[0] == after[0]
    assert abs(before[1] - after[1]) < 3, (before, after)
    page.get_by_role("button", name=re.compile("回到最新")).click()
    expect(message(page, f"第 {_MANY} 条")).to_be_visible()


def at_rest(page: Page, scroller: Locator) -> list[Any]:
    """What is first in sight, once rows that came into sight have their real heights and nothing moves any more."""
    seen: list[Any] = []
    for _ in range(100):
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        seen.append(scroller.evaluate(_FIRST_IN_SIGHT))
        if len(seen) > 4 and all(one == seen[-1] for one in seen[-5:]):
            return list(seen[-1])
    raise AssertionError(f"the thread does not come to rest: {seen[-5:]}")


class LongThread:
    """Answers for the server with a history that nobody wrote."""

    def __init__(self) -> None:
        self._paused = False
        self._waiting: list[Route] = []

    def pause(self) -> None:
        """Answers nothing more until `go_on`."""
        self._paused = True

    def go_on(self) -> None:
        """Answers what waits."""
        self._paused = False
        for route in self._waiting:
            self.answer(route)

    def answer(self, route: Route) -> None:
        """Answers one page of messages."""
        if self._paused:
            self._waiting.append(route)
            return
        query = {name: int(values[0]) for name, values in parse_qs(urlsplit(route.request.url).query).items()}
        size = query.get("page_size", 50)
        if after := query.get("after_rev"):
            revs = list(range(after + 1, min(after + size, _MANY) + 1))
            more = bool(revs) and revs[-1] < _MANY
        else:
            end = query.get("before_rev", _MANY + 1)
            revs = list(range(max(1, end - size), end))
            more = bool(revs) and revs[0] > 1
        body = {"messages": [_message(rev) for rev in revs], "has_more": more, "head_rev": _MANY}
        route.fulfill(status=200, content_type="application/json", body=json.dumps(body))


def _message(rev: int) -> dict[str, Any]:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=rev)
    return {
        "id": f"0000-{rev:08d}",
        "conversation_id": "c",
        "rev": rev,
        "public_rev": rev,
        "author": {
            "kind": "contact" if rev % 3 else "agent",
            "id": f"author-{bool(rev % 3)}",
            "name": "某人",
        },
        "visibility": "public",
        "content": {"text": {"text": f"第 {rev} 条" + ("\n长" * (rev % 5) if rev != _MANY else "")}},
        "client_id": f"client-{rev}",
        "reply_to_message_id": "",
        "mention_user_ids": [],
        "delivery_state": "sent",
        "delivery_error": "",
        "created_at": at.isoformat().replace("+00:00", "Z"),
        "edited_at": None,
        "recalled_at": None,
        "external_id": "",
        "metadata": None,
        "whisper": False,
    }
