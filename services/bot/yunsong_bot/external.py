"""A bot of the business's own, over HTTP.

The request is a POST of JSON, signed as Standard Webhooks (https://www.standardwebhooks.com) describe:

    webhook-id: <message id>
    webhook-timestamp: <seconds since the epoch>
    webhook-signature: v1,<base64 of the HMAC-SHA-256 of "id.timestamp.body">

    {"type": "bot.question", "conversation_id": …, "message_id": …, "inbox_id": …, "channel": …, "locale": …,
     "text": …, "misses": …}

The answer is JSON, at most 64 KiB: {"kind": "answer", "text": …, "buttons": […]}, {"kind": "handoff",
"text": …, "queue_id": …} or {"kind": "pass"}, which lets the built-in skills answer. Anything else, and no
answer in time, is a handoff.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import Literal

import httpx
from pydantic import BaseModel, Field, ValidationError

from yunsong_bot.addresses import AddressRefused, public_address
from yunsong_plugin_api import Answer, Handoff, NextSkill, SkillContext, SkillResult

BYO_BOT = "byo_bot"
_MAX_ANSWER = 64 * 1024
_UUID = r"^$|^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


class ExternalAnswer(BaseModel):
    """What the bot of one's own may answer."""

    kind: Literal["answer", "handoff", "pass"]
    text: str = Field(default="", max_length=10_000)
    buttons: list[str] = Field(default_factory=list, max_length=5)
    queue_id: str = Field(default="", pattern=_UUID)


class ExternalBotFailed(Exception):
    """It did not answer in time, or not as agreed; the text says which."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the bot of one's own is asked."""

    message_id: str
    context: SkillContext
    misses: int


class ExternalBot:
    """Asks over HTTP. Follows no redirect: only the address that was configured gets what contacts write."""

    def __init__(self, client: httpx.AsyncClient, *, timeout_s: float, allow_private: bool = False) -> None:
        self._client = client
        self._allow_private = allow_private
        self._timeout_s = timeout_s

    async def ask(self, url: str, secret: str, question: Question) -> SkillResult:
        """Raises `ExternalBotFailed`."""
        body = _body(question)
        try:
            async with asyncio.timeout(self._timeout_s):
                raw = await self._post(url, body, signed(secret, question.message_id, int(time.time()), body))
        except TimeoutError:
            raise ExternalBotFailed(f"no answer within {self._timeout_s:g} s") from None
        except AddressRefused as error:
            raise ExternalBotFailed(str(error)) from error
        except httpx.HTTPError as error:
            raise ExternalBotFailed(type(error).__name__) from error
        try:
            return _result(ExternalAnswer.model_validate_json(raw))
        except ValidationError as error:
            raise ExternalBotFailed(f"an answer with {error.error_count()} errors") from error

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> bytes:
        target, extensions = httpx.URL(url), {}
        if not self._allow_private:
            # To the address that was checked: a name cannot change its mind in between. TLS still verifies the name.
            address = await public_address(url)
            headers = {**headers, "host": target.netloc.decode()}
            extensions = {"sni_hostname": target.host}
            target = target.copy_with(host=address)
        async with self._client.stream(
            "POST", target, content=body, headers=headers, extensions=extensions
        ) as response:
            if response.status_code != httpx.codes.OK:
                raise ExternalBotFailed(f"status {response.status_code}")
            received = bytearray()
            async for chunk in response.aiter_bytes():
                received += chunk
                if len(received) > _MAX_ANSWER:
                    raise ExternalBotFailed(f"an answer of more than {_MAX_ANSWER} bytes")
        return bytes(received)


def signed(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a request. A secret that starts with "whsec_" is base64, any other is taken as it is."""
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    mac = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


def _body(question: Question) -> bytes:
    context = question.context
    fields = {
        "type": "bot.question",
        "conversation_id": context.conversation_id,
        "message_id": question.message_id,
        "inbox_id": context.inbox_id,
        "channel": context.channel,
        "locale": context.locale,
        "text": context.text,
        "misses": question.misses,
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def _result(answer: ExternalAnswer) -> SkillResult:
    if answer.kind == "answer" and answer.text.strip():
        return Answer(answer.text, suggestions=tuple(answer.buttons), source=BYO_BOT)
    if answer.kind == "pass":
        return NextSkill()
    return Handoff(BYO_BOT, text=answer.text, queue_id=answer.queue_id)
