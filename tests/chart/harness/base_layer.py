"""What stands for the slim Debian base: a root's skeleton, the essential programs, the interpreter, the runtime lock's packages."""

from __future__ import annotations

import compileall
import fcntl
import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CACHE = ROOT / "build" / "harness"
# The virtual environment in every image of the product.
PLACE = "opt/yunsong"
# Debian's packages that every image of it has, whose programs a probe or a job may call.
_ESSENTIAL = (
    "base-files", "bash", "bsdutils", "coreutils", "dash", "debianutils", "diffutils", "findutils", "grep", "gzip",
    "hostname", "libc-bin", "login", "mount", "ncurses-bin", "perl-base", "sed", "tar", "util-linux",
)  # fmt: skip
_ACCOUNTS = {"root": 0, "nobody": 65534, "postgres": 999, "nats": 1000}
_LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
_FOLDERS = (
    "usr", "etc", "dev", "proc", "sys", "root", "home", "mnt", "opt", "srv", "run", "var/lib", "var/log", "var/cache",
    "var/tmp", "tmp", "docker-entrypoint-initdb.d",
)  # fmt: skip


@contextmanager
def made_once(folder: Path) -> Iterator[Path | None]:
    """Gives a folder to fill that becomes `folder` when all went well; None when it is there already."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            yield None
            return
        fresh = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        yield fresh
        fresh.rename(folder)


def skeleton() -> Path:
    """The lowest layer."""
    place = CACHE / f"base-{_recipe()}"
    with made_once(place) as fresh:
        if fresh is not None:
            for name in _FOLDERS:
                (fresh / name).mkdir(parents=True)
            for name in ("tmp", "var/tmp"):
                (fresh / name).chmod(0o1777)
            for name, target in _LINKS.items():
                (fresh / name).symlink_to(target)
            accounts = _ACCOUNTS.items()
            files = {
                "passwd": "".join(f"{name}:x:{uid}:{uid}::/:/bin/sh\n" for name, uid in accounts),
                "group": "".join(f"{name}:x:{uid}:\n" for name, uid in accounts),
                "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
            }
            for name, content in files.items():
                (fresh / "etc" / name).write_text(content)
    return place


def machine_binds() -> dict[str, Path]:
    """The parts of this machine's root that containers see, read-only; its programs are not among them."""
    interpreter = Path(sys.base_prefix)
    binds = {"/usr": Path("/usr"), "/etc/ssl": Path("/etc/ssl"), "/etc/ld.so.cache": Path("/etc/ld.so.cache")}
    programs = _programs()
    if not interpreter.is_relative_to("/usr"):
        binds[str(interpreter)] = interpreter
    binds["/usr/bin"] = programs / "bin"
    binds["/usr/sbin"] = programs / "sbin"
    if not interpreter.is_relative_to("/usr/local"):
        binds["/usr/local"] = programs / "local"
    return {place: path for place, path in binds.items() if path.exists()}


def _programs() -> Path:
    place = CACHE / f"programs-{_recipe()}"
    with made_once(place) as fresh:
        if fresh is not None:
            for name in ("bin", "sbin", "local/bin"):
                (fresh / name).mkdir(parents=True)
            listed = subprocess.run(
                ["dpkg", "--listfiles", *_ESSENTIAL], capture_output=True, text=True, check=True, timeout=60
            ).stdout.split()
            for line in [*listed, "/bin/sh", sys._base_executable]:  # type: ignore[attr-defined]
                program = Path(line)
                if program.parent.name in {"bin", "sbin"} and program.is_file():
                    # What a link leads to is copied: alternatives lie elsewhere.
                    shutil.copy2(program.resolve(), fresh / program.parent.name / program.name)
            (fresh / "local/bin/python3").symlink_to(sys._base_executable)  # type: ignore[attr-defined]
    return place


def runtime_packages() -> Path:
    """A layer with the packages of requirements/runtime.txt, and nothing else that this checkout has installed."""
    lock = (ROOT / "requirements" / "runtime.txt").read_text("utf-8")
    names = re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==(\S+)", lock, re.MULTILINE)
    versions = "-".join(f"{name}{version}" for name, version in names)
    place = CACHE / f"runtime-{_short(versions)}-{_recipe()}"
    with made_once(place) as fresh:
        if fresh is not None:
            environment = fresh / PLACE
            target = environment / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
            for name, version in names:
                _link_package(name, version, target)
            folders = (f"/{PLACE}/{name}\n" for name in ("libraries", "service", "plugins"))
            (target / "yunsong.pth").write_text("".join(folders))
            for name in ("bin", "plugins"):
                (environment / name).mkdir()
            interpreter = Path(sys._base_executable)  # type: ignore[attr-defined]
            for name in ("python", "python3"):
                (environment / "bin" / name).symlink_to(interpreter)
            (environment / "pyvenv.cfg").write_text(
                f"home = {interpreter.parent}\ninclude-system-site-packages = false\n"
            )
    return place


def _link_package(name: str, version: str, target: Path) -> None:
    try:
        installed = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return  # the lock holds packages for other systems too; a missing one shows at the first import
    assert installed.version == version, (
        f"{name} is {installed.version} here, the lock says {version}: `make setup`"
    )
    source = Path(str(installed.locate_file("")))
    for file in installed.files or ():
        path = Path(str(file))
        # Console scripts name this checkout's interpreter; the rest is what the Dockerfile takes out.
        if ".." in path.parts or "tests" in path.parts or path.suffix in {".c", ".pyx", ".pxd", ".pyi"}:
            continue
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source / path, place)
        except FileNotFoundError:
            continue  # compiled code that somebody has cleaned up
        except OSError:
            shutil.copy2(source / path, place)


def compile_packages(target: Path) -> None:
    """As pip does for an image; a read-only root could not keep what is compiled at the start."""
    compileall.compile_dir(target, quiet=2, workers=1)


def _recipe() -> str:
    """Changes with how layers are made, and with the interpreter that they are made for."""
    return _short(Path(__file__).read_text("utf-8") + sys.version + sys.base_prefix)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
