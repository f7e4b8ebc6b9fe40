"""A contact at the public door, over REST: for tests whose subject is the other side."""

from __future__ import annotations

import secrets
from typing import Any

import httpx


class Visitor:
    """One visitor of one inbox; everything it writes goes into its one open conversation."""

    def __init__(self, url: str, inbox_key: str, *, name: str = "", locale: str = "zh-CN") -> None:
        self._url = url
        self.token = ""
        asked = {"inbox_key": inbox_key, "name": name, "locale": locale}
        session = self._call("POST", "/api/v1/contact/sessions", json=asked)
        self.token = session["access_token"]
        self.contact_id: str = session["contact_id"]
        self.conversation_id = ""

    def write(self, text: str, **content: Any) -> str:
        """Writes a text, or another content by its kind; gives the message's id."""
        body = {"client_id": secrets.token_hex(12), "content": content or {"text": {"text": text}}}
        message = self._call("POST", "/api/v1/contact/messages", json=body)
        message = message.get("message", message)
        self.conversation_id = message["conversation_id"]
        return str(message["id"])

    def ask_for_a_person(self) -> None:
        """Leaves the bot."""
        self._call("POST", f"{self._path}:request_agent", json={})

    def upload(self, name: str, content: bytes) -> dict[str, Any]:
        """Stores a file of one's own."""
        return self._call("POST", "/api/v1/files", params={"name": name}, content=content)

    def texts(self) -> list[str]:
        """The texts this visitor sees, oldest first."""
        messages = self._call("GET", f"{self._path}/messages", params={"page_size": 200})["messages"]
        return [one["content"]["text"]["text"] for one in messages if (one["content"] or {}).get("text")]

    def mark_read(self) -> None:
        """Has read everything."""
        head = self._call("GET", self._path)["public_rev"]
        self._call("POST", f"{self._path}:mark_read", json={"through_public_rev": head})

    @property
    def _path(self) -> str:
        return f"/api/v1/contact/conversations/{self.conversation_id}"

    def _call(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        answer = httpx.request(method, self._url + path, headers=headers, timeout=30, **request)
        answer.raise_for_status()
        body: dict[str, Any] = answer.json()
        return body
