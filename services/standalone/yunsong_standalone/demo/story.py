"""The main job: a contact asks, the bot answers, people take over, the conversation is judged and reported."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from yunsong_standalone.demo.cast import Cast, expect_same, new_id, said, text_content
from yunsong_standalone.demo.door import DemoFailed, Door, Screen
from yunsong_standalone.demo.stage import Person

_CSAT = 5


class Story(Cast):
    """Plays on a stage; every step checks what each side sees, and raises DemoFailed when it is not so."""

    async def play(self) -> None:
        try:
            await self._bot_answers()
            await self._handoff()
            await self._first_agent_answers()
            await self._supervised_transfer()
            await self._wrap_up_and_rating()
            await self._inspection()
            await self._report()
        finally:
            await self.leave()

    async def _bot_answers(self) -> None:
        self._show.chapter("1. A contact asks, in other words than the knowledge base, and the bot answers")
        contact = self._script["contact"]
        async with Door(self._stage.admin.url) as nobody:
            session = await nobody.call(
                "POST",
                "/contact/sessions",
                {"inbox_key": self._stage.inbox_key, "name": contact["name"], "locale": "zh-CN"},
            )
        self._contact = Door(self._stage.admin.url, session["access_token"])
        self._doors.append(self._contact)
        self._phone = await self._screen(self._contact)
        sent = await self._phone.ask("send", client_id=new_id(), content=text_content(contact["question"]))
        self.conversation_id = sent["conversation_id"]
        self._show.says(contact["name"], contact["question"])
        answer = await self._on_phone(
            "message_posted", lambda m: m["author_kind"] == "bot", "the bot's answer"
        )
        self._show.says("bot", said(answer))
        expect_same(said(answer), self._script["knowledge"]["answer"], "the bot's answer")

    async def _handoff(self) -> None:
        self._show.chapter("2. The contact asks for a person and sees its place in the queue")
        contact = self._script["contact"]
        await self._phone.ask(
            "send",
            conversation_id=self.conversation_id,
            client_id=new_id(),
            content=text_content(contact["handoff"]),
        )
        self._show.says(contact["name"], contact["handoff"])
        place = await self._on_phone(
            "queue_position", lambda p: p.get("position", 0) >= 1, "the place in the queue"
        )
        wait = (
            f"about {place.get('estimated_wait_s', 0)} s" if place.get("estimate_known") else "not known yet"
        )
        self._show.sees(contact["name"], f"place {place['position']} in the queue, estimated wait {wait}")

    async def _first_agent_answers(self) -> None:
        self._show.chapter("3. The router finds who has the skill; the agent sees the history and answers")
        agent, other = self._stage.first_agent, self._stage.second_agent
        self._other_desk = await self._at_work(other)
        desk = await self._at_work(agent)
        await self._assigned(desk, agent)
        history = await agent.door.call("GET", f"/conversations/{self.conversation_id}/messages")
        texts = [said(message) for message in history["messages"]]
        for wanted in (self._script["contact"]["question"], self._script["knowledge"]["answer"]):
            if wanted not in texts:
                raise DemoFailed(f"{agent.name} does not see {wanted!r} in the history: {texts}")
        self._show.sees(agent.name, f"the history, {len(texts)} entries")
        await self._typing_and_read_marks(desk, agent)
        self._desk = desk

    async def _typing_and_read_marks(self, desk: Screen, agent: Person) -> None:
        contact = self._script["contact"]
        await desk.ask("typing", conversation_id=self.conversation_id)
        await self._on_phone("typing", lambda t: t.get("active", False), "that the agent types")
        self._show.sees(contact["name"], f"{agent.name} is typing")
        greeting = self._script["first_agent"]["greeting"]
        sent = await self._agent_says(desk, agent, greeting)
        read = await self._phone.ask(
            "read", conversation_id=self.conversation_id, through_rev=sent["public_rev"]
        )
        if int(read["rev"]) < int(sent["public_rev"]):
            raise DemoFailed(f"the contact's read mark stayed at {read['rev']}, wanted {sent['public_rev']}")
        await desk.event(self.conversation_id, "messages_read", lambda _: True, "the contact's read mark")
        self._show.sees(agent.name, "the contact has read it")
        await self._phone.ask("typing", conversation_id=self.conversation_id)
        await desk.event(
            self.conversation_id,
            "typing",
            lambda t: t["actor"]["kind"] == "contact",
            "that the contact types",
        )
        self._show.sees(agent.name, f"{contact['name']} is typing")
        reply = await self._contact_says(contact["typing_reply"], desk)
        await desk.ask("read", conversation_id=self.conversation_id, through_rev=reply["rev"])
        await self._on_phone("agent_read_public_rev", lambda _: True, "the agent's read mark")
        self._show.sees(contact["name"], "the agent has read it")

    async def _supervised_transfer(self) -> None:
        self._show.chapter("4. A note, a supervisor who watches and whispers, a transfer to the other queue")
        supervisor, agent, other = (
            self._stage.supervisor,
            self._stage.first_agent,
            self._stage.second_agent,
        )
        watch = await self._screen(supervisor.door)
        await watch.ask("subscribe", topic="conversation", id=self.conversation_id)
        self._alerts = watch
        await watch.ask("subscribe", topic="alerts")
        note = self._script["first_agent"]["note"]
        await self._internal(self._desk, agent, note, watch)
        whisper = self._script["supervisor"]["whisper"]
        await self._internal(watch, supervisor, whisper, self._desk, whisper=True)
        await agent.door.call(
            "POST",
            f"/conversations/{self.conversation_id}:transfer",
            {"queue_id": self._stage.second_queue, "note": self._script["first_agent"]["transfer_note"]},
        )
        self._show.sees(agent.name, f"transferred to {self._script['queues']['second']}")
        desk = self._other_desk
        await self._assigned(desk, other)
        await self._contact_says(self._script["contact"]["after_transfer"], desk)
        for text in ("greeting", "forbidden", "apology"):
            await self._agent_says(desk, other, self._script["second_agent"][text])
        alert = await self._alert()
        self._show.sees(supervisor.name, f"a live alert: {alert['hit']['matched']!r}")
        await self._contact_saw_nothing_internal(note, whisper)

    async def _wrap_up_and_rating(self) -> None:
        self._show.chapter("5. The agent closes with a category, the contact rates")
        agent, contact = self._stage.second_agent, self._script["contact"]
        await agent.door.call(
            "POST",
            f"/conversations/{self.conversation_id}:close",
            {
                "wrap_up_category_id": self._stage.category_id,
                "summary": self._script["second_agent"]["summary"],
            },
        )
        self._show.sees(agent.name, f"closed as {self._script['category']}")
        await self._on_phone(
            "conversation_changed", lambda c: bool(c.get("can_rate")), "that the contact may rate"
        )
        rated = await self._contact.call(
            "POST",
            f"/contact/conversations/{self.conversation_id}:rate",
            {"score": _CSAT, "comment": contact["comment"]},
        )
        expect_same(rated["csat_score"], _CSAT, "the rating")
        self._show.says(contact["name"], f"{'★' * _CSAT} {contact['comment']}")

    async def _inspection(self) -> None:
        self._show.chapter("6. The closed conversation is inspected at once")
        wanted = 100 - self._script["scorecard"]["points"]
        found = await self._settles(self._find_inspection, "the inspection")
        expect_same(found["score"], wanted, "the inspection's score")
        self._show.sees("qa", f"score {found['score']}, {found['scorecard_name']}")
        for hit in found["hits"]:
            self._show.sees("qa", f"{hit['rule_name']}: {hit['matched']!r} in message {hit['message_id']}")

    async def _report(self) -> None:
        self._show.chapter("7. The report shows it")
        figures = await self._settles(self._find_figures, "the conversation's figures in the report")
        for name in ("wait_s", "first_response_s", "handling_s"):
            if figures.get(name) is None:
                raise DemoFailed(f"the report has no {name}: {figures}")
        self._show.sees(
            "report",
            f"wait {figures['wait_s']:.1f} s, first response {figures['first_response_s']:.1f} s, "
            f"handling {figures['handling_s']:.1f} s, CSAT {figures['csat_score']}, "
            f"inspection {figures['inspection_score']}",
        )
        now = datetime.now(UTC)
        summary = await self._stage.admin.call(
            "GET",
            "/reports/summary",
            **{
                "from": (now - timedelta(days=1)).isoformat(),
                "to": (now + timedelta(minutes=1)).isoformat(),
                "queue_id": self._stage.second_queue,
            },
        )
        row = summary["rows"][0]
        expect_same(row["conversations"], 1, "conversations in the queue's report")
        self._show.sees(
            "report", f"the queue today: {row['conversations']} conversation, CSAT {row['csat_avg']:.1f}"
        )

    async def _find_inspection(self) -> Any:
        found = await self._stage.admin.call("GET", "/qa/inspections", conversation_id=self.conversation_id)
        own = f"{self._script['scorecard']['name']} {self._stage.mark}"
        return next((one for one in found["inspections"] if one["scorecard_name"] == own), None)

    async def _find_figures(self) -> Any:
        found = await self._stage.admin.call(
            "GET", "/reports/conversations", conversation_id=self.conversation_id
        )
        figures: dict[str, Any] = next(iter(found.get("conversations", ())), {})
        complete = figures.get("csat_score") == _CSAT and figures.get("inspection_score") is not None
        return figures if complete else None
