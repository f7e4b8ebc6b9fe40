"""An agent without a screen: online through a socket, working by REST, so that a visitor's page has somebody to talk to."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from websockets.sync.client import ClientConnection, connect

from tests.support.desk import Desk

_T = TypeVar("_T")
_WITHIN_S = 15.0
_EVERY_S = 0.1


class AgentSide:
    """A demo agent; `with` brings it online and takes it offline again."""

    def __init__(self, desk: Desk, user: str = "agent1") -> None:
        pair = desk.tokens(user)
        self._bearer = {"authorization": f"Bearer {pair['access_token']}"}
        self._id = pair["user"]["id"]
        self._url = desk.product.url
        self.rest = httpx.Client(base_url=self._url, headers=self._bearer, timeout=30)
        self._open = ExitStack()
        self._socket: ClientConnection | None = None

    def __enter__(self) -> Self:
        address = self._url.replace("http", "ws", 1) + "/api/v1/ws"
        # What nobody asks for stays unread; a bounded queue would stop the pings too.
        self._socket = self._open.enter_context(
            connect(address, additional_headers=self._bearer, max_queue=None)
        )
        self.ask("presence", presence="online")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._socket is not None
        for conversation_id in self._own():
            self.close(conversation_id)
        self.ask("presence", presence="offline")
        self._open.close()
        self.rest.close()

    def ask(self, kind: str, **members: object) -> dict[str, Any]:
        """Sends a frame and returns its `ack`."""
        assert self._socket is not None
        ref = secrets.token_hex(4)
        self._socket.send(json.dumps({"type": kind, "ref": ref, **members}))
        while True:
            frame: dict[str, Any] = json.loads(self._socket.recv(_WITHIN_S))
            if frame.get("ref") == ref:
                assert frame["type"] == "ack", frame
                return frame

    def conversation(self, text: str) -> str:
        """The agent's conversation in which the contact wrote this, once there is one."""
        return eventually(
            lambda: next((one for one in self._own() if text in self.texts(one)), ""),
            f"the agent was given no conversation with {text!r}",
        )

    def _own(self) -> list[str]:
        listed = self._get("/api/v1/conversations", page_size="50")["conversations"]
        return [one["id"] for one in listed if one["state"] == "active" and one["assignee_id"] == self._id]

    def say(self, conversation_id: str, text: str) -> dict[str, Any]:
        """Writes plain text."""
        return self.send(conversation_id, {"text": {"text": text}})

    def send(self, conversation_id: str, content: dict[str, Any]) -> dict[str, Any]:
        """Writes any content; returns the message."""
        body = {"client_id": secrets.token_hex(8), "content": content, "visibility": "public"}
        return self._post(f"/api/v1/conversations/{conversation_id}/messages", body)

    def read(self, conversation_id: str) -> None:
        """Marks everything as read."""
        head = self._get(f"/api/v1/conversations/{conversation_id}")["rev"]
        self._post(f"/api/v1/conversations/{conversation_id}:mark_read", {"through_rev": head})

    def recall(self, message: dict[str, Any]) -> None:
        """Takes a message back."""
        self._post(f"/api/v1/conversations/{message['conversation_id']}/messages/{message['id']}:recall", {})

    def close(self, conversation_id: str) -> None:
        """Ends the conversation."""
        self._post(f"/api/v1/conversations/{conversation_id}:close", {})

    def texts(self, conversation_id: str) -> list[str]:
        """Every text of the contact, in order."""
        listed = self._get(f"/api/v1/conversations/{conversation_id}/messages", page_size="200")["messages"]
        return [
            one["content"]["text"]["text"]
            for one in listed
            if one["author"]["kind"] == "contact" and "text" in (one["content"] or {})
        ]

    def _get(self, path: str, **query: str) -> dict[str, Any]:
        answer = self.rest.get(path, params=query)
        answer.raise_for_status()
        return dict(answer.json())

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.rest.post(path, json=body)
        assert answer.is_success, answer.text
        return dict(answer.json())


def eventually(look: Callable[[], _T], otherwise: str) -> _T:
    """What `look` gives as soon as it gives something. Raises AssertionError after 15 seconds."""
    until = time.monotonic() + _WITHIN_S
    while True:
        if found := look():
            return found
        assert time.monotonic() < until, otherwise
        time.sleep(_EVERY_S)
