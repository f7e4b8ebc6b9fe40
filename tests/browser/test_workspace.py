"""The agent's desk in a real browser: the main job with a visitor on the other side."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import FilePayload, Page, expect

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

_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63d8b4690000027001379f0d2b350000000049454e44ae426082"
)


@pytest.fixture
def agent(desk: Desk) -> Iterator[Page]:
    """An agent's desk, online."""
    page = open_desk(desk)
    go(desk, "agent1")
    expect(page.locator(".switch")).to_contain_text("在线")
    yield page
    close_all(desk)
    go(desk, "agent1", "offline")


def test_answers_a_visitor_to_the_end(desk: Desk, agent: Page) -> None:
    visitor = visitor_of(desk, "李伟", "我要退货")
    open_conversation(agent, "李伟")
    expect(message(agent, "我要退货")).to_be_visible()
    composer(agent).fill("您好，请稍等")
    composer(agent).press("Enter")
    expect(message(agent, "您好，请稍等")).to_be_visible()
    expect(composer(agent)).to_have_value("")
    until(lambda: "您好，请稍等" in visitor.texts())
    visitor.mark_read()
    expect(message(agent, "您好，请稍等")).to_contain_text("已读")
    visitor.write("好的")
    expect(message(agent, "好的")).to_be_visible()
    expect(row(agent, "李伟")).to_contain_text("好的")
    agent.get_by_role("button", name="结束", exact=True).click()
    agent.get_by_role("dialog").get_by_role("textbox").fill("退货已受理")
    agent.get_by_role("button", name="结束会话").click()
    expect(row(agent, "李伟")).to_have_count(0)
    expect(agent.get_by_text("会话已由坐席结束")).to_be_visible()


def test_a_note_is_for_colleagues_alone(desk: Desk, agent: Page) -> None:
    visitor = visitor_of(desk, "王芳", "在吗")
    open_conversation(agent, "王芳")
    agent.get_by_role("button", name="内部备注", exact=True).click()
    composer(agent).press_sequentially("请看 @Admin")
    agent.get_by_role("option", name="@Administrator").click()
    composer(agent).press_sequentially("急")
    composer(agent).press("Enter")
    expect(agent.locator("article.note")).to_contain_text("@Administrator")
    assert not any("Admin" in text for text in visitor.texts())
    admin = open_desk(desk, "admin")
    admin.get_by_role("button", name="提到我", exact=True).click()
    expect(row(admin, "王芳")).to_be_visible()


def test_a_draft_survives_a_reload_and_belongs_to_its_conversation(desk: Desk, agent: Page) -> None:
    visitor_of(desk, "张一", "一")
    visitor_of(desk, "张二", "二")
    open_conversation(agent, "张一")
    composer(agent).press_sequentially("写到一半")
    open_conversation(agent, "张二")
    expect(composer(agent)).to_have_value("")
    expect(row(agent, "张一")).to_contain_text("草稿")
    open_conversation(agent, "张一")
    agent.reload()
    expect(composer(agent)).to_have_value("写到一半")


def test_enter_belongs_to_the_input_method_while_it_composes(desk: Desk, agent: Page) -> None:
    visitor_of(desk, "赵六", "你好")
    open_conversation(agent, "赵六")
    composer(agent).fill("ni hao")
    composer(agent).dispatch_event("keydown", {"key": "Enter", "isComposing": True, "bubbles": True})
    expect(composer(agent)).to_have_value("ni hao")
    expect(message(agent, "ni hao")).to_have_count(0)


def test_ctrl_enter_sends_when_it_was_chosen(desk: Desk, agent: Page) -> None:
    visitor_of(desk, "钱七", "你好")
    open_conversation(agent, "钱七")
    agent.get_by_role("button", name="发送快捷键").click()
    agent.get_by_role("menuitem", name="按 Ctrl+Enter 发送").click()
    composer(agent).fill("第一行")
    composer(agent).press("Enter")
    expect(message(agent, "第一行")).to_have_count(0)
    composer(agent).press("Control+Enter")
    expect(message(agent, "第一行")).to_be_visible()
    agent.get_by_role("button", name="发送快捷键").click()
    agent.get_by_role("menuitem", name="按 Enter 发送").click()


def test_quick_replies_fill_in_who_it_is_for(desk: Desk, agent: Page) -> None:
    with desk.rest("agent1") as rest:
        body = {"shortcut": "问候", "text": "{{contact.name}}您好，我是{{agent.name}}", "shared": False}
        assert rest.post("/api/v1/quick_replies", json=body).status_code in (200, 409)
    visitor_of(desk, "孙八", "你好")
    agent.reload()
    open_conversation(agent, "孙八")
    composer(agent).press_sequentially("/问")
    expect(agent.get_by_role("option").filter(has_text="/问候")).to_be_visible()
    composer(agent).press("Enter")
    expect(composer(agent)).to_have_value("孙八您好，我是坐席 1")


def test_a_message_can_be_edited_and_recalled(desk: Desk, agent: Page) -> None:
    visitor = visitor_of(desk, "周九", "你好")
    open_conversation(agent, "周九")
    composer(agent).fill("错字")
    composer(agent).press("Enter")
    expect(message(agent, "错字")).to_be_visible()
    composer(agent).press("ArrowUp")
    composer(agent).fill("改正")
    composer(agent).press("Enter")
    expect(message(agent, "改正")).to_contain_text("已编辑")
    until(lambda: visitor.texts()[-1] == "改正")
    message(agent, "改正").hover()
    message(agent, "改正").get_by_role("button", name="撤回").click()
    agent.get_by_role("dialog").get_by_role("button", name="撤回").click()
    expect(agent.get_by_text("消息已撤回")).to_be_visible()


def test_files_go_both_ways(desk: Desk, agent: Page) -> None:
    visitor = visitor_of(desk, "吴十", "看图")
    stored = visitor.upload("photo.png", _PNG)
    visitor.write("", image={"file_id": stored["id"], "name": "photo.png"})
    open_conversation(agent, "吴十")
    agent.get_by_role("button", name="查看 photo.png").click()
    expect(agent.locator("dialog img")).to_be_visible()
    agent.keyboard.press("Escape")
    agent.locator("input[type=file]").set_input_files(
        FilePayload(name="说明.txt", mimeType="text/plain", buffer=b"hello")
    )
    send = agent.get_by_role("button", name="发送", exact=True)
    expect(send).to_be_enabled()
    send.click()
    expect(agent.locator("article a", has_text="说明.txt")).to_be_visible()


def test_moves_a_conversation_on(desk: Desk, agent: Page) -> None:
    visitor_of(desk, "郑一", "你好")
    open_conversation(agent, "郑一")
    agent.get_by_role("button", name="更多操作").click()
    agent.get_by_role("menuitem", name="优先级：紧急").click()
    expect(row(agent, "郑一")).to_contain_text("紧急")
    agent.get_by_role("button", name="暂缓").first.click()
    agent.get_by_role("button", name=re.compile("明天上午")).click()
    expect(row(agent, "郑一")).to_have_count(0)
    expect(agent.get_by_text(re.compile("已暂缓至"))).to_be_visible()


def test_search_leads_to_the_message(desk: Desk, agent: Page) -> None:
    visitor = visitor_of(desk, "冯二", "独特词蓝鲸出现在这里")
    visitor.write("后来的话")
    expect(row(agent, "冯二")).to_be_visible()
    agent.keyboard.press("/")
    agent.keyboard.type("蓝鲸")
    agent.locator(".hits a").first.click()
    expect(agent.locator("article.marked")).to_contain_text("蓝鲸")


def test_the_keyboard_does_it_all_and_rests_while_one_writes(desk: Desk, agent: Page) -> None:
    visitor_of(desk, "键一", "一")
    visitor_of(desk, "键二", "二")
    expect(agent.locator(".rows a")).to_have_count(2)
    agent.keyboard.press("j")
    expect(composer(agent)).to_be_visible()
    first = agent.url
    agent.keyboard.press("j")
    expect(agent).not_to_have_url(first)
    agent.keyboard.press("k")
    expect(agent).to_have_url(first)
    agent.keyboard.press("r")
    expect(composer(agent)).to_be_focused()
    agent.keyboard.type("jjj?")
    expect(composer(agent)).to_have_value("jjj?")
    expect(agent).to_have_url(first)
    agent.keyboard.press("Escape")
    agent.keyboard.press("?")
    expect(agent.get_by_role("dialog", name="键盘快捷键")).to_be_visible()
    agent.keyboard.press("Escape")
    expect(agent.get_by_role("dialog")).to_be_hidden()
    agent.keyboard.press("e")
    expect(agent.get_by_role("dialog")).to_contain_text("结束与")


def test_the_contact_can_be_known_better(desk: Desk, agent: Page) -> None:
    visitor_of(desk, "陈三", "你好")
    open_conversation(agent, "陈三")
    agent.get_by_role("button", name="编辑 电话").click()
    agent.get_by_role("textbox", name="电话").fill("+8613800000000")
    agent.keyboard.press("Enter")
    expect(agent.get_by_role("button", name="编辑 电话")).to_contain_text("+8613800000000")
    agent.get_by_role("button", name="添加属性").click()
    agent.get_by_role("textbox", name="属性名").fill("等级")
    agent.get_by_role("textbox", name="属性值").fill("金卡")
    agent.keyboard.press("Enter")
    expect(agent.get_by_role("button", name="编辑 等级")).to_contain_text("金卡")


def test_the_number_in_the_title_follows_what_is_unread(desk: Desk, agent: Page) -> None:
    visitor = visitor_of(desk, "褚四", "你好")
    expect(agent).to_have_title(re.compile(r"^\(1\) "))
    open_conversation(agent, "褚四")
    expect(agent).to_have_title(re.compile(r"^工作台"))
    visitor.write("再说一句")
    expect(message(agent, "再说一句")).to_be_visible()
    expect(agent).to_have_title(re.compile(r"^工作台"))


def test_an_agent_says_why_one_is_away(desk: Desk, agent: Page) -> None:
    agent.locator(".switch").click()
    agent.get_by_role("button", name="午餐").click()
    expect(agent.locator(".switch")).to_contain_text("离开")
    go(desk, "agent1")
    expect(agent.locator(".switch")).to_contain_text("在线")
