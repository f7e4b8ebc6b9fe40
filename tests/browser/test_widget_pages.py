"""The chat as a page of its own, and the widget on another website under a strict policy."""

from __future__ import annotations

import datetime as dt
import secrets
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.desk import NARROW, Desk, Theme, assert_accessible


def new_inbox(desk: Desk, **members: Any) -> str:
    """The public key of a new web inbox."""
    inbox = {"name": f"inbox {secrets.token_hex(4)}", "channel": "web", "enabled": True, **members}
    with desk.rest("admin") as admin:
        answer = admin.post("/api/v1/inboxes", json={"inbox": inbox})
    assert answer.is_success, answer.text
    return str(answer.json()["inbox"]["key"])


def closed_queue(desk: Desk) -> str:
    """A queue that opens for an hour, on the day after tomorrow at the earliest."""
    weekday = (dt.datetime.now(dt.UTC).isoweekday() + 1) % 7 + 1
    with desk.rest("admin") as admin:
        queue = {
            "name": f"closed {secrets.token_hex(4)}",
            "strategy": "least_loaded",
            "time_zone": "UTC",
            "hours": [{"weekday": weekday, "from": "09:00", "to": "10:00"}],
        }
        answer = admin.post("/api/v1/queues", json=queue)
    assert answer.is_success, answer.text
    return str(answer.json()["id"])


def say(page: Page, text: str) -> None:
    field = page.locator("#yunsong .write textarea")
    field.fill(text)
    field.press("Enter")


PRE_CHAT = {
    "color": "#7a3ff2",
    "pre_chat": [
        {"name": "name", "required": True},
        {"name": "email", "required": True},
        {"name": "topic", "type": "select", "label": {"en": "Topic"}, "options": ["Order", "Return"]},
    ],
}


def test_asks_before_the_first_message(desk: Desk) -> None:
    key = new_inbox(desk, widget=PRE_CHAT)
    page = desk.open(path=f"/chat/{key}", locale="en", viewport=NARROW)
    page.get_by_role("button", name="Start chat").click()
    expect(page.get_by_label("Name")).to_be_focused()
    expect(page.locator("#yunsong .field .wrong")).to_have_text(["Please fill this in"] * 2)
    page.get_by_label("Name").fill("Visitor")
    page.get_by_label("E-mail").fill("nobody")
    page.get_by_role("button", name="Start chat").click()
    expect(page.locator("#yunsong .field .wrong")).to_have_text(["This is not an e-mail address"])
    assert_accessible(page)
    page.get_by_label("E-mail").fill("visitor@shop.example")
    page.get_by_label("Topic").select_option("Return")
    page.get_by_role("button", name="Start chat").click()
    say(page, "It does not fit")
    expect(page.locator("#yunsong .mark").last).to_contain_text("Sent")
    with desk.rest("admin") as admin:
        found = admin.get("/api/v1/contacts", params={"query": "visitor@shop.example"}).json()["contacts"]
    assert [(one["name"], one["attributes"].get("topic")) for one in found] == [("Visitor", "Return")]
    page.reload()
    expect(page.get_by_role("log")).to_contain_text("It does not fit")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_takes_a_message_while_closed(desk: Desk, theme: Theme) -> None:
    texts = {"en": {"title": "Night shop", "away_message": "We sleep. Write to us."}}
    key = new_inbox(desk, queue_id=closed_queue(desk), widget={"texts": texts, "color": "#ffd400"})
    page = desk.open(path=f"/chat/{key}", locale="en", theme=theme)
    expect(page.get_by_role("log")).to_contain_text("We sleep. Write to us.")
    expect(page.locator("#yunsong header")).to_contain_text("We are away and back")
    say(page, "Good night")
    expect(page.get_by_role("log")).to_contain_text("Your message is kept")
    assert_accessible(page)


def test_ends_and_begins_again(desk: Desk) -> None:
    key = new_inbox(desk)
    page = desk.open(path=f"/chat/{key}", locale="en")
    say(page, "First question")
    expect(page.locator("#yunsong .mark").last).to_contain_text("Sent")
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="End conversation").click()
    page.get_by_role("alertdialog").get_by_role("button", name="End").click()
    expect(page.get_by_role("log")).to_contain_text("You ended the conversation")
    assert_accessible(page)
    page.get_by_role("button", name="Start a new conversation").click()
    say(page, "Second question")
    expect(page.get_by_role("log")).to_contain_text("First question")
    expect(page.locator("#yunsong .message.out .bubble-text")).to_have_text(
        ["First question", "Second question"]
    )


def test_an_unknown_inbox_is_said_plainly(desk: Desk) -> None:
    desk.allow("status of 404")
    page = desk.open(path="/chat/nowhere", locale="en")
    expect(page.get_by_role("alert")).to_have_text("This chat does not exist or is switched off.")


def test_a_blocked_contact_is_told(desk: Desk) -> None:
    key = new_inbox(desk)
    page = desk.open(path=f"/chat/{key}", locale="en")
    say(page, "one")
    expect(page.locator("#yunsong .mark").last).to_contain_text("Sent")
    with desk.rest("admin") as admin:
        newest = admin.get("/api/v1/conversations", params={"page_size": 1}).json()["conversations"][0]
        answer = admin.post(f"/api/v1/contacts/{newest['contact_id']}:set_blocked", json={"blocked": True})
        assert answer.is_success, answer.text
    say(page, "two")
    expect(page.get_by_role("alert")).to_have_text("Messages from you are not taken here any more.")


def test_an_app_proves_its_user_in_the_address(desk: Desk) -> None:
    data = httpx.get(f"{desk.product.url}/demo/shop.json").json()
    customer = data["customers"][1]
    proof = f"user_id={customer['user_id']}&user_hash={customer['user_hash']}&name=Customer&plan=app"
    page = desk.open(path=f"/chat/{data['inbox_key']}?locale=en#{proof}")
    say(page, "From the app")
    expect(page.locator("#yunsong .mark").last).to_contain_text("Sent")
    assert "user_hash" not in page.url
    with desk.rest("admin") as admin:
        found = admin.get("/api/v1/contacts", params={"query": "Customer"}).json()["contacts"]
    assert any(one["attributes"].get("plan") == "app" for one in found)


# Another website -----------------------------------------------------------------------------------------------

_SITE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Site</title><link rel="icon" href="data:,">
<style nonce="own">button, div { all: unset !important; color: red !important }</style>
<script nonce="own">(window.yunsong ||= []).push(["on", "ready", () => document.documentElement.dataset.ready = "yes"]);</script>
<script async nonce="own" src="{url}/widget.js" data-inbox="{key}" crossorigin></script></head>
<body><main><h1>A strict site</h1></main></body></html>"""
_POLICY = (
    "default-src 'none'; script-src 'nonce-own' {url}; connect-src {url} {sockets}; img-src data: blob: {url}; media-src {url}; "
    "style-src 'nonce-own'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types yunsong"
)


@pytest.fixture
def site(desk: Desk) -> Iterator[str]:
    """A website of another origin that allows what the guide says, and nothing else."""
    url = desk.product.url
    key = new_inbox(desk, greeting={"en": "Welcome, stranger"})
    body = _SITE.replace("{url}", url).replace("{key}", key).encode()
    policy = _POLICY.format(url=url, sockets=url.replace("http", "ws", 1))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-security-policy", policy)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class names it so
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_works_under_a_strict_policy_on_another_site(desk: Desk, site: str) -> None:
    page = desk.open(path=f"{site}/", locale="en")
    bubble = page.locator("#yunsong .launcher .bubble")
    expect(bubble).to_be_visible()
    # The site's own rules, however harsh, do not reach the bubble.
    assert bubble.evaluate("one => getComputedStyle(one).width") == "56px"
    assert page.evaluate("document.documentElement.dataset.ready") == "yes"
    assert page.evaluate("Object.keys(window).filter((name) => /yunsong/i.test(name))") == ["yunsong"]
    bubble.click()
    expect(page.get_by_role("log")).to_contain_text("Welcome, stranger")
    say(page, "hello from elsewhere")
    expect(page.locator("#yunsong .mark").last).to_contain_text("Sent")
    page.locator("#yunsong input[type=file]").set_input_files(
        {"name": "note.txt", "mimeType": "text/plain", "buffer": b"tea"}
    )
    expect(page.get_by_role("link", name="Download note.txt")).to_be_visible()
    page.evaluate("window.yunsong.close()")
    expect(page.locator("#yunsong .panel")).to_have_count(0)
