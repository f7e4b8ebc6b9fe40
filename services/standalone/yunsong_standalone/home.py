"""The folder `.yunsong`: what a running copy keeps between starts, and what it tells other commands."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


class AlreadyRunning(Exception):
    """Another `yunsong run` uses the same folder."""


class Home:
    """One copy's folder. Everything secret in it is readable by its owner alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    @classmethod
    def of_environment(cls) -> Home:
        """`YUNSONG_HOME`, or `.yunsong` in the current folder."""
        return cls(Path(os.environ.get("YUNSONG_HOME") or ".yunsong"))

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def nats(self) -> Path:
        return self.folder / "nats"

    @property
    def files(self) -> Path:
        return self.folder / "files"

    @property
    def first_sign_in(self) -> Path:
        """Where the first administrator's name and password stand."""
        return self.folder / "first-sign-in.json"

    @property
    def demo_key(self) -> Path:
        """The API key that `yunsong demo` uses on this machine."""
        return self.folder / "demo-key"

    @property
    def demo_shop(self) -> Path:
        """What the demo shop's page needs: its inbox, and customers who can sign in there."""
        return self.folder / "demo-shop.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the folder for one `yunsong run`. Raises AlreadyRunning; a killed holder's lock is free."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = (self.folder / "lock").read_text().strip()
                raise AlreadyRunning(
                    f"{self.folder} is in use by process {pid}: stop it, or set YUNSONG_HOME to another folder"
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            (self.folder / "running.json").unlink(missing_ok=True)  # left by one that was killed
            try:
                yield
            finally:
                (self.folder / "running.json").unlink(missing_ok=True)

    def secret(self, name: str) -> str:
        """The secret of this name; made at the first call and the same ever after. Only URL-safe characters."""
        known = self._read("secrets.json")
        if name not in known:
            known[name] = secrets.token_urlsafe(32)
            self._write("secrets.json", known)
        value: str = known[name]
        return value

    def set_secret(self, name: str, value: str) -> None:
        """Keep a secret that was made elsewhere, such as in the copy that a backup is of."""
        self._write("secrets.json", {**self._read("secrets.json"), name: value})

    def has_secret(self, name: str) -> bool:
        return name in self._read("secrets.json")

    def done(self, step: str) -> bool:
        """Whether a step of the first start was finished."""
        return bool(self._read("state.json").get(step))

    def mark_done(self, step: str) -> None:
        self._write("state.json", {**self._read("state.json"), step: True})

    def running(self) -> dict[str, Any]:
        """What the copy says of itself once it is ready: pid, url, topology, processes. Empty when none runs."""
        return self._read("running.json")

    def set_running(self, state: dict[str, Any]) -> None:
        self._write("running.json", state)

    def _read(self, name: str) -> dict[str, Any]:
        with suppress(FileNotFoundError):
            content: dict[str, Any] = json.loads((self.folder / name).read_text("utf-8"))
            return content
        return {}

    def write_private(self, path: Path, content: str) -> None:
        """Replace a file at once, readable by its owner alone."""
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.new")
        with suppress(FileNotFoundError):
            fresh.unlink()
        with os.fdopen(
            os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)

    def _write(self, name: str, content: dict[str, Any]) -> None:
        self.write_private(self.folder / name, json.dumps(content, indent=2) + "\n")
