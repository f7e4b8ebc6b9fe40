"""HTTP: serving an ASGI app inside the event loop, and errors as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import uvicorn

from yunsong_common.errors import Kind, YunsongError

STATUS: dict[Kind, int] = {
    Kind.INVALID_ARGUMENT: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.PERMISSION_DENIED: 403,
    Kind.NOT_FOUND: 404,
    Kind.ALREADY_EXISTS: 409,
    Kind.ABORTED: 409,
    Kind.FAILED_PRECONDITION: 409,
    Kind.RESOURCE_EXHAUSTED: 429,
    Kind.INTERNAL: 500,
    Kind.UNAVAILABLE: 503,
    Kind.DEADLINE_EXCEEDED: 504,
}


def problem(error: YunsongError, *, instance: str = "") -> dict[str, Any]:
    """The problem document of an error: type, title, status, detail, `code` (the reason), `violations`, `metadata`."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": error.kind.value.replace("_", " ").capitalize(),
        "status": STATUS[error.kind],
        "code": error.reason,
        "detail": error.message,
    }
    if instance:
        document["instance"] = instance
    if error.violations:
        document["violations"] = [
            {"field": item.field, "reason": item.reason, "description": item.description}
            for item in error.violations
        ]
    if error.metadata:
        document["metadata"] = error.metadata
    if error.retry_after_s is not None:
        document["retry_after_s"] = error.retry_after_s
    return document


class HttpServer:
    """An ASGI app on a port of its own, inside the running loop and without signal handlers of its own."""

    def __init__(
        self, app: Any, *, host: str, port: int, max_connections: int | None = None, grace_s: float = 10.0
    ) -> None:
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            http="httptools",
            ws=getattr(app, "websocket_protocol", "websockets-sansio"),
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            limit_concurrency=max_connections,
            timeout_graceful_shutdown=int(grace_s),
            ws_max_size=1024 * 1024,
            ws_ping_interval=None,
            ws_per_message_deflate=False,
            backlog=4096,
        )
        self._server = _Uvicorn(config)

    @property
    def port(self) -> int:
        """The port, once it listens."""
        port: int = self._server.servers[0].sockets[0].getsockname()[1]
        return port

    @property
    def started(self) -> bool:
        """Whether it listens."""
        return bool(self._server.started)

    async def run(self) -> None:
        """Serves until `stop`, then lets running requests finish within the grace. Raises `OSError` when the port is taken."""
        try:
            await self._server.serve()
        except SystemExit:
            config = self._server.config
            raise OSError(f"cannot listen on {config.host}:{config.port}; is it in use?") from None

    def stop(self) -> None:
        """Takes no more connections; `run` returns when the running ones are done."""
        self._server.should_exit = True


class _Uvicorn(uvicorn.Server):
    """Signals belong to the service's runtime."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals alone."""
        yield
