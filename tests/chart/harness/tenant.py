"""A copy of the product in a cluster of the harness, as a test uses it: its door, its first administrator, a key for everything."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.chart.harness.certificates import make_certificate
from tests.chart.harness.cluster import Cluster
from tests.chart.harness.helm import Release
from tests.chart.harness.images import Images
from tests.load.client import Api
from tests.support.polling import eventually

_MANY = 10_000_000
_PAUSE_S = 0.2
_TLS = "certificate"
_LIMITS = ("STAFF", "API_KEY", "CONTACT", "ANONYMOUS", "SIGN_INS")


class Tenant:
    """`async with`, then `install`. `values` are the chart's, on top of what every run here needs."""

    def __init__(
        self,
        folder: Path,
        images: Images,
        topology: str,
        values: Mapping[str, Any],
        *,
        certificate: Path | None = None,
    ) -> None:
        """With `certificate`, a file that the ingress' certificate is written to, people come over TLS."""
        self.cluster = Cluster(folder / "cluster", images)
        self.release = Release(self.cluster)
        self.api_key = ""
        self._topology = topology
        self._values = values
        self._certificate = certificate

    @property
    def url(self) -> str:
        if self._certificate is not None:
            return f"https://localhost:{self.cluster.ingress_tls_port}"
        return f"http://localhost:{self.cluster.ingress_port}"

    def values(self, **changes: Any) -> dict[str, Any]:
        """The release's values with some changed at the top."""
        usual: dict[str, Any] = {
            "topology": self._topology,
            "publicUrl": self.url,
            "ingress": {"enabled": True, "tlsSecret": "" if self._certificate is None else _TLS},
            # A machine that runs other tests too needs its memory.
            "settings": {f"GATEWAY_{name}_PER_MINUTE": _MANY for name in _LIMITS},
        }
        if self._topology == "distributed":
            usual["files"] = {"persistence": {"accessMode": "ReadWriteMany"}}
            usual["defaults"] = {"replicas": 1}
        return {**usual, **self._values, **changes}

    async def install(self) -> None:
        """`helm install --wait`, and the first sign-in."""
        if self._certificate is not None:
            certificate, key = make_certificate(["localhost"])
            await asyncio.to_thread(self._certificate.write_text, certificate)
            data = {"tls.crt": certificate, "tls.key": key}
            self.cluster.store.create({"kind": "Secret", "metadata": {"name": _TLS}, "stringData": data})
        await self.release.install(self.values())
        await eventually(self._answers, within_s=15, what="the ingress' way to a pod")
        await self._make_key()

    async def demo(self) -> str:
        """`yunsong demo` from outside, as a person runs it; what it printed. Raises AssertionError when it failed."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "yunsong_standalone", "demo", "--url", self.url),
            env={
                **os.environ,
                "YUNSONG_API_KEY": self.api_key,
                "YUNSONG_HOME": str(self.cluster.folder / "home"),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        text = said.decode("utf-8", "replace")
        assert process.returncode == 0, text
        return text

    async def __aenter__(self) -> Self:
        await self.cluster.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cluster.__aexit__(kind, error, trace)

    async def _answers(self) -> bool:
        async with httpx.AsyncClient(base_url=self.url, timeout=5) as client:
            return (await client.get("/openapi.json")).status_code == 200

    async def _make_key(self) -> None:
        """Signs in as the notes of the installation say, and makes a key with all that an administrator may."""
        [name] = [
            found["metadata"]["name"]
            for found in self.cluster.store.of("Secret")
            if "username" in (found.get("stringData") or {})
        ]
        first = self.cluster.text_of("Secret", name)
        assert first is not None
        password = secrets.token_urlsafe(18)
        door = Api(self.url)
        await door.replace_password(first["username"], first["password"], password)
        admin = await door.sign_in(first["username"], password)
        me = await admin.call("GET", "/api/v1/me")
        key = {"name": "tests", "permissions": me["permissions"], "rate_per_minute": 100_000}
        self.api_key = str((await admin.call("POST", "/api/v1/api_keys", key))["key"])
        await admin.close()
        await door.close()


class AskingAllTheTime:
    """REST requests through every door to services behind it, each on a connection of its own.

    A 503 that says when to ask again is asked again once, then, as the API's clients are told to; `again` counts them.
    """

    _PATHS = ("/api/v1/conversations", "/api/v1/queues", "/api/v1/inboxes", "/api/v1/users")

    def __init__(self, tenant: Tenant) -> None:
        self.answered = 0
        self.again: list[str] = []
        self.failed: list[str] = []
        self._began = time.monotonic()
        self._tenant = tenant
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._keep_asking(path)) for path in self._PATHS]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_asking(self, path: str) -> None:
        while True:
            answer = await self._ask(path)
            if isinstance(answer, httpx.Response) and answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                self._note(self.again, path, answer)
                await asyncio.sleep(float(answer.headers["retry-after"]))
                answer = await self._ask(path)
            if not isinstance(answer, httpx.Response) or answer.status_code != httpx.codes.OK:
                self._note(self.failed, path, answer)
            self.answered += 1
            # The pace of the requests, not a wait for anything.
            await asyncio.sleep(_PAUSE_S)

    async def _ask(self, path: str) -> httpx.Response | httpx.HTTPError:
        headers = {"authorization": f"Bearer {self._tenant.api_key}"}
        try:
            async with httpx.AsyncClient(base_url=self._tenant.url, timeout=15, headers=headers) as client:
                return await client.get(path, params={"page_size": "1"})
        except httpx.HTTPError as error:
            return error

    def _note(self, where: list[str], path: str, answer: httpx.Response | httpx.HTTPError) -> None:
        what = (
            f"{answer.status_code} {answer.text[:200]}"
            if isinstance(answer, httpx.Response)
            else repr(answer)
        )
        where.append(f"{time.monotonic() - self._began:.1f} s {path}: {what}")
