"""Lists and search: filters, orders, pages, access, and the index that each query has."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tests.integration.conversation.conftest import SUPERVISOR_PERMISSIONS, Replica, Staff
from tests.load import message_stock
from yunsong.conversation.v1 import conversation_pb2, model_pb2
from yunsong_common.db import Database, Transaction
from yunsong_common.errors import InvalidArgument
from yunsong_common.ids import new_id
from yunsong_conversation.domain.access import READ_ALL, Viewer
from yunsong_conversation.domain.messages import Actor, AuthorKind
from yunsong_conversation.domain.states import State
from yunsong_conversation.repository import due, lists, search

pb = conversation_pb2


async def listed(service: Replica, who: Staff, **query: Any) -> list[str]:
    """All pages of a list, two at a time."""
    found: list[str] = []
    token = ""
    while True:
        page = await service.staff.ListConversations(
            pb.ListConversationsRequest(page_size=2, page_token=token, **query), metadata=service.as_(who)
        )
        found += [conversation.id for conversation in page.conversations]
        token = page.next_page_token
        if not token:
            return found


async def test_an_agent_sees_what_is_theirs_and_what_waits_in_their_queues(service: Replica) -> None:
    agent, other = Staff("坐席 1"), Staff("小王")
    boss = Staff("主管", SUPERVISOR_PERMISSIONS)
    queue, foreign = await service.queue(agent), await service.queue(other)
    inbox = await service.inbox()
    _, mine = await service.active(inbox, agent)
    _, theirs = await service.active(inbox, other)
    waiting = (await service.say(await service.visitor(inbox), "人工")).conversation_id
    await service.hand_off(waiting, queue)
    elsewhere = (await service.say(await service.visitor(inbox), "人工")).conversation_id
    await service.hand_off(elsewhere, foreign)
    with_bot = (await service.say(await service.visitor(inbox), "你好")).conversation_id

    for sort in range(5):
        seen = set(await listed(service, agent, inbox_id=inbox.id, sort=sort))
        expected = {mine, waiting} if sort not in (2, 3) else {waiting} if sort == 2 else set()
        assert seen == expected, sort
        everything = {mine, theirs, waiting, elsewhere, with_bot}
        waits = {waiting, elsewhere}
        assert set(await listed(service, boss, inbox_id=inbox.id, sort=sort)) == (
            everything if sort not in (2, 3) else waits if sort == 2 else set()
        )
    # Newest activity first; a list of one's own queue needs no more rights than that.
    assert await listed(service, boss, inbox_id=inbox.id) == [with_bot, elsewhere, waiting, theirs, mine]
    assert await listed(service, agent, queue_id=queue, states=[model_pb2.CONVERSATION_STATE_QUEUED]) == [
        waiting
    ]
    assert await listed(service, agent, queue_id=foreign) == []
    assert await listed(service, agent, assignee_id=other.id) == []
    assert await listed(service, agent, assignee_id=agent.id) == [mine]


async def test_a_token_of_another_list_is_refused(service: Replica) -> None:
    boss = Staff("主管", SUPERVISOR_PERMISSIONS)
    inbox = await service.inbox()
    for _ in range(2):
        await service.say(await service.visitor(inbox), "你好")
    request = pb.ListConversationsRequest(page_size=1, inbox_id=inbox.id)
    token = (await service.staff.ListConversations(request, metadata=service.as_(boss))).next_page_token
    assert token
    for wrong in (token[:-3], "x" * 20):
        with pytest.raises(InvalidArgument, match="PAGE_TOKEN_INVALID"):
            await service.staff.ListConversations(
                pb.ListConversationsRequest(page_token=wrong), metadata=service.as_(boss)
            )
    with pytest.raises(InvalidArgument, match="PAGE_TOKEN_INVALID"):
        await service.staff.ListConversations(
            pb.ListConversationsRequest(page_token=token, sort=pb.CONVERSATION_SORT_NEWEST),
            metadata=service.as_(boss),
        )


async def test_search_finds_chinese_and_english_for_those_who_may_see_it(service: Replica) -> None:
    agent, other = Staff("坐席 1"), Staff("小王")
    boss = Staff("主管", SUPERVISOR_PERMISSIONS)
    inbox = await service.inbox()
    visitor, conversation_id = await service.active(inbox, agent)
    zipper = await service.say(visitor, "琥珀色的拉链坏了，想退换货")
    answer = await service.answer(agent, conversation_id, "The replacement zippers were shipped yesterday")

    async def found(who: Staff, query: str, **more: Any) -> list[str]:
        response = await service.staff.SearchMessages(
            pb.SearchMessagesRequest(query=query, **more), metadata=service.as_(who)
        )
        return [hit.message.id for hit in response.hits]

    for who in (agent, boss):
        assert await found(who, "琥珀 拉链") == [zipper.id]
        assert await found(who, "shipping zipper") == [answer.id]
        assert await found(who, "拉链", conversation_id=conversation_id) == [zipper.id]
        assert await found(who, "退换货", contact_id=visitor.id) == [zipper.id]
        assert await found(who, "琥珀 zipper") == []
        assert await found(who, "，。!") == []
    assert await found(other, "琥珀") == []
    assert await found(other, "琥珀", conversation_id=conversation_id) == []


async def test_search_goes_on_page_by_page(service: Replica) -> None:
    boss = Staff("主管", SUPERVISOR_PERMISSIONS)
    visitor = await service.visitor(await service.inbox())
    written = [(await service.say(visitor, f"麒麟词 {n}")).id for n in range(7)]
    found: list[str] = []
    token = ""
    while True:
        page = await service.staff.SearchMessages(
            pb.SearchMessagesRequest(query="麒麟词", page_size=3, page_token=token),
            metadata=service.as_(boss),
        )
        found += [hit.message.id for hit in page.hits]
        token = page.next_page_token
        if not token:
            break
    assert found == written[::-1]


class Explained:
    """Runs every statement as EXPLAIN and keeps the plans."""

    def __init__(self, tx: Transaction) -> None:
        self.tx = tx
        self.plans: list[str] = []

    @property
    def raw(self) -> Explained:
        return self

    async def execute(self, query: str, *params: object) -> None:
        await self.tx.raw.execute(query, *params)

    async def fetch(self, query: str, *params: object) -> list[Any]:
        rows = await self.tx.raw.fetch(f"EXPLAIN {query}", *params)
        self.plans.append("\n".join(row[0] for row in rows))
        return []

    async def fetchval(self, query: str, *params: object) -> Any:
        await self.fetch(query, *params)
        return await self.tx.raw.fetchval(query, *params)


@pytest.fixture
async def filled(service_database: Any, postgres_url: str) -> tuple[Database, str]:
    db: Database = await service_database("conversation")
    stock = await message_stock.fill(postgres_url, 60_000, per_conversation=2)
    return db, stock["agent_id"]


BOSS = Viewer(Actor(AuthorKind.AGENT, new_id()), frozenset({READ_ALL}))
NOW = dt.datetime.now(dt.UTC)
OPEN = frozenset({State.BOT, State.QUEUED, State.ACTIVE})
KEYS: dict[str, tuple[object, ...]] = {
    "activity": (NOW, new_id()),
    "newest": (NOW, new_id()),
    "waiting": (NOW, new_id()),
    "due": (NOW, new_id()),
    "priority": (3, NOW, new_id()),
}


async def test_every_list_search_and_timer_has_its_index(filled: tuple[Database, str]) -> None:
    db, agent_id = filled
    agent = Viewer(Actor(AuthorKind.AGENT, agent_id), queue_ids=frozenset({new_id()}))
    orders = (lists.ACTIVITY, lists.NEWEST, lists.WAITING_LONGEST, lists.DUE, lists.PRIORITY)
    filters = [
        lists.Filters(),
        lists.Filters(states=OPEN),
        lists.Filters(assignee_id=agent_id),
        lists.Filters(queue_id=new_id(), states=frozenset({State.QUEUED})),
        lists.Filters(contact_id=new_id()),
        lists.Filters(label_id=new_id()),
        lists.Filters(mentioned_id=agent_id),
    ]
    for mode in ("force_custom_plan", "force_generic_plan"):
        async with db.read(snapshot=True) as tx:
            await tx.raw.execute(f"SET LOCAL plan_cache_mode = {mode}")
            explained = Explained(tx)
            for order in orders:
                for one in filters:
                    for viewer in (BOSS, agent):
                        for after in (None, KEYS[order.name]):
                            await lists.page(explained, viewer, one, order, after, 50)  # type: ignore[arg-type]
            for work in (due.snoozed, due.to_remind, due.to_close):
                await _explain_writing(explained, work)
            for plan in explained.plans:
                assert "Seq Scan on conversations" not in plan, plan
    for viewer in (BOSS, agent):
        for term in ("退款", "客服", "没有这个词"):
            async with db.read(snapshot=True) as tx:
                explained = Explained(tx)
                await search.find(explained, viewer, [term], limit=21)  # type: ignore[arg-type]
                for plan in explained.plans:
                    assert "Seq Scan on messages" not in plan, plan
                    assert "Seq Scan on conversations" not in plan, plan


async def _explain_writing(explained: Explained, work: Any) -> None:
    # A read-only snapshot refuses FOR UPDATE, which does not change how rows are found.
    class Reading(Explained):
        async def fetch(self, query: str, *params: object) -> list[Any]:
            return await explained.fetch(query.partition(" FOR UPDATE")[0], *params)

    await work(Reading(explained.tx), NOW, 100)
