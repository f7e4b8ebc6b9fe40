"""The `api` channel: a business's own app or server. Messages come in by REST and go out by a signed webhook.

The webhook is a CloudEvents 1.0 event (structured JSON) signed as Standard Webhooks says: the receiver checks
`webhook-signature` over `webhook-id.webhook-timestamp.body`, and drops a `webhook-id` that it has seen.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import email.utils
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from standardwebhooks import Webhook

from yunsong_channel_adapter.channels.checks import identity_secret_problems, url_problem
from yunsong_plugin_api import (
    ChannelError,
    ChannelInbox,
    Credentials,
    HttpCall,
    HttpReply,
    HttpRequest,
    Outbound,
    SecretFormat,
    Sent,
    WebhookResult,
)

_KINDS = ("text", "image", "file", "audio", "video", "location", "card", "buttons", "form", "system")
_CREDENTIALS = frozenset({"webhook_secret", "identity_secret"})
# Standard Webhooks: 24 to 64 bytes.
_MIN_KEY, _MAX_KEY = 24, 64


class ApiChannel:
    """A business's own app or server."""

    api_version = "1.0"
    kind = "api"
    sends = frozenset(_KINDS)
    idempotent = True
    rest_inbound = True
    config_schema: Mapping[str, Any] = {
        "type": "object",
        "properties": {
            "url": {
                "type": "string",
                "format": "uri",
                "maxLength": 2000,
                "description": "Where messages to contacts are sent by POST.",
            }
        },
        "required": ["url"],
        "additionalProperties": False,
    }
    credentials_schema: Mapping[str, Any] = {
        "type": "object",
        "properties": {
            "webhook_secret": {
                "type": "string",
                "pattern": "^whsec_[A-Za-z0-9+/]+=*$",
                "description": "Signs the webhooks; made when it is left out.",
            },
            "identity_secret": {
                "type": "string",
                "minLength": 32,
                "description": "Proves who an app's user is; made when it is left out.",
            },
        },
        "additionalProperties": False,
    }
    secrets: Mapping[str, SecretFormat] = {"webhook_secret": "standard_webhooks", "identity_secret": "hex"}

    def check(self, config: Mapping[str, Any], credentials: Credentials) -> Sequence[tuple[str, str]]:
        """The address and the form of the secrets."""
        return [
            *((f"config.{name}", "the api channel has no such setting") for name in config if name != "url"),
            *_url_problems(config),
            *identity_secret_problems(credentials, _CREDENTIALS),
            *_signing_problems(credentials),
        ]

    def receive(self, request: HttpRequest, inbox: ChannelInbox) -> WebhookResult:
        """Refuses: messages come in by the REST API, with an API key."""
        del request, inbox
        raise ChannelError(
            "an api inbox has no webhook; use POST /api/v1/inboxes/{inbox_id}/messages", permanent=True
        )

    def send(self, message: Outbound, inbox: ChannelInbox, http: HttpCall) -> Sent:
        """Posts the message.

        2xx is taken; 4xx but 408 and 429 is refused for good; the rest is tried again.
        """
        body = json.dumps(_event(message, inbox), ensure_ascii=False, separators=(",", ":"))
        headers = {
            "content-type": "application/cloudevents+json",
            "user-agent": "Yunsong-Webhooks/1.0",
            **_signature(message.message_id, body, inbox),
        }
        reply = http("POST", str(inbox.config["url"]), headers, body.encode())
        if 200 <= reply.status < 300:
            return Sent()
        raise _refusal(reply)


def _event(message: Outbound, inbox: ChannelInbox) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": message.message_id,
        "source": f"/inboxes/{inbox.id}",
        "type": "yunsong.channel.message",
        "subject": message.conversation_id,
        "time": (message.sent_at or dt.datetime.now(dt.UTC)).isoformat(),
        "datacontenttype": "application/json",
        "data": {
            "inbox_id": inbox.id,
            "conversation_id": message.conversation_id,
            "message_id": message.message_id,
            "rev": message.rev,
            "identity": message.identity,
            "author": {"kind": message.author_kind, "name": message.author_name},
            "content": {message.kind: dict(message.details)},
        },
    }


def _signature(message_id: str, body: str, inbox: ChannelInbox) -> dict[str, str]:
    # During a rotation every valid secret signs, so that the receiver may change its own at any moment of
    # the overlap.
    secrets = [each["webhook_secret"] for each in (inbox.credentials, *inbox.previous_credentials)]
    now = dt.datetime.now(dt.UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(message_id, now, body) for secret in secrets),
    }


def _refusal(reply: HttpReply) -> ChannelError:
    status = reply.status
    if 300 <= status < 400:
        return ChannelError(
            f"the receiver answered {status}; redirects are not followed, configure the final address"
        )
    permanent = 400 <= status < 500 and status not in (408, 429)
    return ChannelError(
        f"the receiver answered {status}",
        permanent=permanent,
        retry_after_s=_retry_after(reply.headers.get("retry-after", "")),
    )


def _retry_after(value: str) -> float | None:
    """Seconds of a Retry-After header (RFC 9110, 10.2.3), in either of its forms.

    None when there is none to read.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        when = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=dt.UTC)
    return max(0.0, (when - dt.datetime.now(dt.UTC)).total_seconds())


def _url_problems(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    problem = url_problem(config.get("url"))
    if problem:
        yield "config.url", problem


def _signing_problems(credentials: Credentials) -> Iterator[tuple[str, str]]:
    secret = credentials.get("webhook_secret")
    if secret is None:
        return
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith("whsec_") or not _MIN_KEY <= len(key) <= _MAX_KEY:
        yield (
            "credentials.webhook_secret",
            f'must be "whsec_" and {_MIN_KEY} to {_MAX_KEY} bytes as base64, as Standard Webhooks says',
        )
