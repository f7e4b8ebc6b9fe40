"""The live board, quality, knowledge and reports, in a real browser after the main job has been played once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import ViewportSize, expect

from tests.support.desk import NARROW, WIDE, Desk, Theme, assert_accessible
from tests.support.product import Product
from tests.support.visitor import Visitor

VIEWS = {
    "board": "/supervision",
    "wall": "/wall",
    "inspections": "/quality",
    "scorecards": "/quality/scorecards",
    "rules": "/quality/rules",
    "knowledge": "/knowledge",
    "bot": "/knowledge/settings",
    "reports": "/reports",
}


@pytest.fixture(scope="module", autouse=True)
def played(product: Product) -> None:
    """The main job: a conversation that was served, closed, rated and inspected, and an alert."""
    command = [str(Path(sys.executable).with_name("yunsong")), "demo", "--url", product.url]
    environment = {**os.environ, "YUNSONG_HOME": str(product.home)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def visitor(desk: Desk) -> Visitor:
    with desk.rest("admin") as admin:
        inboxes = admin.get("/api/v1/inboxes").json()["inboxes"]
    key = next(inbox["key"] for inbox in inboxes if inbox["channel"] == "web")
    return Visitor(desk.product.url, key, name="contact 1")


def test_the_board_moves_by_itself_and_opens_what_waits(desk: Desk, visitor: Visitor) -> None:
    page = desk.open("supervisor1", "/supervision", locale="en")
    tile = page.locator(".tile", has_text="Waiting")
    expect(tile.locator("dd")).to_have_text("0")
    visitor.write("I need a person, please")
    visitor.ask_for_a_person()
    expect(tile.locator("dd")).to_have_text("1")
    queue = page.get_by_role("row").filter(has=page.get_by_role("cell", name="1", exact=True)).first
    queue.get_by_role("button").first.click()
    expect(page.get_by_role("dialog").get_by_text("contact 1").first).to_be_visible()


def test_an_alert_is_seen_to_once(desk: Desk) -> None:
    page = desk.open("supervisor1", "/supervision", locale="en")
    alerts = page.locator(".alerts li")
    alerts.first.wait_for()
    before = alerts.count()
    alerts.first.get_by_role("button", name="Seen to").click()
    expect(alerts).to_have_count(before - 1)
    page.reload()
    page.locator(".tile").first.wait_for()
    expect(alerts).to_have_count(before - 1)


def test_an_inspection_leads_to_the_message_it_found(desk: Desk) -> None:
    page = desk.open("supervisor1", "/quality", locale="en")
    page.get_by_role("row").nth(1).click()
    hit = page.locator(".hits button").first
    matched = hit.inner_text()
    hit.click()
    marked = page.locator("li.hit:focus")
    expect(marked).to_contain_text(matched)
    expect(marked.locator("mark").first).to_be_visible()


def test_a_rule_and_a_scorecard_are_made(desk: Desk) -> None:
    desk.allow("status of 400")  # the first attempt leaves the name out
    page = desk.open("admin", "/quality/rules", locale="en")
    page.get_by_role("button", name="New rule").click()
    drawer = page.get_by_role("dialog")
    drawer.get_by_role("button", name="Save").click()
    expect(drawer.get_by_text("Fill this in").first).to_be_visible()
    drawer.get_by_label("Name").fill("Promises")
    drawer.get_by_label("Phrases", exact=True).fill("guaranteed\n一定能")
    drawer.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Promises")).to_be_visible()
    page.get_by_role("link", name="Scorecards").click()
    page.get_by_role("button", name="New scorecard").click()
    drawer = page.get_by_role("dialog")
    drawer.get_by_label("Name").fill("Careful words")
    drawer.get_by_label("Title").fill("No promises")
    drawer.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Careful words")).to_be_visible()


def test_an_entry_is_written_and_the_bot_knows_it(desk: Desk) -> None:
    page = desk.open("admin", "/knowledge", locale="en")
    page.get_by_role("button", name="New entry").click()
    drawer = page.get_by_role("dialog")
    drawer.get_by_label("Question", exact=True).fill("Do you sell gift cards?")
    drawer.get_by_label("Answer").fill("Yes, from 50 to 500.")
    expect(drawer.get_by_role("group", name="As contacts see it")).to_contain_text("Yes, from 50 to 500.")
    drawer.get_by_role("button", name="Save").click()
    expect(drawer).to_be_hidden()
    page.get_by_role("button", name="Try a question").click()
    panel = page.get_by_role("region", name="Try a question")
    panel.get_by_label("Question").fill("can I buy gift cards")
    for _ in range(20):
        panel.get_by_role("button", name="Ask").click()
        panel.locator("li, p").first.wait_for()
        if panel.get_by_role("button", name="Do you sell gift cards?").is_visible():
            break
    expect(panel.get_by_role("button", name="Do you sell gift cards?")).to_be_visible()


def test_entries_come_from_a_file(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "faq.csv"
    file.write_text("question,answer,category\n能开专票吗？,可以。,发票\n,没有问题的答案,x\n", "utf-8")
    page = desk.open("admin", "/knowledge", locale="zh-CN")
    page.get_by_role("button", name="导入").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("input[type=file]").set_input_files(file)
    expect(dialog.get_by_role("status")).to_contain_text("2")
    dialog.get_by_role("button", name="导入").click()
    expect(dialog.get_by_role("status")).to_contain_text("新建 1 条，更新 0 条，1 条被拒绝")


def test_a_report_is_shown_and_saved(desk: Desk) -> None:
    page = desk.open("supervisor1", "/reports", locale="en")
    tile = page.get_by_role("group", name="In all").get_by_role("button", name="Conversations")
    expect(tile.locator("strong")).not_to_have_text("0")
    expect(page.get_by_role("img", name="Chart: Conversations by Day")).to_be_visible()
    page.get_by_role("group", name="In all").get_by_role("button", name="Rating").click()
    expect(page.get_by_role("img", name="Chart: Rating by Day")).to_be_visible()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download CSV").click()
    text = Path(saved.value.path()).read_text("utf-8-sig")
    assert text.startswith("Day,Conversations,")
    assert len(text.splitlines()) >= 2


@pytest.mark.parametrize(
    ("theme", "viewport"),
    [
        pytest.param("light", WIDE, id="light-wide"),
        pytest.param("dark", NARROW, id="dark-narrow"),
        pytest.param("light", NARROW, id="light-narrow", marks=pytest.mark.slow),
        pytest.param("dark", WIDE, id="dark-wide", marks=pytest.mark.slow),
    ],
)
def test_every_view_is_accessible_and_fits(desk: Desk, theme: Theme, viewport: ViewportSize) -> None:
    locale = "zh-CN" if theme == "light" else "en"
    page = desk.open("admin", "/supervision", locale=locale, theme=theme, viewport=viewport)
    for path in VIEWS.values():
        page.goto(path)
        page.get_by_role("heading", level=1).first.wait_for()
        page.wait_for_load_state("networkidle")
        assert_accessible(page)
        width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert width <= 0, f"{path} is {width} px too wide"
