"""`yunsong doctor`: looks at this machine and at the running product, and says what to do about what is wrong."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from yunsong_standalone.catalogue import SERVICES
from yunsong_standalone.embedded.process import ServerFailed, unprivileged_user
from yunsong_standalone.home import Home
from yunsong_standalone.readiness import readiness
from yunsong_standalone.topology import is_free

_MIN_FREE_BYTES = 1 << 30
_OLDEST_PYTHON = (3, 11)
_PUBLIC_PORT = 8080
_CONNECT_WITHIN_S = 3.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `fix` is empty when it is well."""

    subject: str
    state: str
    fix: str = ""


def doctor(home: Home, environment: Mapping[str, str]) -> int:
    """Print every finding; 1 when something needs fixing."""
    return report(
        finding for look in (_machine, _home, _servers, _product) for finding in look(home, environment)
    )


def report(looked_at: Iterable[Finding]) -> int:
    """Print findings; 1 when one of them needs fixing."""
    findings = list(looked_at)
    for finding in findings:
        print(f"{'ok ' if not finding.fix else 'FIX'}  {finding.subject}: {finding.state}")
        if finding.fix:
            print(f"     → {finding.fix}")
    return 1 if any(finding.fix for finding in findings) else 0


Look = Callable[[Home, Mapping[str, str]], Iterator[Finding]]


def _machine(_home: Home, environment: Mapping[str, str]) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    old = sys.version_info < _OLDEST_PYTHON
    yield Finding("Python", version, "install Python 3.11 or newer, then `make setup`" if old else "")
    missing = [service.module for service in SERVICES if importlib.util.find_spec(service.module) is None]
    yield Finding(
        "packages",
        f"missing: {', '.join(missing)}" if missing else "all six services are installed",
        "run `make setup`" if missing else "",
    )
    generated = importlib.util.find_spec("yunsong") is not None
    yield Finding(
        "contract", "generated" if generated else "not generated", "" if generated else "run `make proto`"
    )
    if not environment.get("YUNSONG_DATABASE_URL"):
        try:
            user = unprivileged_user()
        except ServerFailed as error:
            yield Finding("user", "root", str(error))
        else:
            name = f"root; PostgreSQL runs as {user.pw_name}" if user is not None else "not root"
            yield Finding("user", name)


def _home(home: Home, _environment: Mapping[str, str]) -> Iterator[Finding]:
    folder = home.folder if home.folder.exists() else home.folder.parent
    free = shutil.disk_usage(folder).free
    yield Finding(
        "disk",
        f"{free / (1 << 30):.1f} GiB free at {folder}",
        ""
        if free > _MIN_FREE_BYTES
        else "free at least 1 GiB, or set YUNSONG_HOME to a folder on another disk",
    )
    if not os.access(folder, os.W_OK):
        yield Finding("data", f"{folder} is not writable", "make it writable, or set YUNSONG_HOME")
    for path in (home.folder / "secrets.json", home.first_sign_in, home.demo_key):
        if path.exists() and path.stat().st_mode & 0o077:
            yield Finding("secrets", f"others may read {path}", f"chmod 600 {path}")


def _servers(_home: Home, environment: Mapping[str, str]) -> Iterator[Finding]:
    for name, variable, usual_port in (
        ("PostgreSQL", "YUNSONG_DATABASE_URL", 5432),
        ("NATS", "YUNSONG_NATS_URL", 4222),
    ):
        url = environment.get(variable)
        if not url:
            yield Finding(name, "embedded")
            continue
        parts = urlsplit(url)
        host, port = parts.hostname or "127.0.0.1", parts.port or usual_port
        problem = _cannot_connect(host, port)
        fix = f"start it, or correct {variable}; unset it to use the embedded one" if problem else ""
        yield Finding(name, f"{host}:{port} {problem or 'answers'}", fix)


def _product(home: Home, _environment: Mapping[str, str]) -> Iterator[Finding]:
    running = home.running()
    if not running:
        free = is_free(_PUBLIC_PORT)
        yield Finding(
            "product",
            f"not running here; port {_PUBLIC_PORT} is {'free' if free else 'in use'}",
            "" if free else "start it with another one: `make run PORT=8081`",
        )
        return
    alive = Path(f"/proc/{running['pid']}").exists() or sys.platform != "linux"
    yield Finding(
        "product",
        f"{running['url']}, {running['topology']}",
        "" if alive else "it was killed: start it again with `make run`",
    )
    for name, port in running["ops_ports"].items():
        problem = asyncio.run(readiness(port))
        fix = (
            "look at its lines in the output of `make run`; what it waits for is named here"
            if problem
            else ""
        )
        yield Finding(name, problem or "ready", fix)


def _cannot_connect(host: str, port: int) -> str:
    try:
        with socket.create_connection((host, port), timeout=_CONNECT_WITHIN_S):
            return ""
    except OSError as error:
        return f"does not answer ({error})"
