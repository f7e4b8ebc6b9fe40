"""Quick replies, saved views, and labels and categories that get another name."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.integration.conversation.conftest import (
    AGENT_PERMISSIONS,
    SUPERVISOR_PERMISSIONS,
    Replica,
    Staff,
    Start,
)
from yunsong.conversation.v1 import conversation_pb2, desk_pb2, desk_pb2_grpc, model_pb2
from yunsong_common.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from yunsong_common.ids import new_id

pb = desk_pb2
LEAD = (*SUPERVISOR_PERMISSIONS, "quick_reply.write", "saved_view.write")


class Desk:
    """What one person does with quick replies and views."""

    def __init__(self, service: Replica, who: Staff) -> None:
        self.service, self.who = service, who
        channel = service.channels["gateway"].conversation
        self.replies = desk_pb2_grpc.QuickReplyServiceStub(channel)
        self.views = desk_pb2_grpc.SavedViewServiceStub(channel)

    @property
    def me(self) -> Any:
        return self.service.as_(self.who)

    async def reply(self, shortcut: str, text: str = "您好", **more: Any) -> pb.QuickReply:
        request = pb.CreateQuickReplyRequest(shortcut=shortcut, text=text, **more)
        return await self.replies.CreateQuickReply(request, metadata=self.me)

    async def change(self, reply: pb.QuickReply, **changes: Any) -> pb.QuickReply:
        request = pb.UpdateQuickReplyRequest(quick_reply_id=reply.id, **changes)
        return await self.replies.UpdateQuickReply(request, metadata=self.me)

    async def delete(self, reply: pb.QuickReply) -> None:
        await self.replies.DeleteQuickReply(
            pb.DeleteQuickReplyRequest(quick_reply_id=reply.id), metadata=self.me
        )

    async def sees(self, query: str = "", size: int = 0) -> list[str]:
        """Short names, in their order, over all pages."""
        found: list[str] = []
        request = pb.ListQuickRepliesRequest(query=query, page_size=size)
        while True:
            page = await self.replies.ListQuickReplies(request, metadata=self.me)
            found += [one.shortcut for one in page.quick_replies]
            if not page.next_page_token:
                return found
            assert len(page.quick_replies) == size
            request.page_token = page.next_page_token

    async def view(self, name: str, **more: Any) -> pb.SavedView:
        more.setdefault("filter", pb.ConversationFilter())
        return await self.views.CreateSavedView(
            pb.CreateSavedViewRequest(name=name, **more), metadata=self.me
        )

    async def change_view(self, view: pb.SavedView, **changes: Any) -> pb.SavedView:
        request = pb.UpdateSavedViewRequest(saved_view_id=view.id, **changes)
        return await self.views.UpdateSavedView(request, metadata=self.me)

    async def sees_views(self) -> list[str]:
        answer = await self.views.ListSavedViews(pb.ListSavedViewsRequest(), metadata=self.me)
        return [one.name for one in answer.saved_views]


@pytest.fixture
async def empty(service: Replica) -> Replica:
    async with service.db.transaction() as tx:
        await tx.raw.execute("TRUNCATE quick_replies, saved_views")
    return service


@pytest.fixture
async def li(empty: Replica) -> Desk:
    return Desk(empty, Staff("李", AGENT_PERMISSIONS))


@pytest.fixture
async def wang(empty: Replica) -> Desk:
    return Desk(empty, Staff("王", AGENT_PERMISSIONS))


@pytest.fixture
async def lead(empty: Replica) -> Desk:
    return Desk(empty, Staff("主管", LEAD))


async def test_everyone_keeps_their_own_and_has_the_shared_ones(li: Desk, wang: Desk, lead: Desk) -> None:
    own = await li.reply("你好", "您好，{{contact.name}}")
    assert (own.title, own.owner_id, own.shared) == ("你好", li.who.id, False)
    assert own.HasField("updated_at")
    await wang.reply("你好", "嗨")
    shared = await lead.reply("你好", "您好，这里是{{business.name}}", shared=True, title="问候")
    assert await li.sees() == ["你好", "你好"]
    with pytest.raises(AlreadyExists, match="SHORTCUT_TAKEN"):
        await li.reply("你好")
    with pytest.raises(AlreadyExists, match="SHORTCUT_TAKEN"):
        await lead.reply("你好", shared=True)
    with pytest.raises(PermissionDenied, match="PERMISSION_MISSING"):
        await li.reply("再见", shared=True)
    with pytest.raises(PermissionDenied, match="PERMISSION_MISSING"):
        await li.change(shared, text="x")
    with pytest.raises(PermissionDenied, match="PERMISSION_MISSING"):
        await li.delete(shared)
    for attempt in (wang, lead):
        with pytest.raises(NotFound, match="QUICK_REPLY_UNKNOWN"):
            await attempt.change(own, text="x")
        with pytest.raises(NotFound, match="QUICK_REPLY_UNKNOWN"):
            await attempt.delete(own)
    changed = await li.change(own, shortcut="hello", title="Greeting")
    assert (changed.shortcut, changed.title, changed.text) == ("hello", "Greeting", own.text)
    await li.delete(own)
    with pytest.raises(NotFound, match="QUICK_REPLY_UNKNOWN"):
        await li.delete(own)
    assert await wang.sees() == ["你好", "你好"]


async def test_sharing_and_taking_back(li: Desk, wang: Desk, lead: Desk) -> None:
    own = await li.reply("refund")
    with pytest.raises(PermissionDenied, match="PERMISSION_MISSING"):
        await li.change(own, shared=True)
    made = await lead.reply("delivery")
    shared = await lead.change(made, shared=True)
    assert (shared.shared, shared.owner_id) == (True, lead.who.id)
    assert await wang.sees() == ["delivery"]
    other_lead = Desk(lead.service, Staff("组长", LEAD))
    taken = await other_lead.change(shared, shared=False)
    assert taken.owner_id == other_lead.who.id
    assert await lead.sees() == await wang.sees() == []
    assert await other_lead.sees() == ["delivery"]
    await lead.reply("delivery", shared=True)
    with pytest.raises(AlreadyExists, match="SHORTCUT_TAKEN"):
        await other_lead.change(taken, shared=True)
    assert await other_lead.sees() == ["delivery", "delivery"]


async def test_a_text_is_found_by_its_beginning_or_its_words(li: Desk) -> None:
    await li.reply("Refund", "退款将在三天内到账", title="退款时间")
    await li.reply("re_open", "We open at nine.")
    await li.reply("shipping", "Your parcel is on its way: 100%")
    assert await li.sees("re") == ["re_open", "Refund"] or await li.sees("re") == ["Refund", "re_open"]
    assert await li.sees("REF") == ["Refund"]
    assert await li.sees("退款") == ["Refund"]
    assert await li.sees("三天") == ["Refund"]
    assert await li.sees("at NINE") == ["re_open"]
    assert await li.sees("0%") == ["shipping"]
    assert await li.sees("_") == []
    assert await li.sees("fund") == []


async def test_pages_hold_every_one_once(li: Desk, lead: Desk) -> None:
    names = [f"n{number:02}" for number in range(11)]
    for number, name in enumerate(names):
        await (lead if number % 2 else li).reply(name, shared=bool(number % 2))
    assert await li.sees(size=3) == names
    assert await lead.sees(size=2) == names[1::2]
    with pytest.raises(InvalidArgument, match="PAGE_TOKEN_INVALID"):
        await li.replies.ListQuickReplies(pb.ListQuickRepliesRequest(page_token="x"), metadata=li.me)


async def test_of_simultaneous_ones_with_one_name_one_is_made(start: Start, li: Desk) -> None:
    other = Desk(await start(), li.who)
    results = await asyncio.gather(
        *(desk.reply(name) for name in ("Hi", "hi", "HI") for desk in (li, other) * 2), return_exceptions=True
    )
    made = [one for one in results if isinstance(one, pb.QuickReply)]
    refused = [one for one in results if isinstance(one, AlreadyExists)]
    assert (len(made), len(refused)) == (1, 11)
    assert await li.sees() == [made[0].shortcut]


async def test_the_bounds_hold_under_simultaneous_ones(start: Start, li: Desk, lead: Desk) -> None:
    async with li.service.db.transaction() as tx:
        await tx.raw.execute(
            "INSERT INTO quick_replies SELECT gen_random_uuid(), 'a' || n, 'a' || n, '', 'x', false, $1, now() "
            "FROM generate_series(1, 498) n",
            li.who.id,
        )
        await tx.raw.execute(
            "INSERT INTO saved_views SELECT gen_random_uuid(), 'v' || n, true, $1, '', n "
            "FROM generate_series(1, 98) n",
            lead.who.id,
        )
    other_li, other_lead = Desk(await start(), li.who), Desk(await start(), lead.who)
    made = await asyncio.gather(
        *((li, other_li)[number % 2].reply(f"b{number}") for number in range(6)), return_exceptions=True
    )
    assert sum(isinstance(one, pb.QuickReply) for one in made) == 2
    assert all(isinstance(one, FailedPrecondition | pb.QuickReply) for one in made)
    views = await asyncio.gather(
        *((lead, other_lead)[number % 2].view(f"w{number}", shared=True) for number in range(6)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, pb.SavedView) for one in views) == 2
    own = await lead.view("own")
    with pytest.raises(FailedPrecondition, match="TOO_MANY"):
        await lead.change_view(own, shared=True)


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"shortcut": "two words"}, "shortcut"),
        ({"shortcut": "a/b"}, "shortcut"),
        ({"shortcut": "x" * 41}, "shortcut"),
        ({"shortcut": ""}, "shortcut"),
        ({"text": ""}, "text"),
        ({"text": " \n"}, "text"),
        ({"text": "x" * 5001}, "text"),
        ({"title": "x" * 101}, "title"),
    ],
)
async def test_wrong_quick_replies_are_refused_by_field(
    li: Desk, fields: dict[str, str], at_fault: str
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await li.reply(**{"shortcut": "ok", **fields})
    assert [one.field for one in refused.value.violations] == [at_fault]


async def test_views_keep_their_filter_and_place(li: Desk, wang: Desk, lead: Desk) -> None:
    filter_ = pb.ConversationFilter(
        states=[model_pb2.CONVERSATION_STATE_ACTIVE, model_pb2.CONVERSATION_STATE_QUEUED],
        assigned_to_me=True,
        queue_id=new_id(),
        priority=model_pb2.PRIORITY_URGENT,
        sort=conversation_pb2.CONVERSATION_SORT_WAITING,
    )
    mine = await li.view("等我回复", filter=filter_, position=2)
    assert (mine.filter, mine.position, mine.owner_id) == (filter_, 2, li.who.id)
    await lead.view("全部", shared=True, position=3)
    await lead.view("VIP", shared=True, position=1)
    assert await li.sees_views() == ["VIP", "等我回复", "全部"]
    assert await wang.sees_views() == ["VIP", "全部"]
    moved = await li.change_view(mine, position=9)
    assert (moved.filter, moved.name, moved.position) == (filter_, "等我回复", 9)
    emptied = await li.change_view(mine, filter=pb.ConversationFilter(), name=" Mine ")
    assert (emptied.filter, emptied.name) == (pb.ConversationFilter(), "Mine")
    assert await li.sees_views() == ["VIP", "全部", "Mine"]


async def test_views_of_others_and_shared_ones(li: Desk, wang: Desk, lead: Desk) -> None:
    mine = await li.view("Mine")
    shared = await lead.view("All", shared=True)
    with pytest.raises(PermissionDenied, match="PERMISSION_MISSING"):
        await li.view("x", shared=True)
    with pytest.raises(PermissionDenied, match="PERMISSION_MISSING"):
        await li.change_view(mine, shared=True)
    with pytest.raises(PermissionDenied, match="PERMISSION_MISSING"):
        await li.change_view(shared, name="x")
    for attempt in (wang, lead):
        with pytest.raises(NotFound, match="SAVED_VIEW_UNKNOWN"):
            await attempt.change_view(mine, name="x")
        with pytest.raises(NotFound, match="SAVED_VIEW_UNKNOWN"):
            await attempt.views.DeleteSavedView(
                pb.DeleteSavedViewRequest(saved_view_id=mine.id), metadata=attempt.me
            )
    with pytest.raises(InvalidArgument) as refused:
        await li.view(" ", filter=pb.ConversationFilter(queue_id="x"))
    assert "filter.queue_id" in [one.field for one in refused.value.violations]
    with pytest.raises(InvalidArgument):
        await li.views.CreateSavedView(pb.CreateSavedViewRequest(name="x"), metadata=li.me)
    await li.views.DeleteSavedView(pb.DeleteSavedViewRequest(saved_view_id=mine.id), metadata=li.me)
    assert await li.sees_views() == ["All"]


async def test_a_list_among_many_peoples_reads_its_own_rows(empty: Replica, li: Desk) -> None:
    async with empty.db.transaction() as tx:
        await tx.raw.execute(
            "INSERT INTO quick_replies SELECT gen_random_uuid(), 'a' || n, 'a' || n, '', 'x', n % 1000 = 0, "
            "('00000000-0000-4000-8000-' || lpad((n % 400)::text, 12, '0'))::uuid, now() FROM generate_series(1, 40000) n "
            "ON CONFLICT DO NOTHING"
        )
        await tx.raw.execute("ANALYZE quick_replies")
        plan = await tx.raw.fetch(
            "EXPLAIN SELECT id FROM quick_replies WHERE (shared OR (NOT shared AND owner_id = $1)) "
            "AND (shortcut_key, id) > ('', '00000000-0000-0000-0000-000000000000'::uuid) ORDER BY shortcut_key, id LIMIT 201",
            li.who.id,
        )
    text = "\n".join(row[0] for row in plan)
    assert "quick_replies_own" in text, text
    assert "quick_replies_shared" in text, text


async def test_labels_and_categories_get_another_name(service: Replica) -> None:
    boss = Staff("主管", SUPERVISOR_PERMISSIONS)
    taxonomy, me = service.taxonomy, service.as_(boss)
    first = await taxonomy.CreateLabel(
        conversation_pb2.CreateLabelRequest(name=f"a {new_id()}", color="#111111"), metadata=me
    )
    second = await taxonomy.CreateLabel(
        conversation_pb2.CreateLabelRequest(name=f"b {new_id()}"), metadata=me
    )
    red = await taxonomy.UpdateLabel(
        conversation_pb2.UpdateLabelRequest(label_id=first.id, color="#FF0000"), metadata=me
    )
    assert (red.name, red.color) == (first.name, "#FF0000")
    renamed = await taxonomy.UpdateLabel(
        conversation_pb2.UpdateLabelRequest(label_id=first.id, name=f" {first.name}! "), metadata=me
    )
    assert (renamed.name, renamed.color) == (f"{first.name}!", "#FF0000")
    with pytest.raises(AlreadyExists, match="LABEL_NAME_TAKEN"):
        await taxonomy.UpdateLabel(
            conversation_pb2.UpdateLabelRequest(label_id=first.id, name=second.name), metadata=me
        )
    with pytest.raises(InvalidArgument, match="INVALID_REQUEST"):
        await taxonomy.UpdateLabel(
            conversation_pb2.UpdateLabelRequest(label_id=first.id, name=" "), metadata=me
        )
    with pytest.raises(NotFound, match="LABEL_UNKNOWN"):
        await taxonomy.UpdateLabel(conversation_pb2.UpdateLabelRequest(label_id=new_id()), metadata=me)

    one = await taxonomy.CreateWrapUpCategory(
        conversation_pb2.CreateWrapUpCategoryRequest(name=f"a {new_id()}", position=4), metadata=me
    )
    two = await taxonomy.CreateWrapUpCategory(
        conversation_pb2.CreateWrapUpCategoryRequest(name=f"b {new_id()}"), metadata=me
    )
    moved = await taxonomy.UpdateWrapUpCategory(
        conversation_pb2.UpdateWrapUpCategoryRequest(wrap_up_category_id=one.id, position=0), metadata=me
    )
    assert (moved.name, moved.position) == (one.name, 0)
    with pytest.raises(AlreadyExists, match="CATEGORY_NAME_TAKEN"):
        await taxonomy.UpdateWrapUpCategory(
            conversation_pb2.UpdateWrapUpCategoryRequest(wrap_up_category_id=one.id, name=two.name),
            metadata=me,
        )
    with pytest.raises(NotFound, match="CATEGORY_UNKNOWN"):
        await taxonomy.UpdateWrapUpCategory(
            conversation_pb2.UpdateWrapUpCategoryRequest(wrap_up_category_id=new_id(), name="x"), metadata=me
        )
