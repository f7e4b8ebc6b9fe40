"""The agent's desk when something goes wrong or somebody else is there: lost networks, second tabs, second agents."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.workspace import (
    close_all,
    composer,
    go,
    message,
    open_conversation,
    open_desk,
    row,
    until,
    visitor_of,
)
from tests.support.desk import Desk


@pytest.fixture
def agent(desk: Desk) -> Iterator[Page]:
    """An agent's desk, online."""
    page = open_desk(desk)
    go(desk, "agent1")
    expect(page.locator(".switch")).to_contain_text("在线")
    yield page
    close_all(desk)
    go(desk, "agent1", "offline")


def test_what_is_written_without_a_network_goes_out_in_order_and_once(desk: Desk, agent: Page) -> None:
    desk.allow("ERR_INTERNET_DISCONNECTED", "WebSocket connection")
    visitor = visitor_of(desk, "断网", "在吗")
    open_conversation(agent, "断网")
    agent.context.set_offline(True)
    for text in ("第一句", "第二句", "第三句"):
        composer(agent).fill(text)
        composer(agent).press("Enter")
    expect(agent.locator("article.waiting")).to_have_count(3)
    visitor.write("我还在")
    composer(agent).press_sequentially("第四句写到一半")
    agent.context.set_offline(False)
    expect(agent.locator("article.waiting")).to_have_count(0, timeout=30_000)
    expect(message(agent, "我还在")).to_be_visible()
    expect(composer(agent)).to_have_value("第四句写到一半")
    until(lambda: [text for text in visitor.texts() if "句" in text] == ["第一句", "第二句", "第三句"])
    for text in ("第一句", "第二句", "第三句"):
        expect(message(agent, text)).to_have_count(1)


def test_a_reload_before_the_network_is_back_loses_nothing(desk: Desk, agent: Page) -> None:
    desk.allow("ERR_", "WebSocket connection")
    visitor = visitor_of(desk, "重载", "在吗")
    open_conversation(agent, "重载")
    # The socket alone is away, so that the page itself can load again.
    agent.context.route_web_socket("**/api/v1/ws", lambda socket: socket.close())
    agent.reload()
    expect(composer(agent)).to_be_visible()
    composer(agent).fill("别丢了我")
    composer(agent).press("Enter")
    expect(agent.locator("article.waiting")).to_have_count(1)
    second = agent.context.browser
    assert second is not None
    kept = agent.context.storage_state()
    fresh = second.new_context(base_url=desk.product.url, storage_state=kept, locale="zh-CN")
    page = fresh.new_page()
    page.goto(agent.url)
    expect(message(page, "别丢了我")).to_be_visible()
    expect(page.locator("article.waiting")).to_have_count(0, timeout=20_000)
    until(lambda: visitor.texts().count("别丢了我") == 1)
    fresh.close()


def test_a_second_tab_stays_in_step(desk: Desk, agent: Page) -> None:
    visitor = visitor_of(desk, "双页", "你好")
    open_conversation(agent, "双页")
    other = agent.context.new_page()
    other.goto(agent.url)
    expect(message(other, "你好")).to_be_visible(timeout=20_000)
    composer(agent).fill("从第一页发出")
    composer(agent).press("Enter")
    expect(message(other, "从第一页发出")).to_be_visible()
    composer(other).fill("从第二页发出")
    composer(other).press("Enter")
    expect(message(agent, "从第二页发出")).to_be_visible()
    expect(message(other, "从第二页发出")).to_have_count(1)
    assert [one for one in visitor.texts() if "发出" in one] == ["从第一页发出", "从第二页发出"]


def test_two_members_of_staff_see_each_other_write(desk: Desk, agent: Page) -> None:
    visitor_of(desk, "撞车", "你好")
    open_conversation(agent, "撞车")
    supervisor = open_desk(desk, "supervisor1", agent.url.removeprefix(desk.product.url))
    expect(message(supervisor, "你好")).to_be_visible()
    composer(supervisor).press_sequentially("我也在看")
    expect(agent.get_by_text("也正在此会话中输入")).to_be_visible()
    composer(supervisor).press("Enter")
    expect(agent.locator("article.note")).to_contain_text("我也在看")


def test_a_conversation_is_handed_to_a_colleague(desk: Desk, agent: Page) -> None:
    second = open_desk(desk, "agent2")
    go(desk, "agent2")
    visitor = visitor_of(desk, "转接", "你好")
    until(lambda: row(agent, "转接").count() + row(second, "转接").count() == 1)
    giver, taker, name = (
        (agent, second, "坐席 2") if row(agent, "转接").count() else (second, agent, "坐席 1")
    )
    open_conversation(giver, "转接")
    giver.get_by_role("button", name="转接", exact=True).click()
    dialog = giver.get_by_role("dialog")
    dialog.get_by_text("转给同事").click()
    dialog.get_by_role("combobox").click()
    giver.get_by_role("option", name=name).click()
    dialog.get_by_role("textbox", name="给接手同事的备注").fill("老客户，请优先")
    dialog.get_by_role("button", name="转接", exact=True).click()
    expect(row(giver, "转接")).to_have_count(0)
    open_conversation(taker, "转接")
    expect(taker.get_by_text("老客户，请优先")).to_be_visible()
    composer(taker).fill("我来接手")
    composer(taker).press("Enter")
    until(lambda: "我来接手" in visitor.texts())
    close_all(desk, "agent2")
    go(desk, "agent2", "offline")


def test_an_offer_is_accepted(desk: Desk, agent: Page) -> None:
    with desk.rest("admin") as rest:
        queues = rest.get("/api/v1/queues").json()["queues"]
        for queue in queues:
            body = {
                "queue": {"name": queue["name"], "requires_accept": True},
                "update_mask": "requires_accept",
            }
            rest.patch(f"/api/v1/queues/{queue['id']}", json=body).raise_for_status()
        try:
            visitor_of(desk, "邀约", "你好")
            expect(agent.get_by_role("region", name="会话邀约")).to_contain_text("邀约")
            agent.get_by_role("button", name="接受").click()
            expect(composer(agent)).to_be_visible()
            expect(row(agent, "邀约")).to_be_visible()
        finally:
            for queue in queues:
                body["queue"] = {"name": queue["name"], "requires_accept": False}
                rest.patch(f"/api/v1/queues/{queue['id']}", json=body).raise_for_status()


def test_a_waiting_conversation_is_picked(desk: Desk) -> None:
    page = open_desk(desk)
    go(desk, "agent1", "away")
    visitor_of(desk, "排队", "你好")
    page.get_by_role("button", name="排队", exact=True).click()
    open_conversation(page, "排队")
    expect(page.get_by_role("button", name="回复客户")).to_be_disabled()
    page.get_by_role("button", name="接入").click()
    expect(page.get_by_role("button", name="回复客户")).to_be_enabled()
    close_all(desk)
    go(desk, "agent1", "offline")


def test_a_supervisor_whispers_and_takes_over(desk: Desk, agent: Page) -> None:
    visitor = visitor_of(desk, "耳语", "你好")
    open_conversation(agent, "耳语")
    supervisor = open_desk(desk, "supervisor1", agent.url.removeprefix(desk.product.url))
    supervisor.get_by_role("button", name="提示坐席").first.click()
    composer(supervisor).fill("先道歉")
    composer(supervisor).press("Enter")
    expect(agent.locator("article.whisper")).to_contain_text("先道歉")
    assert "先道歉" not in visitor.texts()
    go(desk, "supervisor1")
    supervisor.get_by_role("button", name="接管").click()
    expect(supervisor.get_by_role("button", name="回复客户")).to_be_enabled()
    expect(row(agent, "耳语")).to_have_count(0)
    close_all(desk, "supervisor1")
    go(desk, "supervisor1", "offline")
