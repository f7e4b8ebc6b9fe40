"""One service's connection to NATS: live messages both ways, and the ground for streams and consumers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.message import Message

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class LiveMessage:
    """A message as it came from NATS."""

    subject: str
    data: bytes
    headers: bytes  # raw, empty when there are none

    def parse(self, message_type: type[M]) -> M:
        """The message itself."""
        return message_type.FromString(self.data)


class LiveSubscription:
    """A core NATS subscription; survives reconnects."""

    async def unsubscribe(self) -> None:
        """Ends it; nothing is delivered afterwards."""
        raise NotImplementedError


class Bus:
    """A connection that reconnects forever. Constructing it does not connect; the service's runtime runs it."""

    def __init__(self, url: str, *, name: str) -> None:
        raise NotImplementedError

    @property
    def connected(self) -> bool:
        """Whether NATS answers just now."""
        raise NotImplementedError

    def publish_live(self, message: Message) -> bool:
        """Sends a live message; does not wait. False, and the message is gone, while NATS is away or its buffer is full."""
        raise NotImplementedError

    def publish_raw(self, subject: str, payload: bytes) -> bool:
        """Sends bytes on a core NATS subject, such as a gateway's own inbox. As `publish_live`."""
        raise NotImplementedError

    async def subscribe_live(
        self, subject: str | type[Message], callback: Callable[[LiveMessage], Awaitable[None] | None], *, queue: str = ""
    ) -> LiveSubscription:
        """Delivers what is published on a subject (wildcards allowed) or of a type, also durable events as they pass.

        A plain function is called at once, on the reading path, and must be quick; a coroutine function runs in order, with at most 1,000 messages
        waiting, beyond which the oldest are dropped and `on_gap` listeners hear of it. The returned subscription survives reconnects.
        """
        raise NotImplementedError

    def on_reconnect(self, listener: Callable[[], None]) -> None:
        """Calls `listener` after each reconnect: live messages may have been missed."""
        raise NotImplementedError

    def on_gap(self, listener: Callable[[str], None]) -> None:
        """Calls `listener` with the subject when a slow subscription lost messages."""
        raise NotImplementedError

    async def flush(self, timeout_s: float = 5.0) -> None:
        """Returns when the server has seen everything sent so far, subscriptions included. Raises `Unavailable`."""
        raise NotImplementedError

    async def check(self) -> None:
        """Returns when NATS answers; raises `Unavailable` when not."""
        raise NotImplementedError
