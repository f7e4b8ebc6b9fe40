"""What `yunsong doctor --url` asks of a copy from outside: each service behind the public door, the socket, the health of both."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import httpx
import websockets

from yunsong_standalone.catalogue import SERVICES
from yunsong_standalone.contract import files_of
from yunsong_standalone.doctor import Finding

_TIMEOUT_S = 10.0
_SOCKET = "/api/v1/ws"


def look_at(url: str) -> Iterator[Finding]:
    """Looks at the copy behind `url`; it reads and leaves nothing behind."""
    with httpx.Client(base_url=url, timeout=_TIMEOUT_S, trust_env=False, follow_redirects=True) as door:
        try:
            page = door.get("/")
        except httpx.HTTPError as error:
            yield Finding(
                "door", f"{url} does not answer: {error}", "look at the gateway's pods and the way to them"
            )
            return
        fine = page.status_code == httpx.codes.OK
        yield Finding(
            "door", f"{url} answers {page.status_code}", "" if fine else "look at the gateway's log"
        )
        yield from _services(door)
        yield _refusal(door)
    yield asyncio.run(_socket(url))


def _services(door: httpx.Client) -> Iterator[Finding]:
    """The door describes the operations that it has learned from each service that answered."""
    try:
        document = door.get("/openapi.json").raise_for_status().json()
        shown = {str(tag["name"]) for tag in document["tags"]}
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        yield Finding("services", f"no description of the operations: {error}", "look at the gateway's log")
        return
    for service in SERVICES:
        own = {name for file in files_of(f"yunsong.{service.package}.v1") for name in file.services_by_name}
        known = bool(own & shown)
        yield Finding(
            service.name,
            "answers the door" if known else "its operations are not there",
            "" if known else "look at its pods; the door learns it as soon as it answers",
        )


def _refusal(door: httpx.Client) -> Finding:
    """Who has not signed in is refused by the door itself, which asks its database to know."""
    try:
        status = door.get("/api/v1/me", headers={"Authorization": "Bearer nobody"}).status_code
    except httpx.HTTPError as error:
        return Finding("sign-in", f"does not answer: {error}", "look at the gateway's log")
    fine = status == httpx.codes.UNAUTHORIZED
    return Finding("sign-in", f"a wrong token gets {status}", "" if fine else "look at the gateway's log")


async def _socket(url: str) -> Finding:
    """A socket opens, and whoever says nothing of themselves is told so."""
    address = f"ws{url.removeprefix('http').rstrip('/')}{_SOCKET}"
    try:
        async with asyncio.timeout(_TIMEOUT_S), websockets.connect(address, proxy=None) as socket:
            await socket.send('{"type": "hello", "token": "nobody"}')
            frame = json.loads(await socket.recv())
    except (OSError, TimeoutError, ValueError, websockets.WebSocketException) as error:
        return Finding(
            "socket",
            f"{address} does not open: {error!r}",
            "let the ingress pass WebSockets on, see the chart's values",
        )
    fine = frame.get("type") == "error"
    return Finding(
        "socket",
        "opens and asks who is there" if fine else f"says {frame}",
        "" if fine else "look at the log",
    )
