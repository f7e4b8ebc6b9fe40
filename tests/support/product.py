"""The whole product as real processes, in either topology, for end-to-end and fault tests.

    async with Product(tmp_path, "distributed") as product:
        admin = await product.sign_in()
        product.kill("router")            # SIGKILL; the supervisor starts it again
        await product.all_ready()

A test that takes PostgreSQL or NATS away for a while runs them itself and gives their objects: the supervisor
starts only what it owns again.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.support.polling import eventually
from yunsong_standalone.catalogue import BY_NAME, SERVICES
from yunsong_standalone.embedded import EmbeddedNats, EmbeddedPostgres, free_port
from yunsong_standalone.readiness import readiness
from yunsong_standalone.topology import Backends, Ports

READY_WITHIN_S = 120.0
STOP_WITHIN_S = 60.0
_LOG_TAIL = 6000


class Product:
    """`yunsong run` with its data in `folder`; stopping and starting it again keeps the data."""

    def __init__(
        self,
        folder: Path,
        topology: str = "compact",
        *,
        postgres: EmbeddedPostgres | None = None,
        nats: EmbeddedNats | None = None,
        demo_data: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.home = folder / "home"
        self.log = folder / "product.log"
        self.topology = topology
        self.port = free_port()
        self._arguments = [] if demo_data else ["--no-demo-data"]
        self._environment = {
            **os.environ,
            **_free_ports(),
            **(environment or {}),
            "YUNSONG_HOME": str(self.home),
        }
        if postgres is not None:
            self._environment["YUNSONG_DATABASE_URL"] = postgres.url()
        if nats is not None:
            self._environment["YUNSONG_NATS_URL"] = nats.url()
        self._process: subprocess.Popen[bytes] | None = None
        self._replicas: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> dict[str, Any]:
        """What the copy says of itself; empty until it is ready."""
        with suppress(FileNotFoundError):
            state: dict[str, Any] = json.loads((self.home / "running.json").read_text("utf-8"))
            return state
        return {}

    def pid_of(self, name: str) -> int:
        """The process of a service, or of "postgres" or "nats" where the product runs them itself."""
        running = self.running
        if name in running["servers"]:
            return int(running["servers"][name]["pid"])
        pid = running["processes"].get(name) or running["processes"]["compact"]
        return int(pid)

    def kill(self, name: str) -> int:
        """SIGKILL one process; returns the pid that is gone."""
        pid = self.pid_of(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    async def replaced(self, name: str, pid: int, within_s: float = 30) -> None:
        """Return once another process stands where `pid` was."""

        def another() -> bool:
            try:
                return self.pid_of(name) != pid
            except (TypeError, KeyError):  # between two processes there is none
                return False

        await eventually(another, within_s=within_s, what=f"a new process of {name}")

    async def all_ready(self, within_s: float = 60) -> None:
        """Return once every service says that it is ready."""

        async def none_unready() -> bool:
            problems = {
                name: problem
                for name, port in self.running["ops_ports"].items()
                if (problem := await readiness(port))
            }
            assert not problems, problems
            return True

        await eventually(none_unready, within_s=within_s, what="every service's readiness")

    def add_replica(self, name: str) -> int:
        """Start one more process of a service beside the one that runs; returns its public port (gateway only: HTTP)."""
        ports = Ports.choose(free_port(), _free_ports())
        running = self.running
        backends = Backends(
            self.secret("release_key"), {"": running["database_url"]}, {"": running["nats_url"]}
        )
        entry = BY_NAME[name]
        addresses = {
            service.variable("ADDRESS"): f"127.0.0.1:{running['grpc_ports'][service.name]}"
            for service in SERVICES
        }
        environment = {**self._environment, **ports.environment(), **addresses, **backends.environment()}
        log = self.log.with_name(f"replica-{name}-{len(self._replicas)}.log")
        with log.open("ab") as output:
            self._replicas.append(
                subprocess.Popen(
                    [sys.executable, "-m", entry.module],
                    env=environment,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        return ports.http if name == "gateway" else ports.grpc[name]

    def secret(self, name: str) -> str:
        """One of the copy's own secrets, such as "release_key"."""
        known: dict[str, str] = json.loads((self.home / "secrets.json").read_text("utf-8"))
        return known[name]

    @property
    def api_key(self) -> str:
        """An API key with every permission."""
        return (self.home / "demo-key").read_text("utf-8").strip()

    def first_sign_in(self) -> tuple[str, str]:
        """The first administrator's name and password."""
        first = json.loads((self.home / "first-sign-in.json").read_text("utf-8"))
        return first["username"], first["password"]

    async def sign_in(self, username: str = "", password: str = "") -> httpx.AsyncClient:
        """A client of the public door as this user, the first administrator by default. `async with` closes it."""
        if not username:
            username, password = self.first_sign_in()
        async with httpx.AsyncClient(base_url=self.url, timeout=30) as nobody:
            answer = await nobody.post("/api/v1/sessions", json={"username": username, "password": password})
        answer.raise_for_status()
        bearer = {"authorization": f"Bearer {answer.json()['access_token']}"}
        return httpx.AsyncClient(base_url=self.url, headers=bearer, timeout=30)

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            print(f"The end of {self.log}:\n{self.tail()}")
        await self.stop()

    async def start(self) -> None:
        """Start it, and return once it is ready for the first contact."""
        self._launch()
        await eventually(self._is_ready, within_s=READY_WITHIN_S, what="a ready product")

    def _launch(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "yunsong_standalone", "run", "--raw-logs", "--port", str(self.port)]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, "--topology", self.topology, *self._arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    async def stop(self) -> None:
        """Ctrl-C, and wait for a clean end; a second call does nothing."""
        for replica in self._replicas:
            replica.terminate()
        for replica in self._replicas:
            await asyncio.to_thread(replica.wait, STOP_WITHIN_S)
        self._replicas.clear()
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            await asyncio.to_thread(self._process.wait, STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(
                f"the product did not stop within {STOP_WITHIN_S:g} s: {self.tail()}"
            ) from None
        finally:
            self._process = None

    def kill_everything(self) -> None:
        """SIGKILL the command itself, as a power cut would: its processes and servers end with it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def tail(self) -> str:
        """The end of the product's log."""
        return self.log.read_text("utf-8", "replace")[-_LOG_TAIL:] if self.log.exists() else ""

    def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"the product ended with {self._process.returncode}: {self.tail()}")
        return bool(self.running)


def _free_ports() -> dict[str, str]:
    """Ports of its own for every service, so that several products run on one machine."""
    return {
        service.variable(name): str(free_port()) for service in SERVICES for name in ("GRPC_PORT", "OPS_PORT")
    }
