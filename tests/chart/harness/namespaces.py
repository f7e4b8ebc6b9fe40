"""Network namespaces from inside the test's process: made, entered for a moment, and gone with the process."""

from __future__ import annotations

import os
import shutil
import socket as sockets
import subprocess
import threading
from collections.abc import Callable
from typing import TypeVar

from tests.chart.harness.shim import CLONE_NEWNET, setns, unshare

T = TypeVar("T")

_PROGRAMS = ("ip", "iptables-restore", "nsenter")
_CAP_SYS_ADMIN = 21


class MachineCannot(Exception):
    """This machine lacks what the harness needs; the text says what."""


def why_not() -> str:
    """Why the harness can't run here; empty when it can."""
    with open("/proc/self/status", encoding="utf-8") as status:  # noqa: PTH123 - one line of a kernel's file
        held = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff"))
    if os.geteuid() != 0 or not held >> _CAP_SYS_ADMIN & 1:
        return "the chart's harness makes namespaces: run these tests as root"
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        return (
            f"the chart's harness needs these programs: {', '.join(missing)} (iproute2, iptables, util-linux)"
        )
    try:
        Network().close()
    except OSError as error:
        return f"the chart's harness can't make a network namespace here: {error}"
    return ""


def _in_a_thread(work: Callable[[], T]) -> T:
    """Runs in a thread of its own: namespaces belong to threads, and nothing else may see another one."""
    result: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            result.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again by the caller
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return result[0]


class Network:
    """One network namespace. It lives as long as this object's descriptor, or a process in it."""

    def __init__(self) -> None:
        def make() -> int:
            unshare(CLONE_NEWNET)
            return os.open("/proc/thread-self/ns/net", os.O_RDONLY)

        self.descriptor = _in_a_thread(make)
        self.run("ip", "link", "set", "lo", "up")

    @property
    def path(self) -> str:
        """Names it for other processes."""
        return f"/proc/{os.getpid()}/fd/{self.descriptor}"

    def within(self, work: Callable[[], T]) -> T:
        """What `work` gives when it runs inside. Must be quick."""

        def enter() -> T:
            setns(self.descriptor, CLONE_NEWNET)
            return work()

        return _in_a_thread(enter)

    def run(self, *command: str, text: str = "") -> str:
        """Runs a program inside. Raises MachineCannot with what it said."""

        def call() -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                command, input=text, capture_output=True, text=True, timeout=30, check=False
            )

        done = self.within(call)
        if done.returncode != 0:
            raise MachineCannot(f"{' '.join(command)}: {done.stderr.strip()}\n{text}")
        return done.stdout

    def set_parameters(self, values: dict[str, str]) -> None:
        """Kernel parameters under /proc/sys/net, of this namespace alone."""

        def write() -> None:
            for name, value in values.items():
                with open(f"/proc/sys/net/{name}", "w", encoding="utf-8") as file:  # noqa: PTH123
                    file.write(value)

        self.within(write)

    def socket(self, kind: sockets.SocketKind = sockets.SOCK_STREAM) -> sockets.socket:
        """A socket inside, for use from anywhere."""
        made = self.within(lambda: sockets.socket(sockets.AF_INET, kind))
        made.setblocking(False)
        return made

    def listener(
        self, address: str, port: int, kind: sockets.SocketKind = sockets.SOCK_STREAM
    ) -> sockets.socket:
        """A socket that listens inside."""
        made = self.socket(kind)
        made.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
        made.bind((address, port))
        if kind is sockets.SOCK_STREAM:
            made.listen(256)
        return made

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
