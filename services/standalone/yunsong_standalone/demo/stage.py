"""What the story needs, made for it alone and taken away after: so it plays the same on an empty copy and a busy one."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from yunsong_standalone.demo.door import DemoFailed, Door

Script = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Person:
    """A member of staff who is signed in."""

    id: str
    name: str
    door: Door


class Stage:
    """Queues, people, an inbox, knowledge and a scorecard under names of their own."""

    def __init__(self, admin: Door, script: Script) -> None:
        self.admin = admin
        self.script = script
        self.mark = secrets.token_hex(3)
        self.first_queue = self.second_queue = self.inbox_key = self.category_id = ""
        self.first_agent: Person
        self.second_agent: Person
        self.supervisor: Person
        self._undo: list[Callable[[], Awaitable[object]]] = []

    async def __aenter__(self) -> Self:
        try:
            await self._build()
        except BaseException:
            await self._take_down()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._take_down()

    async def _build(self) -> None:
        script = self.script
        self.first_agent = await self._person(script["first_agent"]["name"], "agent", "a")
        self.second_agent = await self._person(script["second_agent"]["name"], "agent", "b")
        self.supervisor = await self._person(script["supervisor"]["name"], "supervisor", "s")
        await self._skill()
        self.first_queue = await self._queue(script["queues"]["first"], {script["skill"]["name"]: 3})
        self.second_queue = await self._queue(script["queues"]["second"], {})
        # The second agent serves the first queue too, but lacks its skill.
        await self._members(self.first_queue, self.first_agent, self.second_agent)
        await self._members(self.second_queue, self.second_agent)
        await self._inbox()
        await self._knowledge()
        await self._category()
        await self._scorecard()

    async def _take_down(self) -> None:
        """In reverse; what cannot be removed, such as what the conversation still names, stays and does no harm."""
        for undo in reversed(self._undo):
            try:
                await undo()
            except DemoFailed:
                continue
        self._undo.clear()

    def _later(self, method: str, path: str, body: object = None) -> None:
        self._undo.append(lambda: self.admin.call(method, path, body))

    async def _person(self, name: str, role: str, letter: str) -> Person:
        username = f"demo-{self.mark}-{letter}"
        user = {"username": username, "display_name": name, "roles": [role], "enabled": True}
        made = await self.admin.call("POST", "/users", {"user": user})
        user_id = made["user"]["id"]
        self._later("PATCH", f"/users/{user_id}", {"user": {"enabled": False}, "update_mask": "enabled"})
        door = await sign_in(self.admin.url, username, made["password"])
        self._undo.append(door.close)
        skills = {self.script["skill"]["name"]: 5} if letter == "a" else {}
        await self.admin.call(
            "PUT",
            f"/agents/{user_id}",
            {"name": name, "capacity": 3, "skills": {"levels": skills}, "enabled": True},
        )
        return Person(user_id, name, door)

    async def _skill(self) -> None:
        skill = self.script["skill"]
        await self.admin.call("PUT", f"/skills/{skill['name']}", {"description": skill["description"]})

    async def _queue(self, name: str, required_skills: dict[str, int]) -> str:
        queue = {"name": f"{name} {self.mark}", "last_agent_s": 60, "required_skills": required_skills}
        made = await self.admin.call("POST", "/queues", queue)
        self._later("DELETE", f"/queues/{made['id']}")
        return str(made["id"])

    async def _members(self, queue_id: str, *people: Person) -> None:
        await self.admin.call(
            "PUT", f"/queues/{queue_id}/members", {"agent_ids": [person.id for person in people]}
        )

    async def _inbox(self) -> None:
        inbox = {
            "name": f"demo {self.mark}",
            "channel": "web",
            "enabled": True,
            "bot_enabled": True,
            "queue_id": self.first_queue,
        }
        made = await self.admin.call("POST", "/inboxes", {"inbox": inbox})
        self.inbox_key = made["inbox"]["key"]
        self._later("DELETE", f"/inboxes/{made['inbox']['id']}")

    async def _knowledge(self) -> None:
        known = self.script["knowledge"]
        entry = {
            "question": known["question"],
            "similar_questions": known["similar"],
            "answer": known["answer"],
            "locale": "zh-CN",
            "enabled": True,
        }
        made = await self.admin.call("POST", "/knowledge/entries", entry)
        self._later("DELETE", f"/knowledge/entries/{made['id']}")

    async def _category(self) -> None:
        made = await self.admin.call(
            "POST", "/wrap_up_categories", {"name": f"{self.script['category']} {self.mark}"}
        )
        self.category_id = made["id"]
        self._later("DELETE", f"/wrap_up_categories/{made['id']}")

    async def _scorecard(self) -> None:
        rule, card = self.script["rule"], self.script["scorecard"]
        made = await self.admin.call(
            "POST",
            "/qa/rules",
            {
                "name": f"{rule['name']} {self.mark}",
                "speaker": "agent",
                "live_alert": True,
                "phrase": {"phrases": [rule["phrase"]]},
            },
        )
        self._later("DELETE", f"/qa/rules/{made['id']}")
        item = {"title": card["item"], "rule_id": made["id"], "points": card["points"]}
        scorecard = {
            "name": f"{card['name']} {self.mark}",
            "items": [item],
            "automatic": True,
            "queue_ids": [self.first_queue, self.second_queue],
        }
        made = await self.admin.call("POST", "/qa/scorecards", scorecard)
        self._later("DELETE", f"/qa/scorecards/{made['id']}")


async def sign_in(url: str, username: str, password: str) -> Door:
    """A door as this user, who first replaces a password that must be replaced."""
    async with Door(url) as nobody:
        session = await nobody.call("POST", "/sessions", {"username": username, "password": password})
        if session["user"].get("password_change_required"):
            fresh = secrets.token_urlsafe(18)
            async with Door(url, session["access_token"]) as self_service:
                await self_service.call(
                    "POST", "/me:change_password", {"current_password": password, "new_password": fresh}
                )
            session = await nobody.call("POST", "/sessions", {"username": username, "password": fresh})
    return Door(url, session["access_token"])
