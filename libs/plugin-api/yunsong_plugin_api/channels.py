"""Channels: between an outside system's messages and the product's own. Group `yunsong.channels.v1`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

# An inbox's secrets, decrypted for one call; never kept, never logged.
Credentials = Mapping[str, str]

ContentKind = Literal[
    "text", "image", "file", "audio", "video", "location", "card", "buttons", "form", "system", "unsupported"
]


class ChannelError(Exception):
    """The outside system refused.

    `permanent` means that another try cannot help; `uncertain` that it may have taken it all the same.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool = False,
        uncertain: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.uncertain = uncertain
        self.retry_after_s = retry_after_s


class SignatureInvalid(ChannelError):
    """A webhook whose signature is wrong or too old; answered with 401 and nothing is taken in."""

    def __init__(self, message: str = "the signature is wrong") -> None:
        super().__init__(message, permanent=True)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A webhook as it arrived, byte for byte."""

    method: str
    path: str  # below the inbox's own address
    headers: Mapping[str, str]  # names in lower case
    query: Mapping[str, str]
    body: bytes
    received_at: dt.datetime


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What the outside system gets back, or what it answered."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file by address; the channel-adapter fetches or links it."""

    url: str
    name: str = ""
    mime_type: str = ""
    size: int = 0  # bytes, 0 when unknown


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message from a contact, normalised."""

    external_id: str  # unique in the inbox; the same message always has the same
    identity: str  # who wrote, in the outside system's terms; stable
    kind: ContentKind
    text: str = ""
    attachment: Attachment | None = None
    # The rest of the kind: latitude and longitude, the button that was pressed, the form's answers.
    details: Mapping[str, Any] = field(default_factory=dict)
    display_name: str = ""
    sent_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """How far a message that was sent has come."""

    external_id: str  # what `Sent` gave
    state: Literal["delivered", "read", "failed"]
    error: str = ""


Inbound = InboundMessage | Receipt


@dataclass(frozen=True, slots=True)
class WebhookResult:
    """What a webhook held, and what to answer once all of it is stored."""

    items: Sequence[Inbound] = ()
    reply: HttpReply = field(default_factory=HttpReply)


@dataclass(frozen=True, slots=True)
class Outbound:
    """One message for a contact."""

    message_id: str  # stable over retries: use it as the idempotency key where the outside system takes one
    conversation_id: str
    rev: int  # its place in the conversation; the order of messages
    identity: str
    kind: ContentKind
    text: str = ""
    attachment: Attachment | None = None
    # The content's own fields, as in the REST API: {"text": "..."}, {"latitude": 31.2, ...}.
    details: Mapping[str, Any] = field(default_factory=dict)
    author_kind: Literal["agent", "bot", "system", "api"] = "agent"
    author_name: str = ""
    attempt: int = 1
    sent_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """The outside system took a message."""

    external_id: str = ""  # its id there, for receipts


# Makes an HTTP call for the plugin: method, address, headers, body. Bounded in time and size, never
# redirected, never to an internal address. Blocking; raises ChannelError.
HttpCall = Callable[[str, str, Mapping[str, str], bytes], HttpReply]

# How a secret is made: "hex" for 256 bits as text, "standard_webhooks" for "whsec_" and base64.
SecretFormat = Literal["hex", "standard_webhooks"]


@dataclass(frozen=True, slots=True)
class ChannelInbox:
    """The inbox that a call is about."""

    id: str
    key: str  # public; part of the address of its webhooks
    config: Mapping[str, Any]
    credentials: Credentials = field(repr=False)
    # Sets that were replaced and go on working until their overlap ends, newest first.
    previous_credentials: Sequence[Credentials] = field(default=(), repr=False)


@runtime_checkable
class Channel(Protocol):
    """One kind of inbox. Stateless: everything it needs comes with the call. Each method has 10 seconds."""

    api_version: str
    # The kind of the inboxes it serves, such as "wechat_oa"; the name of its entry point.
    kind: str
    # What it can carry; other kinds are turned into text before `send`, but lines of the product ("system")
    # are left out.
    sends: frozenset[str]
    # The outside system takes a message once however often it is sent with the same `message_id`. Without it
    # a message that a crash left in flight is marked uncertain and not sent again by itself.
    idempotent: bool
    # Messages come in by POST /api/v1/inboxes/{inbox_id}/messages.
    rest_inbound: bool
    # JSON Schema of an inbox's `config` and of its credentials, for forms; `check` is what decides.
    config_schema: Mapping[str, Any]
    credentials_schema: Mapping[str, Any]
    # Credentials that the product makes when nobody gives them, and makes anew on rotation, by name.
    secrets: Mapping[str, SecretFormat]

    def check(self, config: Mapping[str, Any], credentials: Credentials) -> Sequence[tuple[str, str]]:
        """What is wrong with an inbox; empty when it can work. Makes no calls.

        Each entry is a path, such as "config.url" or "credentials.token", and a sentence.
        """

    def receive(self, request: HttpRequest, inbox: ChannelInbox) -> WebhookResult:
        """Verifies a webhook and reads it.

        Raises `SignatureInvalid`; raises `ChannelError` for what it cannot read.
        """

    def send(self, message: Outbound, inbox: ChannelInbox, http: HttpCall) -> Sent:
        """Hands one message to the outside system.

        Raises `ChannelError` when it was not, or perhaps not, taken.
        """
