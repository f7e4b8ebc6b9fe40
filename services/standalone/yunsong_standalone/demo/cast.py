"""What the people of the story do, and how the story looks at what their screens show."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

from yunsong_standalone.demo.door import DemoFailed, Door, Frame, Screen
from yunsong_standalone.demo.stage import Person, Stage
from yunsong_standalone.demo.transcript import Transcript

_SETTLES_WITHIN_S = 20.0
_ASK_AGAIN_S = 0.2


class Cast:
    """A contact, two agents and a supervisor, each with what their screen was told."""

    def __init__(self, stage: Stage, transcript: Transcript) -> None:
        self._stage = stage
        self._script = stage.script
        self._show = transcript
        self._screens: list[Screen] = []
        self._doors: list[Door] = []
        self._contact: Door
        self._phone: Screen
        self._desk: Screen
        self._other_desk: Screen
        self._alerts: Screen
        self.conversation_id = ""

    async def leave(self) -> None:
        """Close every screen and door."""
        for screen in self._screens:
            await screen.close()
        for door in self._doors:
            await door.close()

    async def _screen(self, door: Door) -> Screen:
        screen = await Screen.open(door)
        self._screens.append(screen)
        return screen

    async def _at_work(self, person: Person) -> Screen:
        """The agent's desk: a socket, the feed, online."""
        desk = await self._screen(person.door)
        await desk.ask("subscribe", topic="feed", after_rev=0)
        await desk.ask("presence", presence="online")
        self._show.sees(person.name, "online")
        return desk

    async def _assigned(self, desk: Screen, person: Person) -> None:
        def is_assignment(frame: Frame) -> bool:
            item = (frame.get("data") or {}).get("work_item") or {}
            return item.get("conversation_id") == self.conversation_id and item.get("state") == "assigned"

        await desk.until(is_assignment, f"the assignment to {person.name}")

        async def active() -> Any:
            seen = await self._stage.admin.call("GET", f"/conversations/{self.conversation_id}")
            return seen if seen["state"] == "active" and seen.get("assignee_id") == person.id else None

        await self._settles(active, f"the conversation of {person.name}")
        await desk.ask("subscribe", topic="conversation", id=self.conversation_id, after_rev=0)
        self._show.sees(person.name, "has the conversation")

    async def _agent_says(self, desk: Screen, agent: Person, text: str) -> Any:
        await desk.ask(
            "send", conversation_id=self.conversation_id, client_id=new_id(), content=text_content(text)
        )
        self._show.says(agent.name, text)
        seen = await self._on_phone("message_posted", lambda m: said(m) == text, f"{text!r}")
        expect_same(seen["author_name"], agent.name, "the name that the contact sees")
        return seen

    async def _contact_says(self, text: str, desk: Screen) -> Any:
        await self._phone.ask(
            "send", conversation_id=self.conversation_id, client_id=new_id(), content=text_content(text)
        )
        self._show.says(self._script["contact"]["name"], text)
        return await self._on_desk(desk, text)

    async def _internal(
        self, desk: Screen, author: Person, text: str, reader: Screen, **members: object
    ) -> None:
        await desk.ask(
            "send",
            conversation_id=self.conversation_id,
            client_id=new_id(),
            content=text_content(text),
            visibility="internal",
            **members,
        )
        self._show.says(f"({author.name})", text)
        await self._on_desk(reader, text)

    async def _on_desk(self, desk: Screen, text: str) -> Any:
        data = await desk.event(
            self.conversation_id,
            "message_posted",
            lambda d: said(d["message"]) == text,
            f"{text!r} on a desk",
        )
        return data["message"]

    async def _on_phone(self, event: str, check: Callable[[Any], bool], what: str) -> Any:
        return await self._phone.event(self.conversation_id, event, check, what)

    async def _alert(self) -> Any:
        frame = await self._alerts.until(
            lambda frame: (
                frame.get("event") == "alert_raised"
                and frame["data"].get("alert", {}).get("conversation_id") == self.conversation_id
            ),
            "the live alert",
        )
        return frame["data"]["alert"]

    async def _contact_saw_nothing_internal(self, *internal: str) -> None:
        seen = await self._contact.call("GET", f"/contact/conversations/{self.conversation_id}/messages")
        texts = [said(message) for message in seen["messages"]]
        texts += [str(frame) for frame in self._phone.frames]
        for secret in internal:
            if any(secret in text for text in texts):
                raise DemoFailed(f"the contact sees what is internal: {secret!r}")
        self._show.sees(self._script["contact"]["name"], "no note and no whisper")

    async def _settles(self, find: Callable[[], Awaitable[Any]], what: str) -> Any:
        """What `find` gives once it gives something: facts reach reports a moment after they happened."""
        deadline = time.monotonic() + _SETTLES_WITHIN_S
        while True:
            found = await find()
            if found is not None:
                return found
            if time.monotonic() > deadline:
                raise DemoFailed(f"{what} did not come within {_SETTLES_WITHIN_S:g} s")
            await asyncio.sleep(_ASK_AGAIN_S)


def new_id() -> str:
    return secrets.token_hex(12)


def text_content(text: str) -> dict[str, Any]:
    return {"text": {"text": text}}


def said(message: dict[str, Any]) -> str:
    text = (message.get("content") or {}).get("text") or {}
    return str(text.get("text", ""))


def expect_same(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise DemoFailed(f"{what} is {found!r}, expected {wanted!r}")
