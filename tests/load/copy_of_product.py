"""A copy of the product for a load run: real processes, data in a folder of its own, ended by its own id."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from tests.load.client import Api
from tests.support.polling import eventually
from yunsong_standalone.embedded.process import free_port

READY_WITHIN_S = 120


class Copy:
    """`yunsong run` in `folder`; use as an asynchronous context manager."""

    def __init__(self, folder: Path, topology: str = "compact") -> None:
        self.folder = folder
        self.home = folder / "home"
        self.topology = topology
        self.port = free_port()
        self.ready_s = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> dict[str, object]:
        """What the copy says of itself."""
        path = self.home / "running.json"
        state: dict[str, object] = json.loads(path.read_text()) if path.exists() else {}
        return state

    def pid_of(self, service: str) -> int:
        """The process that runs a service; in the compact topology, the one that runs all."""
        processes = self.running["processes"]
        assert isinstance(processes, dict)
        return int(processes.get(service) or processes["compact"])

    @property
    def postgres_url(self) -> str:
        return str(self.running["database_url"])

    @property
    def nats_url(self) -> str:
        return str(self.running["nats_url"])

    async def __aenter__(self) -> Copy:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Starts and waits until it is ready; `ready_s` says how long that took."""
        log = (self.folder / "product.log").open("ab")
        started = time.perf_counter()
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "yunsong_standalone",
                "run",
                "--port",
                str(self.port),
                "--topology",
                self.topology,
            ],
            env={**os.environ, "YUNSONG_HOME": str(self.home), "YUNSONG_GATEWAY_RATE_LIMITS": "off"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        log.close()
        await eventually(self._is_ready, within_s=READY_WITHIN_S, what=f"a running copy in {self.folder}")
        self.ready_s = time.perf_counter() - started

    async def stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            await asyncio.to_thread(self._process.wait, 60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    async def admin(self) -> Api:
        """The first administrator, signed in."""
        first = json.loads((self.home / "first-sign-in.json").read_text())
        return await Api(self.url).sign_in(first["username"], first["password"])

    async def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            text = (self.folder / "product.log").read_text(errors="replace")[-3000:]
            raise RuntimeError(f"the product ended with {self._process.returncode}: {text}")
        return bool(self.running)
