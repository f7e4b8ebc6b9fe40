"""The website widget in the demo shop: a visitor in a real browser, an agent behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from tests.support.agent_side import AgentSide, eventually
from tests.support.desk import NARROW, WIDE, Desk, Theme, assert_accessible

# The demo shop itself may be in the way of a phone's small screen; the widget covers it.
_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cf50"
    "0f0003860180d3a3c1920000000049454e44ae426082"
)


@pytest.fixture
def agent(desk: Desk) -> Iterator[AgentSide]:
    with AgentSide(desk) as agent:
        yield agent


def open_widget(desk: Desk, **how: Any) -> Page:
    """A visitor's window on the shop with the chat open."""
    page = desk.open(path="/demo", **how)
    bubble(page).click()
    expect(field(page)).to_be_visible()
    return page


def bubble(page: Page) -> Locator:
    return page.locator("#yunsong .launcher .bubble")


def field(page: Page) -> Locator:
    return page.locator("#yunsong .write textarea")


def log(page: Page) -> Locator:
    return page.get_by_role("log")


def say(page: Page, text: str) -> None:
    field(page).fill(text)
    field(page).press("Enter")


def with_agent(page: Page, agent: AgentSide, text: str) -> str:
    """A conversation that the agent has."""
    say(page, text)
    page.get_by_role("button", name="转人工").first.click()
    conversation_id = agent.conversation(text)
    expect(log(page)).to_contain_text("已加入会话")
    return conversation_id


def messages(page: Page) -> list[str]:
    """What the visitor's own bubbles say, from the top."""
    return page.locator("#yunsong .message.out .bubble-text").all_inner_texts()


def test_from_the_bot_to_a_person_to_the_rating(desk: Desk, agent: AgentSide) -> None:
    page = open_widget(desk)
    expect(log(page)).to_contain_text("云松茶铺")
    say(page, "怎么退货")
    expect(log(page).locator(".message.in")).not_to_have_count(1)  # the bot has answered beside the greeting
    page.get_by_role("button", name="转人工").click()
    conversation_id = agent.conversation("怎么退货")
    expect(page.locator("#yunsong header")).to_contain_text("正在为您服务")

    agent.say(conversation_id, "您好，我来帮您。")
    expect(log(page)).to_contain_text("您好，我来帮您。")
    say(page, "谢谢 https://example.com/order?id=1。")
    link = log(page).get_by_role("link", name="https://example.com/order?id=1")
    expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
    eventually(lambda: agent.texts(conversation_id)[-1].startswith("谢谢"), "the agent was not told")
    agent.read(conversation_id)
    expect(page.locator("#yunsong .mark").last).to_contain_text("已读")
    eventually(
        lambda: (
            agent.rest.get(f"/api/v1/conversations/{conversation_id}").json()["contact_unread_count"] == 0
        ),
        "what the visitor sees is not marked as read",
    )

    message = agent.say(conversation_id, "写错了")
    expect(log(page)).to_contain_text("写错了")
    agent.recall(message)
    expect(log(page)).to_contain_text("消息已撤回")
    expect(log(page)).not_to_contain_text("写错了")

    agent.close(conversation_id)
    page.get_by_text("您对本次服务满意吗？").wait_for()
    page.locator("#yunsong .rating label").nth(3).click()
    page.get_by_role("textbox", name="说说您的感受").fill("很快")
    page.get_by_role("button", name="提交评价").click()
    expect(page.locator("#yunsong .ended")).to_contain_text("感谢您的评价")
    rated = agent.rest.get(f"/api/v1/conversations/{conversation_id}").json()
    assert (rated["csat_score"], rated["csat_comment"]) == (4, "很快")

    page.get_by_role("button", name="开始新的会话").click()
    say(page, "还有一个问题")
    expect(log(page)).to_contain_text("还有一个问题")


def test_both_see_that_the_other_types(desk: Desk, agent: AgentSide) -> None:
    page = open_widget(desk)
    conversation_id = with_agent(page, agent, "在吗，打字测试")
    agent.ask("subscribe", topic="conversation", id=conversation_id)
    agent.ask("typing", conversation_id=conversation_id, active=True)
    expect(page.locator("#yunsong .typing")).to_be_visible()
    agent.say(conversation_id, "在的")
    expect(page.locator("#yunsong .typing")).to_have_count(0)


def test_a_reload_keeps_the_conversation_and_the_open_window(desk: Desk) -> None:
    page = open_widget(desk)
    say(page, "发货要多久")
    expect(log(page).locator(".message.in")).not_to_have_count(1)
    field(page).fill("写到一半")
    page.reload()
    expect(field(page)).to_have_value("写到一半")
    expect(log(page)).to_contain_text("发货要多久")
    assert messages(page).count("发货要多久") == 1


def test_a_lost_network_loses_and_doubles_nothing(desk: Desk, agent: AgentSide) -> None:
    desk.allow("ERR_INTERNET_DISCONNECTED")
    page = open_widget(desk)
    conversation_id = with_agent(page, agent, "断网测试")
    page.context.set_offline(True)
    expect(page.locator("#yunsong .notice")).to_contain_text("网络已断开")
    for number in range(3):
        say(page, f"断网时写的 {number}")
    agent.say(conversation_id, "您断网时我说的")
    expect(page.locator("#yunsong .mark").last).to_have_text("等待发送")
    page.context.set_offline(False)
    expect(log(page)).to_contain_text("您断网时我说的")
    expect(page.locator("#yunsong .pending")).to_have_count(0)
    wanted = ["断网测试", *(f"断网时写的 {number}" for number in range(3))]
    eventually(lambda: agent.texts(conversation_id) == wanted, "the agent's side has other texts")
    assert messages(page) == wanted


def test_what_waits_outlives_the_page(desk: Desk, agent: AgentSide) -> None:
    desk.allow("ERR_INTERNET_DISCONNECTED")
    page = open_widget(desk)
    conversation_id = with_agent(page, agent, "关页测试")
    page.context.set_offline(True)
    expect(page.locator("#yunsong .notice")).to_be_visible()
    say(page, "关页前写的")
    context = page.context
    page.close()
    context.set_offline(False)
    page = context.new_page()
    page.goto("/demo")
    expect(log(page)).to_contain_text("关页前写的")
    eventually(
        lambda: agent.texts(conversation_id) == ["关页测试", "关页前写的"],
        "the agent did not get what was written before the page was closed",
    )


def test_two_tabs_show_the_same(desk: Desk, agent: AgentSide) -> None:
    first = open_widget(desk)
    conversation_id = with_agent(first, agent, "两个窗口")
    second = first.context.new_page()
    second.goto("/demo")
    expect(log(second)).to_contain_text("两个窗口")
    say(second, "从第二个窗口")
    expect(log(first)).to_contain_text("从第二个窗口")
    agent.say(conversation_id, "两边都能看到")
    for page in (first, second):
        expect(log(page)).to_contain_text("两边都能看到")
        expect(page.locator("#yunsong .message.out .bubble-text")).to_have_text(["两个窗口", "从第二个窗口"])
    first.locator("#yunsong header").get_by_role("button", name="收起客服").click()
    expect(field(second)).to_have_count(0)


def test_unread_messages_are_counted_and_previewed(desk: Desk, agent: AgentSide) -> None:
    page = open_widget(desk)
    conversation_id = with_agent(page, agent, "未读测试")
    page.keyboard.press("Escape")
    expect(field(page)).to_have_count(0)
    expect(bubble(page)).to_be_focused()
    agent.say(conversation_id, "请看这里")
    expect(page.locator("#yunsong .badge")).to_have_text("1")
    expect(page.locator("#yunsong .peek")).to_contain_text("请看这里")
    bubble(page).click()
    expect(page.locator("#yunsong .badge")).to_have_count(0)


def test_pictures_and_files_go_both_ways(desk: Desk, agent: AgentSide, tmp_path: Path) -> None:
    page = open_widget(desk)
    conversation_id = with_agent(page, agent, "文件测试")
    chooser = page.locator("#yunsong input[type=file]")
    chooser.set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": _PNG})
    picture = log(page).get_by_role("button", name="放大 a.png")
    expect(picture).to_be_visible()
    picture.click()
    expect(page.get_by_role("dialog", name="a.png")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="a.png")).to_have_count(0)
    chooser.set_input_files({"name": "清单.txt", "mimeType": "text/plain", "buffer": "茶".encode()})
    expect(log(page).get_by_role("link", name="下载 清单.txt")).to_be_visible()

    desk.allow("status of 400")
    chooser.set_input_files(
        {"name": "setup.exe", "mimeType": "application/octet-stream", "buffer": b"MZ" + b"\0" * 64}
    )
    expect(page.locator("#yunsong .upload")).to_contain_text("不支持这种类型的文件")
    page.locator("#yunsong .upload").get_by_role("button", name="删除").click()
    expect(page.locator("#yunsong .upload")).to_have_count(0)

    sent = agent.rest.post("/api/v1/files?name=报价.pdf", content=b"%PDF-1.4 \n").json()
    file = {
        "file_id": sent["id"],
        "name": sent["name"],
        "media_type": sent["media_type"],
        "size": sent["size"],
    }
    agent.send(conversation_id, {"file": file})
    expect(log(page).get_by_role("link", name="下载 报价.pdf")).to_be_visible()


def test_every_kind_of_message_is_shown(desk: Desk, agent: AgentSide) -> None:
    page = open_widget(desk)
    conversation_id = with_agent(page, agent, "各种消息")
    agent.send(
        conversation_id, {"location": {"latitude": 30.25, "longitude": 120.16, "label": "云松茶铺西湖店"}}
    )
    agent.send(
        conversation_id,
        {"card": {"title": "明前龙井", "description": "豆香", "url": "https://shop.example/p1"}},
    )
    agent.send(
        conversation_id,
        {
            "form": {
                "title": "登记",
                "fields": [
                    {"name": "order", "label": "订单号", "type": "text", "required": True},
                    {"name": "mail", "label": "联系邮箱", "type": "email"},
                ],
            }
        },
    )
    expect(log(page).get_by_role("link", name="云松茶铺西湖店, 打开地图")).to_be_visible()
    expect(log(page).get_by_role("link", name="明前龙井")).to_have_attribute(
        "href", "https://shop.example/p1"
    )
    form = page.locator("#yunsong .form")
    form.get_by_role("button", name="提交").click()
    expect(form).to_contain_text("请填写此项")
    form.get_by_label("联系邮箱").fill("nobody")
    form.get_by_label("订单号").fill("2041")
    form.get_by_role("button", name="提交").click()
    expect(form).to_contain_text("邮箱地址不正确")
    form.get_by_label("联系邮箱").fill("a@shop.example")
    form.get_by_role("button", name="提交").click()
    expect(page.locator("#yunsong .message.out .form")).to_contain_text("2041")
    agent.send(conversation_id, {"buttons": {"text": "满意吗？", "buttons": [{"label": "满意"}]}})
    log(page).get_by_role("button", name="满意").click()
    expect(page.locator("#yunsong .message.out .bubble-text").last).to_have_text("满意")


def test_the_shop_says_who_its_customer_is(desk: Desk, agent: AgentSide) -> None:
    page = desk.open(path="/demo")
    page.get_by_label("账户").select_option("customer-1001")
    page.get_by_role("button", name="咨询这款").first.click()
    expect(field(page)).to_be_visible()
    conversation_id = with_agent(page, agent, "我是老客户")
    conversation = agent.rest.get(f"/api/v1/conversations/{conversation_id}").json()
    contact = agent.rest.get(f"/api/v1/contacts/{conversation['contact_id']}").json()
    assert contact["name"] == "客户 1001"
    assert contact["attributes"]["level"] == "gold"
    assert contact["attributes"]["product"] == "明前龙井"
    assert any(identity["verified"] for identity in contact["identities"])
    page.get_by_label("账户").select_option("")
    expect(log(page)).not_to_contain_text("我是老客户")


@pytest.mark.parametrize(
    ("locale", "theme", "viewport"),
    [
        pytest.param("zh-CN", "light", WIDE, id="zh-light-wide"),
        pytest.param("en", "dark", NARROW, id="en-dark-narrow"),
        pytest.param("zh-CN", "dark", WIDE, id="zh-dark-wide", marks=pytest.mark.slow),
        pytest.param("zh-CN", "light", NARROW, id="zh-light-narrow", marks=pytest.mark.slow),
        pytest.param("zh-CN", "dark", NARROW, id="zh-dark-narrow", marks=pytest.mark.slow),
        pytest.param("en", "light", WIDE, id="en-light-wide", marks=pytest.mark.slow),
        pytest.param("en", "dark", WIDE, id="en-dark-wide", marks=pytest.mark.slow),
        pytest.param("en", "light", NARROW, id="en-light-narrow", marks=pytest.mark.slow),
    ],
)
def test_is_accessible(desk: Desk, locale: str, theme: Theme, viewport: ViewportSize) -> None:
    page = desk.open(path="/demo", locale=locale, theme=theme, viewport=viewport)
    expect(bubble(page)).to_be_visible()
    assert_accessible(page)
    bubble(page).click()
    expect(field(page)).to_be_visible()
    say(page, "hello")
    expect(log(page).locator(".message.in")).not_to_have_count(1)
    assert_accessible(page)
    page.locator("#yunsong .menu > button").click()
    assert_accessible(page)
    if viewport == NARROW:
        box = page.locator("#yunsong .panel").bounding_box()
        assert box is not None
        assert (box["x"], box["width"]) == (0, 360)


def test_the_language_follows_the_page(desk: Desk) -> None:
    page = open_widget(desk, locale="en")
    expect(field(page)).to_have_attribute("placeholder", "Type your question")
    page.get_by_role("button", name="中文").click()
    expect(field(page)).to_have_attribute("placeholder", "请输入您的问题")
