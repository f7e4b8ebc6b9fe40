"""The first minutes of an empty copy, in a real browser: from the first sign-in to the first agent at work."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.desk import NARROW, Desk, assert_accessible
from tests.support.product import Product


@pytest.fixture
def empty_desk(browser: Browser, empty_product: Product) -> Iterator[Desk]:
    """Windows on a copy that nobody has set up."""
    desk = Desk(browser, empty_product)
    yield desk
    desk.close()


def test_leads_through_the_first_setup(empty_desk: Desk) -> None:
    page = empty_desk.open("admin", "/", locale="en")
    expect(page).to_have_url(f"{empty_desk.product.url}/setup")
    assert_accessible(page)

    page.get_by_label("Name", exact=True).fill("Pine Cloud Tea")
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("heading", level=2)).to_have_text("Where do customers wait?")
    assert_accessible(page)
    page.get_by_label("Name of the queue").fill("Shop")
    page.get_by_role("button", name="Next").click()

    expect(page.get_by_role("heading", level=2)).to_have_text("Put the chat window on your website")
    # Whoever leaves goes on where it stood.
    page.goto("/")
    expect(page.get_by_role("heading", level=2)).to_have_text("Put the chat window on your website")
    page.get_by_role("button", name="Get the code").click()
    expect(page.get_by_role("group", name="Code for the website")).to_contain_text("/widget.js")
    assert_accessible(page)
    page.get_by_role("button", name="Next").click()

    page.get_by_label("Name", exact=True).fill("Mei")
    page.get_by_label("User name", exact=True).fill("mei")
    assert_accessible(page)
    page.get_by_role("button", name="Create accounts").click()
    password = page.get_by_role("group", name="Names, user names and first passwords").locator("pre")
    expect(password).to_contain_text("mei")
    first = password.inner_text().split("\t")[2].strip()
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Go to work").click()
    expect(page).not_to_have_url(f"{empty_desk.product.url}/setup")

    with empty_desk.rest("admin") as api:
        agents = api.get("/api/v1/agents").json()["agents"]
        queues = api.get("/api/v1/queues").json()["queues"]
        mei = next(agent for agent in agents if agent["name"] == "Mei")
        assert mei["queue_ids"] == [queue["id"] for queue in queues]
        assert api.get("/api/v1/sign_in_options").json()["business_name"] == "Pine Cloud Tea"
    _agent_chooses_a_password(empty_desk, first)


def _agent_chooses_a_password(desk: Desk, first: str) -> None:
    page = desk.open(path="/sign-in", locale="en")
    expect(page.get_by_role("heading", level=1)).to_have_text("Pine Cloud Tea")
    desk.sign_in(page, "mei", first)
    expect(page.get_by_role("heading", level=1)).to_have_text("Choose a new password")
    assert_accessible(page)
    page.get_by_label("Current password").fill(first)
    page.get_by_label("New password", exact=True).fill("a long road through pines")
    page.get_by_label("New password again").fill("a long road through pines")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("navigation", name="Main navigation")).to_be_visible()


def test_fits_a_phone(empty_desk: Desk) -> None:
    page = empty_desk.open("admin", "/setup", viewport=NARROW, theme="dark")
    expect(page.get_by_role("heading", level=1)).to_have_text("开始使用")
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
