"""A contact writes, the bot answers, once, through every disturbance."""

from __future__ import annotations

import asyncio

from tests.integration.bot.conftest import Field
from tests.integration.bot.conversation_double import QUEUED, Thread
from tests.support.polling import eventually
from yunsong.bot.v1 import bot_pb2
from yunsong.conversation.v1 import message_pb2


async def heard(thread: Thread, count: int, *, within_s: float = 15) -> list[str]:
    await eventually(lambda: len(thread.bot_messages()) >= count, within_s=within_s, what=f"{count} replies")
    return thread.bot_texts()


async def test_a_known_question_in_other_words_is_answered(bots: Field) -> None:
    await bots.stock(await bots.start())
    thread = bots.conversation.begin()
    await bots.conversation.contact_writes(thread, "你好，请问什么时候能发货呀")
    assert await heard(thread, 1) == ["付款后当天发出。"]
    reply = thread.bot_messages()[0]
    assert reply.metadata["kind"] == "answer"
    score = reply.metadata["score"]
    assert isinstance(score, float)
    assert score > 0.5


async def test_a_request_for_a_person_is_followed(bots: Field) -> None:
    await bots.stock(await bots.start())
    thread = bots.conversation.begin()
    await bots.conversation.contact_writes(thread, "human please")
    await eventually(lambda: thread.state == QUEUED, what="the handoff")
    assert "connecting you" in thread.bot_texts()[0]
    assert thread.handoffs[0].reason == "contact_asked"
    assert "human please" in thread.handoffs[0].summary


async def test_two_misses_hand_off(bots: Field) -> None:
    await bots.stock(await bots.start())
    thread = bots.conversation.begin()
    await bots.conversation.contact_writes(thread, "明天会下雨吗")
    await heard(thread, 1)
    await bots.conversation.contact_writes(thread, "讲个笑话")
    await heard(thread, 2)
    await eventually(lambda: thread.state == QUEUED, what="the handoff")
    assert thread.handoffs[0].reason == "bot_missed"


async def test_a_picture_is_a_miss_with_a_word_about_it(bots: Field) -> None:
    await bots.stock(await bots.start())
    thread = bots.conversation.begin()
    picture = message_pb2.Content(image=message_pb2.FileContent(file_id=thread.id))
    await bots.conversation.contact_writes(thread, content=picture)
    assert "文字" in (await heard(thread, 1))[0]


async def test_candidates_are_offered_as_buttons_and_a_pressed_one_is_answered(bots: Field) -> None:
    replica = await bots.start()
    await bots.stock(replica)

    async def use(answer: float, suggest: float) -> None:
        settings = bot_pb2.BotSettings(answer_threshold=answer, suggest_threshold=suggest)
        request = bot_pb2.UpdateBotSettingsRequest(settings=settings)
        request.update_mask.paths.extend(["answer_threshold", "suggest_threshold"])
        await replica.knowledge.UpdateBotSettings(request, metadata=replica.staff())

    thread = bots.conversation.begin()

    async def offered() -> bool:
        await bots.conversation.contact_writes(thread, "大概什么时候会给我发货呢")
        await heard(thread, len(thread.messages) - len(thread.bot_messages()))
        return thread.bot_messages()[-1].content.WhichOneof("kind") == "buttons"

    await use(0.99, 0.1)
    try:
        await eventually(offered, what="an offer under the new thresholds")
        buttons = thread.bot_messages()[-1].content.buttons.buttons
        assert "下单后多久发货？" in [button.label for button in buttons]
        asked = bots.conversation.begin()
        await bots.conversation.contact_writes(asked, "下单后多久发货？")
        assert await heard(asked, 1) == ["付款后当天发出。"]
    finally:
        await use(0.5, 0.3)


async def test_what_is_not_the_bots_is_left_alone(bots: Field) -> None:
    await bots.stock(await bots.start())
    queued, own = bots.conversation.begin(QUEUED), bots.conversation.begin()
    await bots.conversation.contact_writes(queued, "什么时候发货")
    await bots.conversation.contact_writes(own, "什么时候发货")
    await heard(own, 1)
    assert queued.bot_messages() == []


async def test_a_reply_whose_acknowledgement_is_lost_is_heard_once(bots: Field) -> None:
    """As when the bot dies between answering and acknowledging: the event comes again."""
    await bots.stock(await bots.start())
    thread = bots.conversation.begin()
    bots.conversation.lose_answers = 2
    await bots.conversation.contact_writes(thread, "转人工")
    await eventually(lambda: thread.state == QUEUED, within_s=30, what="the handoff")
    assert len(thread.bot_messages()) == 1
    assert len(thread.handoffs) == 1


async def test_a_reply_that_was_said_in_other_words_before_stands(bots: Field) -> None:
    """As when an upgrade changes a sentence between the reply and its acknowledgement."""
    await bots.stock(await bots.start())
    thread = bots.conversation.begin()
    bots.conversation.lose_answers = 1
    bots.conversation.reword = "请稍等"
    await bots.conversation.contact_writes(thread, "转人工")
    await eventually(lambda: thread.state == QUEUED, within_s=30, what="the handoff")
    assert thread.bot_texts() == ["请稍等"]


async def test_a_published_again_event_is_not_answered_again(bots: Field) -> None:
    """The same message under another event id, as a replay would bring it."""
    await bots.stock(await bots.start())
    thread, other = bots.conversation.begin(), bots.conversation.begin()
    first = await bots.conversation.contact_writes(thread, "明天会下雨吗")
    await heard(thread, 1)
    await bots.conversation.publish(thread, first)
    await bots.conversation.contact_writes(other, "什么时候发货")
    await heard(other, 1)
    await bots.conversation.contact_writes(thread, "Where is my package?")
    assert await heard(thread, 2) == [thread.bot_texts()[0], "Open My orders."]


async def test_two_replicas_and_one_that_goes_answer_everything_once(bots: Field) -> None:
    staying, going = await bots.start(), await bots.start()
    await bots.stock(staying)
    threads = [bots.conversation.begin() for _ in range(40)]

    async def talk(thread: Thread) -> None:
        for number in range(3):
            await bots.conversation.contact_writes(
                thread, ("什么时候发货", "退款多久到账", "Where is my package?")[number]
            )

    async with asyncio.TaskGroup() as group:
        for thread in threads:
            group.create_task(talk(thread))
        await eventually(lambda: bots.conversation.appended >= 20, what="the first answers")
        await bots.stop(going)
    for thread in threads:
        texts = await heard(thread, 3, within_s=60)
        assert sorted(texts) == sorted(["付款后当天发出。", "验收后 24 小时内退款。", "Open My orders."])


async def test_an_erased_contact_leaves_no_dialogue(bots: Field, service_database: object) -> None:
    await bots.stock(await bots.start())
    database = await service_database("bot")  # type: ignore[operator]
    thread = bots.conversation.begin()
    await bots.conversation.contact_writes(thread, "明天会下雨吗")
    await heard(thread, 1)

    async def dialogues() -> int:
        async with database.read() as tx:
            found: int = await tx.raw.fetchval(
                "SELECT count(*) FROM dialogues WHERE conversation_id::text = $1", thread.id
            )
            return found

    assert await dialogues() == 1
    await bots.conversation.erase(thread)

    async def gone() -> bool:
        return await dialogues() == 0

    await eventually(gone, what="the erasure")


async def test_an_external_bot_that_does_not_answer_hands_off(bots: Field) -> None:
    replica = await bots.start(external_bot_allow_private=True)
    await bots.stock(replica)

    async def use(url: str) -> None:
        request = bot_pb2.UpdateBotSettingsRequest(settings=bot_pb2.BotSettings(external_bot_url=url))
        request.update_mask.paths.append("external_bot_url")
        await replica.knowledge.UpdateBotSettings(request, metadata=replica.staff())

    async def handed_off() -> bool:
        thread = bots.conversation.begin()
        await bots.conversation.contact_writes(thread, "什么时候发货")
        await heard(thread, 1)
        return [handoff.reason for handoff in thread.handoffs] == ["byo_bot"]

    await use("http://127.0.0.1:9/bot")
    try:
        await eventually(handed_off, what="a handoff by the new settings")
    finally:
        await use("")
