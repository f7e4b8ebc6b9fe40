"""What a load run needs in a fresh copy: an inbox, a queue, agents who are there, contacts who write."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import Any

from tests.load.client import Api, Frame, Socket, text_content, visitor_id

_AT_ONCE = 8


@dataclass
class Pair:
    """A contact and the agent who has the contact's conversation, each on a socket."""

    contact: Socket
    agent: Socket
    conversation_id: str
    inbound: list[tuple[str, float]] = field(default_factory=list)


@dataclass
class Scene:
    """A queue with agents behind a web inbox without a bot."""

    admin: Api
    inbox_key: str
    queue_id: str
    password: str
    usernames: list[str]

    @classmethod
    async def set_up(cls, admin: Api, *, agents: int, name: str = "load", bot: bool = False) -> Scene:
        """Creates queue, inbox and `agents` users through the API."""
        password = secrets.token_urlsafe(16)
        mark = secrets.token_hex(3)
        queue = await admin.call("POST", "/api/v1/queues", {"name": f"{name} {mark}"})
        inbox = await admin.call(
            "POST",
            "/api/v1/inboxes",
            {
                "inbox": {
                    "name": f"{name} {mark}",
                    "channel": "web",
                    "enabled": True,
                    "bot_enabled": bot,
                    "queue_id": queue["id"],
                }
            },
        )
        limit = asyncio.Semaphore(_AT_ONCE)

        async def create(number: int) -> tuple[str, str]:
            username = f"{name}-{mark}-{number}"
            user = {
                "username": username,
                "display_name": f"agent {number}",
                "roles": ["agent"],
                "enabled": True,
            }
            async with limit:
                first = secrets.token_urlsafe(12)
                created = await admin.call("POST", "/api/v1/users", {"user": user, "password": first})
                await admin.replace_password(username, first, password)
            return username, created["user"]["id"]

        made = await asyncio.gather(*(create(number) for number in range(agents)))
        await admin.call(
            "PUT", f"/api/v1/queues/{queue['id']}/members", {"agent_ids": [user_id for _, user_id in made]}
        )
        return cls(
            admin=admin,
            inbox_key=inbox["inbox"]["key"],
            queue_id=queue["id"],
            password=password,
            usernames=[username for username, _ in made],
        )

    async def contact(self, on_frame: Any) -> tuple[Socket, str]:
        """A fresh contact's socket, and its token."""
        door = Api(self.admin.url)
        session = await door.call(
            "POST", "/api/v1/contact/sessions", {"inbox_key": self.inbox_key, "visitor_id": visitor_id()}
        )
        await door.close()
        return await Socket.open(self.admin.url, session["access_token"], on_frame), session["access_token"]

    async def agent(self, username: str, on_frame: Any) -> tuple[Socket, str]:
        """A signed-in agent's socket, online, and the user's id."""
        door = Api(self.admin.url)
        api = await door.sign_in(username, self.password)
        socket = await Socket.open(self.admin.url, api.token, on_frame)
        me = await api.call("GET", "/api/v1/me")
        await socket.ask("presence", presence="online")
        await api.close()
        await door.close()
        return socket, me["user"]["id"]

    async def pairs(self, count: int, on_contact: Any, on_agent: Any) -> list[Pair]:
        """`count` conversations, each with its contact's socket and its agent's.

        `on_contact(conversation_id, frame, arrived)` and `on_agent(...)` get what comes in.
        """
        limit = asyncio.Semaphore(_AT_ONCE)
        sockets: dict[str, Socket] = {}

        async def sign_in(username: str) -> None:
            async with limit:
                socket, user_id = await self.agent(
                    username, lambda frame, arrived: on_agent(_conversation_of(frame), frame, arrived)
                )
            sockets[user_id] = socket

        await asyncio.gather(*(sign_in(username) for username in self.usernames))

        async def begin(_: int) -> Pair:
            async with limit:
                contact, _token = await self.contact(
                    lambda frame, arrived: on_contact(_conversation_of(frame), frame, arrived)
                )
                first = await contact.ask(
                    "send", client_id=secrets.token_hex(8), content=text_content("hello")
                )
                conversation_id = first["conversation_id"]
                assignee = await self._assignee(conversation_id)
                await sockets[assignee].ask("subscribe", topic="conversation", id=conversation_id)
            return Pair(contact, sockets[assignee], conversation_id)

        return list(await asyncio.gather(*(begin(number) for number in range(count))))

    async def _assignee(self, conversation_id: str) -> str:
        for _ in range(600):
            conversation = await self.admin.call("GET", f"/api/v1/conversations/{conversation_id}")
            if conversation["state"] == "active":
                return str(conversation["assignee_id"])
            await asyncio.sleep(0.05)
        raise RuntimeError(f"conversation {conversation_id} got no agent within 30 s")


def _conversation_of(frame: Frame) -> str:
    return str(frame.get("id", "")) if frame.get("topic") == "conversation" else ""
