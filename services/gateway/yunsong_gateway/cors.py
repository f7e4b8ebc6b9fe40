"""Which pages of other origins may call: those that an inbox allows for contacts, those of the settings for staff."""

from __future__ import annotations

import time
from collections.abc import Iterable

from yunsong.channel.v1 import channel_pb2, channel_pb2_grpc
from yunsong_common.errors import YunsongError
from yunsong_common.grpc import Channels

_REMEMBER_S = 30.0
_ANY = "*"
_CONTACT_PATHS = ("/api/v1/contact/", "/api/v1/files", "/api/v1/ws")


class Origins:
    """Knows the allowed origins of all inboxes, read again after some seconds."""

    def __init__(self, channels: Channels, staff_origins: Iterable[str], own: str) -> None:
        self._inboxes = channel_pb2_grpc.InboxServiceStub(channels.channel_adapter)
        self._inbound = channel_pb2_grpc.InboundServiceStub(channels.channel_adapter)
        self._staff = frozenset(staff_origins)
        self._own = own.rstrip("/")
        self._contact: frozenset[str] = frozenset()
        self._by_inbox: dict[str, frozenset[str]] = {}
        self._by_key: dict[str, tuple[str, ...]] = {}
        self._read_at = -_REMEMBER_S

    async def allows(self, origin: str, path: str) -> bool:
        if origin == self._own or origin in self._staff:
            return True
        if not path.startswith(_CONTACT_PATHS):
            return False
        allowed = await self._allowed()
        return _ANY in allowed or origin in allowed

    async def refuses(self, origin: str, inbox_id: str) -> bool:
        """Whether a page of this origin may not use a contact's session on this inbox. Apps send no origin."""
        if not origin or origin == self._own:
            return False
        await self._allowed()
        allowed = self._by_inbox.get(inbox_id)
        return bool(allowed) and origin not in (allowed or ())

    async def of_key(self, key: str) -> tuple[str, ...] | None:
        """The origins of the enabled web or app inbox with this public key, any when empty; None without such an inbox."""
        await self._allowed()
        if key in self._by_key:
            return self._by_key[key]
        try:  # made a moment ago, perhaps
            inbox = await self._inbound.GetInboxByKey(
                channel_pb2.GetInboxByKeyRequest(key=key[:100]), timeout=3.0
            )
        except YunsongError:
            return None
        return tuple(inbox.allowed_origins)

    async def _allowed(self) -> frozenset[str]:
        if time.monotonic() - self._read_at > _REMEMBER_S:
            try:
                self._contact = await self._read()
                self._read_at = time.monotonic()
            except YunsongError:
                self._read_at = time.monotonic() - _REMEMBER_S + 2.0  # ask again soon; what was known stays
        return self._contact

    async def _read(self) -> frozenset[str]:
        found: set[str] = set()
        by_inbox: dict[str, frozenset[str]] = {}
        by_key: dict[str, tuple[str, ...]] = {}
        token = ""
        while True:
            page = await self._inboxes.ListInboxes(
                channel_pb2.ListInboxesRequest(page_size=200, page_token=token), timeout=3.0
            )
            for inbox in page.inboxes:
                by_inbox[inbox.id] = frozenset(inbox.allowed_origins)
                if inbox.enabled and inbox.channel in ("web", "api"):
                    found.update(inbox.allowed_origins or (_ANY,))
                    by_key[inbox.key] = tuple(inbox.allowed_origins)
            token = page.next_page_token
            if not token:
                self._by_inbox, self._by_key = by_inbox, by_key
                return frozenset(found)


def headers(origin: str, *, preflight: bool) -> list[tuple[str, str]]:
    """No credentials: tokens travel in the Authorization header, never in a cookie."""
    given = [
        ("access-control-allow-origin", origin),
        ("access-control-expose-headers", "retry-after, x-trace-id"),
        ("vary", "origin"),
    ]
    if preflight:
        given += [
            ("access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE"),
            ("access-control-allow-headers", "authorization, content-type, idempotency-key, traceparent"),
            ("access-control-max-age", "600"),
        ]
    return given
