"""The ingress controller: HTTP and WebSockets from a port of this machine to the pods behind the matching rule."""

from __future__ import annotations

import asyncio
import socket
import ssl
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import h11

from tests.chart.harness.namespaces import Network
from tests.chart.harness.streams import join

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Endpoints = Callable[[str, str | int], Sequence[tuple[str, int]]]

_HOP_BY_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer"}


@dataclass(frozen=True, slots=True)
class Route:
    """A host ("" is any), a path's prefix, and the Service's port behind."""

    host: str
    prefix: str
    service: str
    port: str | int

    def fits(self, host: str, path: str) -> bool:
        """Prefixes are compared by whole elements."""
        plain = self.prefix.rstrip("/")
        named = self.host in ("", host) or (self.host.startswith("*.") and host.endswith(self.host[1:]))
        return named and (path == plain or path.startswith(f"{plain}/"))


def certificates_of(
    found: dict[str, Any], secret: Callable[[str], Mapping[str, bytes] | None]
) -> dict[str, ssl.SSLContext]:
    """By host, of an Ingress whose secrets are there. `secret` gives one's content by its name."""
    contexts: dict[str, ssl.SSLContext] = {}
    for each in found["spec"].get("tls") or []:
        content = secret(each["secretName"])
        if content is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            with tempfile.NamedTemporaryFile() as both:
                both.write(content["tls.crt"] + b"\n" + content["tls.key"])
                both.flush()
                context.load_cert_chain(both.name)
            contexts |= dict.fromkeys(each["hosts"], context)
    return contexts


def routes_of(found: dict[str, Any]) -> list[Route]:
    """Of an Ingress or an HTTPRoute."""
    spec = found["spec"]
    routes = []
    if found["kind"] == "Ingress":
        for rule in spec.get("rules") or []:
            for path in rule["http"]["paths"]:
                port = path["backend"]["service"]["port"]
                routes.append(
                    Route(
                        rule.get("host", ""),
                        path["path"],
                        path["backend"]["service"]["name"],
                        port.get("name") or port["number"],
                    )
                )
        return routes
    for host in spec.get("hostnames") or [""]:
        for rule in spec["rules"]:
            [backend] = rule["backendRefs"]
            for match in rule.get("matches") or [{"path": {"value": "/"}}]:
                prefix = match["path"]["value"]
                routes += [Route(host, prefix, backend["name"], backend["port"])]
    return routes


class Ingress:
    """Each request goes to one of the rule's ready pods, from the controller's own address, as ingress-nginx does it."""

    def __init__(self, network: Network, endpoints: Endpoints) -> None:
        """`endpoints` gives the addresses of a Service's ready pods."""
        self.routes: list[Route] = []
        self.certificates: dict[str, ssl.SSLContext] = {}
        self._network = network
        self._endpoints = endpoints
        self._servers: list[asyncio.Server] = []
        self._turn = 0
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self, port: int) -> tuple[int, int]:
        """The ports on 127.0.0.1 that it listens at, without and with TLS; a free one for 0."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = self._choose
        self._servers = [
            await asyncio.start_server(self._accept, "127.0.0.1", port),
            await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=context),
        ]
        plain, encrypted = (server.sockets[0].getsockname()[1] for server in self._servers)
        return plain, encrypted

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        """The certificate of the host that the client names; none for a host without one, which ends the handshake."""
        if name not in self.certificates:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        connection.context = self.certificates[name]
        return None

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)
        try:
            with suppress(ConnectionError, ssl.SSLError, h11.RemoteProtocolError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = h11.Connection(h11.SERVER)
        while True:
            request = await _event(client, reader)
            if not isinstance(request, h11.Request):
                return
            if not await self._answer(client, request, reader, writer):
                return
            if client.our_state is not h11.DONE or client.their_state is not h11.DONE:
                return
            client.start_next_cycle()

    async def _answer(
        self,
        client: h11.Connection,
        request: h11.Request,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """Whether the connection can take another request."""
        headers = dict(request.headers)
        host = headers.get(b"host", b"").decode().rsplit(":", 1)[0]
        path = request.target.decode().split("?", 1)[0]
        fitting = [route for route in self.routes if route.fits(host, path)]
        if not fitting:
            return await _refuse(client, writer, 404, f"no rule for {host}{path}")
        route = max(fitting, key=lambda each: (len(each.host), len(each.prefix)))
        try:
            behind = await self._connect(route)
        except OSError as error:
            return await _refuse(client, writer, 503, f"no pod of {route.service} answers: {error}")
        try:
            return await _exchange(client, request, (reader, writer), behind)
        except (ConnectionError, h11.RemoteProtocolError) as error:
            if client.our_state is h11.SEND_RESPONSE:
                return await _refuse(client, writer, 502, f"the pod broke off: {error}")
            raise
        finally:
            behind[1].close()

    async def _connect(self, route: Route) -> Stream:
        """To the next pod in turn; to the one after it when that refuses, for nothing has been sent yet."""
        ready = self._endpoints(route.service, route.port)
        last: OSError = ConnectionRefusedError("none is ready")
        self._turn += 1
        for number in range(len(ready)):
            connection = self._network.socket()
            try:
                address = ready[(self._turn + number) % len(ready)]
                await asyncio.get_running_loop().sock_connect(connection, address)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return await asyncio.open_connection(sock=connection)
            except OSError as error:
                connection.close()
                last = error
        raise last


async def _exchange(client: h11.Connection, request: h11.Request, front: Stream, behind: Stream) -> bool:
    """One request to the pod and its answer back; a switch of protocols joins the two connections."""
    pod = h11.Connection(h11.CLIENT)
    upgrading = any(name == b"upgrade" for name, _ in request.headers)
    kept = [(name, value) for name, value in request.headers if upgrading or name not in _HOP_BY_HOP]
    kept = [(name, value) for name, value in kept if not name.startswith(b"x-forwarded-")]
    forwarded = [
        (b"x-forwarded-for", front[1].get_extra_info("peername")[0].encode()),
        (b"x-forwarded-proto", b"https" if front[1].get_extra_info("ssl_object") else b"http"),
        (b"x-forwarded-host", dict(request.headers).get(b"host", b"")),
    ]
    sent = h11.Request(method=request.method, target=request.target, headers=[*kept, *forwarded])
    behind[1].write(pod.send(sent) or b"")
    if client.they_are_waiting_for_100_continue:
        front[1].write(client.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
    while not isinstance(part := await _event(client, front[0]), h11.EndOfMessage):
        if not isinstance(part, h11.Data):
            return False
        behind[1].write(pod.send(part) or b"")
        await behind[1].drain()
    behind[1].write(pod.send(h11.EndOfMessage()) or b"")
    await behind[1].drain()
    while True:
        part = await _event(pod, behind[0])
        if isinstance(part, h11.InformationalResponse) and part.status_code == 101:
            front[1].write(client.send(part) or b"")
            front[1].write(pod.trailing_data[0])
            behind[1].write(client.trailing_data[0])
            await join(front, behind)
            return False
        if isinstance(part, h11.Response):
            kept = [(name, value) for name, value in part.headers if name not in _HOP_BY_HOP]
            part = h11.Response(status_code=part.status_code, headers=kept, reason=part.reason)
        if isinstance(part, h11.ConnectionClosed):
            raise ConnectionError("it closed the connection")
        assert not isinstance(part, h11.Request)
        front[1].write(client.send(part) or b"")
        await front[1].drain()
        if isinstance(part, h11.EndOfMessage):
            return True


async def _event(connection: h11.Connection, reader: asyncio.StreamReader) -> Any:
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await reader.read(65536))
    return event


async def _refuse(client: h11.Connection, writer: asyncio.StreamWriter, status: int, why: str) -> bool:
    body = why.encode()
    headers = [("content-type", "text/plain"), ("content-length", str(len(body))), ("connection", "close")]
    for event in (
        h11.Response(status_code=status, headers=headers),
        h11.Data(data=body),
        h11.EndOfMessage(),
    ):
        writer.write(client.send(event) or b"")
    await writer.drain()
    return False
