"""The few calls of the Kubernetes API that jobs of the chart make, with the tokens and roles that they make them with."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import h11

from tests.chart.harness.certificates import make_certificate
from tests.chart.harness.store import Conflict, Store

_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_KINDS = {"secrets": "Secret", "configmaps": "ConfigMap"}
_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "DELETE": "delete"}


class ApiServer:
    """Secrets and config maps of one namespace: get, list, create, update, delete; by roles, over TLS."""

    def __init__(self, store: Store, namespace: str, folder: Path, address: str) -> None:
        """`address` is what its certificate is made out to."""
        self._store = store
        self._namespace = namespace
        self._folder = folder
        self._address = address
        self._tokens: dict[str, str] = {}
        self._server: asyncio.Server | None = None
        self.calls: list[str] = []

    async def start(self, listener: socket.socket) -> None:
        certificate, key = make_certificate(_NAMES, self._address)
        self._certificate = certificate
        (self._folder / "certificate.pem").write_text(certificate)
        (self._folder / "key.pem").write_text(key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._folder / "certificate.pem", self._folder / "key.pem")
        self._server = await asyncio.start_server(self._serve, sock=listener, ssl=context)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def account_files(self, account: str) -> dict[str, str]:
        """What a pod of this service account finds; the token is the account's own."""
        token = next((token for token, known in self._tokens.items() if known == account), "")
        if not token:
            token = secrets.token_urlsafe(32)
            self._tokens[token] = account
        return {
            f"{_ACCOUNT}/token": token,
            f"{_ACCOUNT}/ca.crt": self._certificate,
            f"{_ACCOUNT}/namespace": self._namespace,
        }

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        request: h11.Request | None = None
        body = b""
        with suppress(ConnectionError, ssl.SSLError, h11.RemoteProtocolError):
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(await reader.read(65536))
                elif isinstance(event, h11.Request):
                    request = event
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    assert request is not None
                    break
                else:
                    return writer.close()
            status, answer = self.answer(
                request.method.decode(), request.target.decode(), dict(request.headers), body
            )
            content = json.dumps(answer).encode()
            headers = [("content-type", "application/json"), ("content-length", str(len(content)))]
            for part in (
                h11.Response(status_code=status, headers=[*headers, ("connection", "close")]),
                h11.Data(data=content),
                h11.EndOfMessage(),
            ):
                writer.write(connection.send(part) or b"")
            await writer.drain()
        writer.close()
        return None

    def answer(
        self, method: str, target: str, headers: Mapping[bytes, bytes], body: bytes
    ) -> tuple[int, dict[str, Any]]:
        """Status and content of one call."""
        self.calls.append(f"{method} {target}")
        account = self._tokens.get(headers.get(b"authorization", b"").decode().removeprefix("Bearer "))
        if account is None:
            return _status(401, "Unauthorized", "the token is none that was given out")
        match target.split("?", 1)[0].strip("/").split("/"):
            case ["api", "v1", "namespaces", self._namespace, resource] if resource in _KINDS:
                name = ""
            case ["api", "v1", "namespaces", self._namespace, resource, name] if resource in _KINDS:
                pass
            case _:
                return _status(404, "NotFound", f"the harness does not represent {target}")
        verb = "list" if method == "GET" and not name else _VERBS.get(method, "")
        if not verb or not self._allowed(account, verb, resource, name):
            return _status(403, "Forbidden", f"{account} may not {verb or method} {resource} {name}")
        return self._act(verb, _KINDS[resource], name, json.loads(body) if body else {})

    def _act(self, verb: str, kind: str, name: str, content: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        found = self._store.get(kind, name)
        if verb == "list":
            return 200, {"kind": f"{kind}List", "apiVersion": "v1", "items": list(self._store.of(kind))}
        if verb == "create":
            try:
                self._store.create({**content, "kind": kind})
            except Conflict as conflict:
                return _status(409, "AlreadyExists", str(conflict))
            return 201, content
        if found is None:
            return _status(404, "NotFound", f'{kind.lower()}s "{name}" not found')
        if verb == "delete":
            self._store.remove(kind, name)
        elif verb == "update":
            self._store.put({**content, "kind": kind})
        return 200, content if verb == "update" else found

    def _allowed(self, account: str, verb: str, resource: str, name: str) -> bool:
        for binding in self._store.of("RoleBinding"):
            if any(subject["name"] == account for subject in binding["subjects"]):
                role = self._store.get("Role", binding["roleRef"]["name"]) or {"rules": []}
                for rule in role["rules"]:
                    named = rule.get("resourceNames")
                    if (
                        verb in rule["verbs"]
                        and resource in rule["resources"]
                        and "" in rule["apiGroups"]
                        # A creation has no name yet, so a rule with names never allows one.
                        and (not named or (name in named and verb != "create"))
                    ):
                        return True
        return False


def _status(code: int, reason: str, message: str) -> tuple[int, dict[str, Any]]:
    return code, {
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message,
    }  # fmt: skip
