"""The server side of one WebSocket, with a write path that costs one system call and no task.

An event goes to all its subscribers as the same ready-made frame (a server's frames are not masked), and the transport's own
buffer is the only queue; a reader that lets it grow past the bound is cut and resumes by revision.
"""

from __future__ import annotations

import logging
from typing import Any

import orjson
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

MAX_FRAME_BYTES = 64 * 1024  # of a client's frame
MAX_UNSENT_BYTES = 1024 * 1024
EXTENSION = "yunsong.socket"
_ABORT_AFTER_S = 2.0
_PING_S = 20.0
_LOG = logging.getLogger("yunsong_gateway.socket")
_LOG.setLevel(logging.WARNING)


class CloseCode:
    """Why the server closes a socket (4000 to 4999 are the application's)."""

    UNAUTHENTICATED = 4001  # no valid token came in time, or the session ended
    CHANGED = 4003  # rights changed: connect again
    SLOW = 4008  # the reader did not keep up: connect again and resume
    FLOOD = 4029  # far more frames than allowed
    RESTART = 1012  # the server stops: connect again


def text_frame(payload: bytes) -> bytes:
    """A whole, unmasked text frame (RFC 6455, 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def json_frame(value: Any) -> bytes:
    return text_frame(orjson.dumps(value))


class Socket(WebSocketsSansIOProtocol):
    """uvicorn's protocol, which also hands itself to the application for direct writing."""

    def __init__(self, config: Config, *arguments: Any, **more: Any) -> None:
        super().__init__(config, *arguments, **more)
        self.logger = (
            _LOG  # uvicorn tells of every handshake with its query, which may hold what nobody should log
        )
        # A dead peer must be noticed within the grace that an agent has.
        self.ping_interval = self.ping_timeout = _PING_S

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        scope = getattr(self, "scope", None)
        if scope is not None:
            scope["extensions"][EXTENSION] = self

    def push(self, frame: bytes) -> bool:
        """Writes a ready-made frame; False when the peer is gone, or too slow and therefore cut."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return False
        if self.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.cut(CloseCode.SLOW, "the reader did not keep up")
            return False
        self.transport.write(frame)
        return True

    def cut(self, code: int, reason: str) -> None:
        """Closes at once: the close frame is queued behind what is unsent, and the connection ends soon whatever the peer does."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(_ABORT_AFTER_S, self.transport.abort)
