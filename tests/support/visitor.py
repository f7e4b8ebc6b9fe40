"""A contact at the public door, over REST: for tests whose subject is the other side."""

from __future__ import annotations

import secrets
from typing import Any

import httpx


class Visitor:
    """One visitor of one inbox; everything it writes goes into its one open conversation."""

    def __init__(self, url: str, inbox_key: str, *, name: str = "", locale: str = "zh-CN") -> None:
        self._client = httpx.Client(base_url=url, timeout=30)
        session = self._client.post(
            "/api/v1/contact/sessions", json={"inbox_key": inbox_key, "name": name, "locale": locale}
        )
        session.raise_for_status()
        self._client.headers["authorization"] = f"Bearer {session.json()['access_token']}"
        self.token: str = session.json()["access_token"]
        self.contact_id: str = session.json()["contact_id"]
        self.conversation_id = ""

    def write(self, text: str, **content: Any) -> str:
        """Writes a text, or another content by its kind; gives the message's id."""
        body = {"client_id": secrets.token_hex(12), "content": content or {"text": {"text": text}}}
        answer = self._client.post("/api/v1/contact/messages", json=body)
        answer.raise_for_status()
        message: dict[str, Any] = answer.json()
        message = message.get("message", message)
        self.conversation_id = message["conversation_id"]
        return str(message["id"])

    def ask_for_a_person(self) -> None:
        """Leaves the bot."""
        path = f"/api/v1/contact/conversations/{self.conversation_id}:request_agent"
        self._client.post(path, json={}).raise_for_status()

    def upload(self, name: str, content: bytes) -> dict[str, Any]:
        """Stores a file of one's own."""
        answer = self._client.post("/api/v1/files", params={"name": name}, content=content)
        answer.raise_for_status()
        stored: dict[str, Any] = answer.json()
        return stored

    def texts(self) -> list[str]:
        """The texts this visitor sees, oldest first."""
        answer = self._client.get(
            f"/api/v1/contact/conversations/{self.conversation_id}/messages", params={"page_size": 200}
        )
        answer.raise_for_status()
        messages = answer.json()["messages"]
        return [one["content"]["text"]["text"] for one in messages if (one["content"] or {}).get("text")]

    def mark_read(self) -> None:
        """Has read everything."""
        conversation = self._client.get(f"/api/v1/contact/conversations/{self.conversation_id}").json()
        path = f"/api/v1/contact/conversations/{self.conversation_id}:mark_read"
        self._client.post(path, json={"through_public_rev": conversation["public_rev"]}).raise_for_status()

    def close(self) -> None:
        """Ends the connection."""
        self._client.close()
