"""One server process: started without inheriting root, ended with its parent, watched until it is ready."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_CAP_DAC_READ_SEARCH = 2
_POLL_S = 0.02


class ServerFailed(Exception):
    """An embedded server did not start or ended by itself; the message says where its log is."""


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerProcess:
    """A child process that writes to one log file and never outlives the process that started it."""

    def __init__(self, launch: Launch, log: Path) -> None:
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                launch.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A Ctrl-C in the terminal reaches the parent alone, which then stops its servers in order.
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - start before any thread that could hold a lock
                **launch.identity,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def wait_until(self, ready: Callable[[], bool], name: str, timeout_s: float) -> None:
        """Raises ServerFailed when the process ends, or is not `ready` within `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if not self.alive:
                raise ServerFailed(
                    f"{name} ended with code {self._process.returncode}; its log is {self._log}"
                )
            if time.monotonic() > deadline:
                raise ServerFailed(f"{name} was not ready within {timeout_s:g} s; its log is {self._log}")
            time.sleep(_POLL_S)

    def stop(self, stop_signal: signal.Signals, timeout_s: float) -> None:
        """End the process with `stop_signal`, and with SIGKILL when it is still there after `timeout_s`."""
        if self.alive:
            self._process.send_signal(stop_signal)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """SIGKILL, as a crash or the kernel's memory killer would."""
        if self.alive:
            self._process.kill()
        self._process.wait()


def unprivileged_user() -> pwd.struct_passwd | None:
    """The account a server that refuses root runs as; None when we are not root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise ServerFailed(
            "PostgreSQL does not run as root, and there is no user 'nobody' for it: start as another user"
        ) from None


@dataclass(frozen=True, slots=True)
class Launch:
    """A command and the subprocess arguments that say who runs it."""

    command: list[str]
    identity: dict[str, Any]


def launch_as(user: pwd.struct_passwd | None, command: Sequence[str], paths: Sequence[Path]) -> Launch:
    """How to run `command` as `user`, who must reach `paths`; None is who we are.

    A checkout below a root-only folder stays as it is: instead of opening the folder to everyone, the server
    keeps one capability of root's, to pass through folders.
    """
    if user is None:
        return Launch(list(command), {})
    if all(can_enter(path, user) for path in paths):
        return Launch(list(command), {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []})
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise ServerFailed(
            f"user {user.pw_name!r}, which PostgreSQL runs as, cannot enter {paths[0]}: "
            "start as another user, or move the checkout to a folder that everyone may enter"
        )
    capability = "dac_read_search" if _holds(_CAP_DAC_READ_SEARCH) else "dac_override"
    who = (f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    keeps = (f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}", "--pdeathsig=INT")
    return Launch([setpriv, *who, *keeps, *command], {})


def can_enter(path: Path, user: pwd.struct_passwd) -> bool:
    """Whether `user` may list `path` and pass through every folder above it."""
    target = path.resolve()
    for folder in (target, *target.parents):
        with contextlib.suppress(FileNotFoundError):
            status = folder.stat()
            needed = 0o5 if folder == target else 0o1
            if status.st_uid == user.pw_uid:
                needed <<= 6
            if status.st_mode & needed != needed:
                return False
    return True


def _holds(capability: int) -> bool:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("CapEff:"):
                return bool(int(line.split()[1], 16) & (1 << capability))
    return False


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
