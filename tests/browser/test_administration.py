"""The administration in a real browser: what is set up there works, and every view can be read and used by everyone."""

from __future__ import annotations

import http.server
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from tests.support.desk import NARROW, WIDE, Desk, Theme, assert_accessible

_WITHIN_S = 20.0
_PASSWORD = "three pine trees at noon"
_VIEWS = (
    "inboxes",
    "inboxes/new",
    "deliveries",
    "users",
    "roles",
    "roles/supervisor",
    "roles/new",
    "agents",
    "presence-reasons",
    "queues",
    "queues/new",
    "skills",
    "channel-weights",
    "quick-replies",
    "saved-views",
    "labels",
    "wrap-up-categories",
    "api-keys",
    "webhooks",
    "business",
    "audit",
    "state",
    "dead-letters",
)


@pytest.fixture(autouse=True)
def patient() -> Iterator[None]:
    """A busy machine takes longer to answer than Playwright expects of its own accord."""
    expect.set_options(timeout=_WITHIN_S * 1000)
    yield
    expect.set_options(timeout=None)


def _open(desk: Desk, path: str, **how: Any) -> Page:
    page = desk.open(how.pop("user", "admin"), path, **{"locale": "en", **how})
    page.set_default_timeout(_WITHIN_S * 1000)
    return page


def test_a_queue_an_inbox_and_a_user_that_are_set_up_here_work(desk: Desk) -> None:
    page = _open(desk, "/admin/users")
    password = _create_user(page, "Wen Li", "wenli")

    page.goto("/admin/queues/new")
    page.get_by_label("Name", exact=True).fill("Night shift")
    _choose_member(page, "Wen Li")
    page.get_by_text("Agents must accept").locator("xpath=../..").get_by_role("switch").locator(
        "xpath=.."
    ).click()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="Night shift")).to_be_visible()

    page.goto("/admin/inboxes/new")
    page.get_by_label("Name", exact=True).fill("Night site")
    _pick(page, page.get_by_label("Queue", exact=True), "Night shift")
    page.get_by_text("Bot answers first").locator("xpath=../..").get_by_role("switch").locator(
        "xpath=.."
    ).click()
    page.get_by_role("button", name="Create", exact=True).click()
    page.get_by_role("button", name="I have stored it").click()
    expect(page.get_by_role("heading", level=1, name="Night site")).to_be_visible()
    page.get_by_role("tab", name="Install").click()
    snippet = page.get_by_role("group", name="Code for your site").locator("pre").inner_text()
    key = re.search(r'data-inbox="([^"]+)"', snippet)
    assert key

    agent = _open(desk, "/sign-in", user="")
    desk.sign_in(agent, "wenli", password)
    agent.locator("input[type=password]").nth(0).fill(password)
    agent.locator("input[type=password]").nth(1).fill(_PASSWORD)
    agent.locator("input[type=password]").nth(2).fill(_PASSWORD)
    agent.locator("form button[type=submit]").click()
    agent.wait_for_url(lambda url: "/workspace" in url)

    conversation = _write_as_contact(desk, key[1])
    with desk.rest("wenli", _PASSWORD) as rest:
        _eventually(
            lambda: rest.post("/api/v1/agents/me:set_presence", json={"presence": "online"}).is_success
        )
        me = rest.get("/api/v1/me").json()["user"]["id"]
        _eventually(lambda: rest.get(f"/api/v1/conversations/{conversation}").json().get("assignee_id") == me)


def test_the_widget_designer_shows_and_stores_what_is_chosen(desk: Desk) -> None:
    page = _open(desk, "/admin/inboxes")
    page.get_by_role("row").filter(has_text="Website").get_by_role("link").first.click()
    page.get_by_role("tab", name="Widget").click()
    preview = page.get_by_role("img", name="Preview of the widget")
    page.get_by_role("radio", name="English").locator("xpath=..").click()
    page.get_by_label("Title", exact=True).fill("Tea help")
    expect(preview).to_contain_text("Tea help")
    page.get_by_role("button", name="#1d4ed8").click()
    page.get_by_role("button", name="Add a question").click()
    page.get_by_label("Question (in this language)").fill("How shall we call you?")
    page.get_by_role("radio", name="Questions").locator("xpath=..").click()
    expect(preview).to_contain_text("How shall we call you?")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    with desk.rest("admin") as rest:
        inbox = rest.get(f"/api/v1/inboxes/{page.url.split('/')[-1]}").json()
    assert inbox["widget"]["color"] == "#1d4ed8"
    assert inbox["widget"]["texts"]["en"]["title"] == "Tea help"
    assert [field["name"] for field in inbox["widget"]["pre_chat"]] == ["name"]


def test_opening_hours_are_checked_copied_and_stored(desk: Desk) -> None:
    page = _open(desk, "/admin/queues/new")
    page.get_by_label("Name", exact=True).fill("Office hours")
    page.get_by_text("Always open").click()
    page.get_by_label("Monday: from").fill("10:00")
    page.get_by_label("Monday: to").fill("10:00")
    expect(page.get_by_text("Start and end are the same")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Some hours are wrong. Check the marked ones.").first).to_be_visible()
    page.get_by_label("Monday: to").fill("16:00")
    page.get_by_role("button", name="Copy to…: Monday").click()
    page.get_by_role("menuitem", name="Every day").click()
    expect(page.get_by_text("42 hours a week")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="Office hours")).to_be_visible()
    with desk.rest("admin") as rest:
        queues = rest.get("/api/v1/queues").json()["queues"]
    hours = next(queue["hours"] for queue in queues if queue["name"] == "Office hours")
    assert [(one["weekday"], one["from"], one["to"]) for one in hours] == [
        (day, "10:00", "16:00") for day in range(1, 8)
    ]


def test_somebody_elses_change_is_explained_and_not_lost(desk: Desk) -> None:
    with desk.rest("admin") as rest:
        queue = rest.post("/api/v1/queues", json={"name": "Shared", "priority": 50}).json()
        page = _open(desk, f"/admin/queues/{queue['id']}")
        page.get_by_label("Name", exact=True).fill("Mine")
        change = {"queue": {"name": "Theirs", "priority": 7}, "update_mask": "name,priority"}
        rest.patch(f"/api/v1/queues/{queue['id']}", json=change).raise_for_status()
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("dialog")).to_contain_text("somebody else changed: Name")
        page.get_by_role("button", name="Keep mine").click()
        expect(page.get_by_text("Saved", exact=True)).to_be_visible()
        stored = rest.get(f"/api/v1/queues/{queue['id']}").json()
    assert (stored["name"], stored["priority"]) == ("Mine", 7)


def test_asks_before_changes_are_thrown_away(desk: Desk) -> None:
    page = _open(desk, "/admin/business")
    page.get_by_label("Name", exact=True).fill("Something else")
    page.get_by_role("link", name="Labels").click()
    page.get_by_role("button", name="Stay").click()
    expect(page).to_have_url(re.compile("/admin/business$"))
    page.get_by_role("link", name="Labels").click()
    page.get_by_role("button", name="Leave").click()
    expect(page.get_by_role("heading", level=1, name="Labels")).to_be_visible()


def test_a_refusal_stands_at_its_field(desk: Desk) -> None:
    desk.allow("status of 4")
    page = _open(desk, "/admin/users")
    page.get_by_role("button", name="New user").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("Twin")
    dialog.get_by_label("User name").fill("agent1")
    dialog.get_by_role("button", name="New user").click()
    expect(dialog.locator(".el-form-item").filter(has_text="User name").get_by_role("alert")).to_have_text(
        "This user name is taken."
    )


def test_a_webhook_delivery_is_sent_again(desk: Desk) -> None:
    with _receiver() as (address, answers):
        page = _open(desk, "/admin/webhooks")
        page.get_by_role("button", name="New webhook").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Address").fill(address)
        dialog.get_by_label("What it is for").fill("Order system")
        dialog.get_by_text("A queue changed").click()
        dialog.get_by_role("button", name="Save").click()
        expect(page.get_by_role("dialog")).to_contain_text("whsec_")
        page.get_by_role("button", name="I have stored it").click()
        page.get_by_role("link", name="Order system").click()
        expect(page.get_by_text("Nothing has been sent yet")).to_be_visible()

        with desk.rest("admin") as rest:
            rest.post("/api/v1/queues", json={"name": "Makes an event"}).raise_for_status()
        row = page.get_by_role("row").filter(has_text="A queue changed").first
        _eventually(lambda: _refreshed(page, row, "HTTP 500"))
        answers.status = 200
        row.get_by_role("button", name="Send again").click()
        _eventually(lambda: _refreshed(page, row, "Delivered"))


def test_a_role_opens_only_what_it_holds(desk: Desk) -> None:
    page = _open(desk, "/admin/roles/new")
    page.get_by_label("Name", exact=True).fill("librarian")
    page.get_by_text("Manage labels and categories").click()
    page.get_by_text("See labels and categories").click()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="librarian")).to_be_visible()
    password = _create_user(page, "Lin", "lin", role="librarian", goto=True)
    with httpx.Client(base_url=desk.product.url, timeout=30) as client:
        pair = desk.tokens("lin", password)
        body = {"current_password": password, "new_password": _PASSWORD}
        bearer = {"authorization": f"Bearer {pair['access_token']}"}
        client.post("/api/v1/me:change_password", json=body, headers=bearer).raise_for_status()
    own = _open(desk, "/admin", user="lin", password=_PASSWORD)
    expect(own.get_by_role("heading", level=1, name="Labels")).to_be_visible()
    sections = own.get_by_role("navigation", name="Admin").get_by_role("link")
    expect(sections).to_have_text(["Labels", "Wrap-up categories"])
    own.goto("/admin/users")
    expect(own.get_by_role("heading", level=1)).to_have_text("You may not open this page")


def test_the_system_state_tells_what_every_service_stands_on(desk: Desk) -> None:
    page = _open(desk, "/admin/state")
    expect(page.get_by_text(re.compile(r"All is well · version \d"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"Database answers · PostgreSQL \d+"))).to_be_visible()
    expect(page.get_by_text("NATS connected")).to_be_visible()
    for service in ("Gateway", "Channels", "Conversations", "Dispatch", "Bot", "Quality and reports"):
        row = page.get_by_role("row").filter(has=page.get_by_role("cell", name=service, exact=True))
        expect(row).to_contain_text("Ready")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("locale", "theme", "viewport"),
    [("zh-CN", "light", WIDE), ("en", "dark", NARROW)],
    ids=["wide", "narrow"],
)
def test_every_view_is_accessible_fits_and_is_translated(
    desk: Desk, locale: str, theme: Theme, viewport: ViewportSize
) -> None:
    with desk.rest("admin") as rest:
        inbox = rest.get("/api/v1/inboxes").json()["inboxes"][0]["id"]
        queue = rest.get("/api/v1/queues").json()["queues"][0]["id"]
    page = _open(desk, "/admin", locale=locale, theme=theme, viewport=viewport)
    for view in (*_VIEWS, f"inboxes/{inbox}", f"queues/{queue}"):
        page.goto(f"/admin/{view}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        _assert_fits_and_translated(page)
        assert_accessible(page)
    page.goto(f"/admin/inboxes/{inbox}")
    for tab in range(page.get_by_role("tab").count()):
        page.get_by_role("tab").nth(tab).click()
        expect(page.get_by_role("tabpanel")).to_be_visible()
        _assert_fits_and_translated(page)
        assert_accessible(page)


def _assert_fits_and_translated(page: Page) -> None:
    beyond = page.evaluate(
        "() => { const m = document.querySelector('main'); return m.scrollWidth - m.clientWidth }"
    )
    assert beyond <= 1, f"{page.url} is {beyond} px too wide"
    assert not re.findall(r"\badministration\.[a-z]\S*", page.locator("main").inner_text()), page.url


def _create_user(page: Page, name: str, username: str, *, role: str = "", goto: bool = False) -> str:
    """Creates a user in the dialog; gives the password that is shown."""
    if goto:
        page.goto("/admin/users")
    page.get_by_role("button", name="New user").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill(name)
    dialog.get_by_label("User name").fill(username)
    if role:
        dialog.locator("label").filter(has_text="Answers contacts.").click()
        dialog.locator("label").filter(has_text=role).click()
    dialog.get_by_role("button", name="New user").click()
    password = page.get_by_role("dialog").get_by_role("group", name=username).locator("code").inner_text()
    page.get_by_role("button", name="I have stored it").click()
    expect(page.get_by_role("row").filter(has_text=username)).to_be_visible()
    return password


def _choose_member(page: Page, name: str) -> None:
    """The router hears of a new user a moment later."""
    member = page.locator("label").filter(has_text=name)

    def there() -> bool:
        if member.count() > 0:
            return True
        given = page.get_by_label("Name", exact=True).input_value()
        page.get_by_role("link", name="Skills").click()
        page.get_by_role("button", name="Leave").click()
        page.goto("/admin/queues/new")
        page.get_by_label("Name", exact=True).fill(given)
        expect(page.get_by_label("Find an agent")).to_be_visible()
        return member.count() > 0

    expect(page.get_by_label("Find an agent")).to_be_visible()
    _eventually(there)
    member.click()


def _pick(page: Page, select: Locator, option: str) -> None:
    select.click()
    page.get_by_role("option", name=option).click()


def _write_as_contact(desk: Desk, key: str) -> str:
    """Sends one message to an inbox as a visitor; gives the conversation."""
    with httpx.Client(base_url=desk.product.url, timeout=30) as client:
        session = client.post("/api/v1/contact/sessions", json={"inbox_key": key}).json()
        bearer = {"authorization": f"Bearer {session['access_token']}"}
        message = {"client_id": "first", "content": {"text": {"text": "Is anybody there?"}}}
        answer = client.post("/api/v1/contact/messages", json=message, headers=bearer)
        answer.raise_for_status()
        sent: dict[str, Any] = answer.json()
    return str(sent.get("conversation_id") or sent["message"]["conversation_id"])


def _refreshed(page: Page, row: Locator, text: str) -> bool:
    page.get_by_role("button", name="Refresh").click()
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    return row.count() > 0 and text in row.inner_text()


def _eventually(condition: Callable[[], bool]) -> None:
    """Returns once the condition holds. Raises AssertionError when it does not within the deadline."""
    until = time.monotonic() + _WITHIN_S
    while not condition():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.1)


class _Answers:
    """How the receiver answers from now on."""

    status = 500


@contextmanager
def _receiver() -> Iterator[tuple[str, _Answers]]:
    """A webhook's other end on this machine."""
    answers = _Answers()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            json.loads(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(answers.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
            del format, args

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/events", answers
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
