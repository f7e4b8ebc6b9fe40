"""One connection to NATS, by nats-py, for one event loop.

The product sends and receives every message several times over, so the calls here are plain functions: one task hands everything that is
published to the library, in order, and a callback runs without a task of its own. The library brings the protocol, TLS, authentication and
reconnecting. What was not sent when the connection is lost is the caller's to know: `publish` refuses while there is none.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg as LibraryMsg
from nats.aio.subscription import Subscription

from yunsong_common.errors import Unavailable

LOG = logging.getLogger(__name__)

_CONNECT_S = 5
_PING_S = 10
_PINGS_UNANSWERED = 2
_RECONNECT_S = 0.25
_MAX_BACKOFF_S = 2.0
# What may wait for a slow server before `publish` refuses.
_MAX_UNSENT = 8 * 1024 * 1024
# What headers may take of the largest message.
_HEADER_ROOM = 4096
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
STATUS_NO_RESPONDERS = "503"


# Not frozen, like what else is made for every message: that would cost three times as much.
@dataclass(slots=True)
class Msg:
    """One message as it came."""

    subject: str
    reply: str
    data: bytes
    headers: Mapping[str, str]  # empty when there are none

    @property
    def status(self) -> str:
        """The status of a control message, such as "408"; empty for others."""
        return self.headers.get("Status", "")

    @property
    def description(self) -> str:
        """A control message's words, such as "Consumer Deleted"; empty for others."""
        return self.headers.get("Description", "")


Callback = Callable[[Msg], None]


@dataclass(frozen=True, slots=True)
class _Interest:
    subject: str
    queue: str
    callback: Callback


@dataclass(slots=True)
class _Publication:
    subject: str
    payload: bytes
    reply: str
    headers: dict[str, str] | None


class NatsClient:
    """One connection. `run` keeps it up; everything else may be called at any time."""

    def __init__(self, urls: str, *, name: str) -> None:
        self._options = _options(urls, name)
        self._client: Client | None = None
        self._closed = False
        self._interests: dict[int, _Interest] = {}
        self._subscriptions: dict[int, Subscription] = {}
        self._last_sid = 0
        # Publications and new interests, in the order they were asked for.
        self._outgoing: deque[_Publication | int] = deque()
        self._unsent = 0
        self._sending = asyncio.Lock()
        self._wake = asyncio.Event()
        self._up_event = asyncio.Event()
        self._is_up = False
        self.connections = 0
        self.listeners: list[Callable[[bool], None]] = []
        self.gap_listeners: list[Callable[[str], None]] = []

    @property
    def connected(self) -> bool:
        """Whether the server answered the handshake and the connection stands."""
        return self._is_up and self._client is not None and self._client.is_connected

    async def wait_connected(self) -> None:
        """Returns once there is a connection."""
        await self._up_event.wait()

    @property
    def max_payload(self) -> int:
        """The largest message the server takes, in bytes."""
        return int(self._client.max_payload) if self._client is not None and self._is_up else 1_048_576

    def new_inbox(self) -> str:
        """A subject prefix that nobody else listens to."""
        return f"_INBOX.{uuid.uuid4().hex}"

    def publish(
        self, subject: str, payload: bytes = b"", *, reply: str = "", headers: dict[str, str] | None = None
    ) -> bool:
        """Sends a message soon; False when it is not sent: disconnected, too large, or too much is unsent already."""
        client = self._client
        if len(payload) > self.max_payload - _HEADER_ROOM:
            return False  # the library would end the connection over it
        if client is None or not self.connected or self._unsent + client.pending_data_size > _MAX_UNSENT:
            return False
        self._unsent += len(payload)
        self._outgoing.append(_Publication(subject, payload, reply, headers))
        self._wake.set()
        return True

    def subscribe(self, subject: str, callback: Callback, queue: str = "") -> int:
        """Calls `callback` for every message, in order; kept over reconnects. Returns an id to unsubscribe."""
        self._last_sid += 1
        self._interests[self._last_sid] = _Interest(subject, queue, callback)
        if self._is_up:
            self._outgoing.append(self._last_sid)
            self._wake.set()
        return self._last_sid

    def unsubscribe(self, sid: int) -> None:
        """Ends a subscription; the callback is not called again."""
        self._interests.pop(sid, None)
        if self._is_up and sid in self._subscriptions:
            self._outgoing.append(sid)
            self._wake.set()

    async def drain(self, sid: int, timeout_s: float = 2.0) -> None:
        """Ends a subscription after what the server has already sent on it was delivered."""
        subscription = self._subscriptions.pop(sid, None)
        if subscription is not None and self.connected:
            with contextlib.suppress(nats.errors.Error, TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await subscription.drain()  # type: ignore[no-untyped-call]
        self._interests.pop(sid, None)

    async def request(self, subject: str, payload: bytes = b"", *, timeout_s: float = 5.0) -> Msg:
        """Sends a message and gives the first reply. Raises `Unavailable` when there is none in time."""
        if self._client is None or not self.connected:
            raise _unavailable("NATS is not connected")
        try:
            return _received(await self._client.request(subject, payload, timeout=timeout_s))
        except nats.errors.NoRespondersError:
            raise _unavailable(f"nobody answers on {subject}") from None
        except (nats.errors.TimeoutError, TimeoutError):
            raise _unavailable(f"no answer on {subject} in {timeout_s:g} s") from None
        except (nats.errors.Error, OSError) as error:
            raise _unavailable(f"the request on {subject} failed: {error}") from error

    async def flush(self, timeout_s: float = 5.0) -> None:
        """Returns when the server has read everything sent so far. Raises `Unavailable`."""
        if self._client is None or not self.connected:
            raise _unavailable("NATS is not connected")
        try:
            async with asyncio.timeout(timeout_s):
                await self._send_waiting(self._client)
                await self._client.flush(max(1, round(timeout_s)))
        except (nats.errors.TimeoutError, TimeoutError):
            raise _unavailable(f"NATS does not answer in {timeout_s:g} s") from None
        except (nats.errors.Error, OSError) as error:
            raise _unavailable(f"NATS cannot be flushed: {error}") from error

    async def run(self) -> None:
        """Connects, and keeps the connection until cancelled."""
        pause = _RECONNECT_S
        while True:
            client = Client()
            try:
                await self._connect(client)
                pause = _RECONNECT_S
                await self._serve(client)
            except (nats.errors.Error, OSError, TimeoutError) as error:
                LOG.warning("NATS: %s", str(error) or type(error).__name__)
            finally:
                self._down()
                self._client = None
                with contextlib.suppress(nats.errors.Error, OSError):
                    await client.close()
            # The library closes a connection for good when the server refuses who we are.
            await asyncio.sleep(pause)
            pause = min(pause * 2, _MAX_BACKOFF_S)

    async def _connect(self, client: Client) -> None:
        self._closed = False

        async def lost() -> None:
            self._down()

        async def restored() -> None:
            self._up()

        async def closed() -> None:
            self._closed = True
            self._wake.set()

        await client.connect(
            **self._options,
            error_cb=self._on_error,
            disconnected_cb=lost,
            reconnected_cb=restored,
            closed_cb=closed,
        )
        self._client = client
        self._subscriptions.clear()
        self._up()

    async def _serve(self, client: Client) -> None:
        while not self._closed:
            await self._wake.wait()
            self._wake.clear()
            if self.connected:
                await self._send_waiting(client)

    async def _send_waiting(self, client: Client) -> None:
        async with self._sending:
            while self._outgoing and client.is_connected:
                item = self._outgoing.popleft()
                if isinstance(item, int):
                    await self._begin(client, item) if item in self._interests else await self._end(item)
                    continue
                self._unsent -= len(item.payload)
                await client.publish(item.subject, item.payload, item.reply, item.headers)

    async def _begin(self, client: Client, sid: int) -> None:
        if sid in self._subscriptions:
            return
        interest = self._interests[sid]

        async def deliver(msg: LibraryMsg) -> None:
            if sid in self._interests:
                interest.callback(_received(msg))

        self._subscriptions[sid] = await client.subscribe(interest.subject, interest.queue, cb=deliver)

    async def _end(self, sid: int) -> None:
        subscription = self._subscriptions.pop(sid, None)
        if subscription is not None:
            with contextlib.suppress(nats.errors.Error):
                await subscription.unsubscribe()

    def _up(self) -> None:
        # The library renews what it had; what came or went while there was no connection is ours to tell.
        changed = [sid for sid in self._interests if sid not in self._subscriptions]
        changed += [sid for sid in self._subscriptions if sid not in self._interests]
        self._outgoing = deque(changed)
        self._is_up = True
        self._up_event.set()
        self._wake.set()
        self.connections += 1
        LOG.info("connected to NATS")
        for listener in self.listeners:
            listener(True)

    def _down(self) -> None:
        if not self._is_up:
            return
        self._is_up = False
        self._up_event.clear()
        # Who published knows from `listeners`; sending it after a reconnect could reorder it behind a relay's pass.
        self._outgoing.clear()
        self._unsent = 0
        for listener in self.listeners:
            listener(False)

    async def _on_error(self, error: Exception) -> None:
        if isinstance(error, nats.errors.SlowConsumerError):
            LOG.warning("a subscription to %s is too slow and lost a message", error.subject)
            for listener in self.gap_listeners:
                listener(error.subject)
        else:
            LOG.warning("NATS: %s", str(error) or type(error).__name__)


def _received(msg: LibraryMsg) -> Msg:
    return Msg(msg.subject, msg.reply, msg.data, msg.headers or _NO_HEADERS)


def _options(urls: str, name: str) -> dict[str, Any]:
    """The library's options. Names and passwords leave the addresses, which it logs, and lose their percent signs."""
    parts = [urlsplit(url.strip() if "://" in url else f"nats://{url.strip()}") for url in urls.split(",")]
    servers = [urlunsplit(part._replace(netloc=part.netloc.rpartition("@")[2])) for part in parts]
    options: dict[str, Any] = {
        "servers": servers,
        "name": name,
        "connect_timeout": _CONNECT_S,
        "ping_interval": _PING_S,
        "max_outstanding_pings": _PINGS_UNANSWERED,
        "allow_reconnect": True,
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": _RECONNECT_S,
        "pending_size": 0,  # nothing is kept for later while there is no connection
    }
    user, password = unquote(parts[0].username or ""), unquote(parts[0].password or "")
    if password:
        options |= {"user": user, "password": password}
    elif user:
        options["token"] = user
    return options


def _unavailable(message: str) -> Unavailable:
    return Unavailable(reason="NATS_UNAVAILABLE", message=message, retry_after_s=1.0)
