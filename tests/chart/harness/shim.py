"""Starts one container: run by itself as `python shim.py`, with what to do as JSON on standard input.

The process that the harness starts joins the pod's network, makes the other namespaces and stays as parent; its child, process 1 of
the container, builds the root, becomes the pod's user and turns into the container's command. Only the standard library.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT = 1, 2, 4, 32
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_MNT_DETACH = 2
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 24, 38
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_DEVICES = ("null", "zero", "full", "random", "urandom")
_LAST_CAPABILITY = 40

_libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    """Raises OSError for a C call that gave -1."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    check(_libc.unshare(flags), "unshare")


def setns(descriptor: int, flags: int) -> None:
    check(_libc.setns(descriptor, flags), "setns")


def _mount(source: str, target: Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    texts = (source, str(target), kind)
    check(
        _libc.mount(*(text.encode() for text in texts), ctypes.c_ulong(flags), options.encode()),
        f"mount {source} on {target}",
    )


def _bind(source: str, target: Path, *, read_only: bool) -> None:
    _mount(source, target, flags=_MS_BIND | _MS_REC)
    if read_only:
        _mount("", target, flags=_MS_BIND | _MS_REMOUNT | _MS_RDONLY)


def _prctl(option: int, argument: int) -> None:
    _libc.prctl(option, ctypes.c_ulong(argument), 0, 0, 0)


def _place(root: Path, inside: str, *, folder: bool) -> Path:
    """The path in the new root, made if it is not there: mounting on it needs something to mount on."""
    target = root / inside.lstrip("/")
    if folder:
        target.mkdir(parents=True, exist_ok=True)
    elif not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    return target


def _build_root(spec: dict[str, Any]) -> Path:
    stage = Path(spec["stage"])
    _mount("none", Path("/"), flags=_MS_REC | _MS_PRIVATE)
    _mount("tmpfs", stage, "tmpfs", _MS_NODEV, "mode=0755")
    upper, work, root = stage / "upper", stage / "work", stage / "root"
    for folder in (upper, work, root):
        folder.mkdir()
    lower = ":".join(spec["layers"])
    _mount("overlay", root, "overlay", 0, f"lowerdir={lower},upperdir={upper},workdir={work}")
    devices = _place(root, "/dev", folder=True)
    _mount("tmpfs", devices, "tmpfs", _MS_NOSUID, "mode=0755")
    for name in _DEVICES:
        (devices / name).touch()
        _bind(f"/dev/{name}", devices / name, read_only=False)
    (devices / "fd").symlink_to("/proc/self/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (devices / name).symlink_to(f"/proc/self/fd/{number}")
    (devices / "shm").mkdir()
    _mount("tmpfs", devices / "shm", "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=1777,size=64m")
    _mount("proc", _place(root, "/proc", folder=True), "proc", _MS_NOSUID | _MS_NODEV)
    for mount in spec["mounts"]:
        target = _place(root, mount["target"], folder=Path(mount["source"]).is_dir())
        _bind(mount["source"], target, read_only=mount["read_only"])
    return root


def _enter(root: Path, *, read_only: bool) -> None:
    os.chdir(root)
    check(_libc.syscall(_PIVOT_ROOT[platform.machine()], b".", b"."), "pivot_root")
    check(_libc.umount2(b".", _MNT_DETACH), "leaving the old root")
    os.chdir("/")
    if read_only:
        _mount("", Path("/"), flags=_MS_BIND | _MS_REMOUNT | _MS_RDONLY)


def _become(spec: dict[str, Any]) -> None:
    for capability in range(_LAST_CAPABILITY + 1):
        if capability not in spec["capabilities"]:
            _prctl(_PR_CAPBSET_DROP, capability)
    os.setgroups(spec["groups"])
    os.setgid(spec["gid"])
    os.setuid(spec["uid"])
    if spec["no_new_privs"]:
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    # After the change of user, which clears it.
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _child(spec: dict[str, Any]) -> NoReturn:
    root = _build_root(spec)
    _enter(root, read_only=spec["read_only_root"])
    _become(spec)
    os.umask(0o022)
    os.chdir(spec["folder"])
    command = spec["command"]
    try:
        os.execvpe(command[0], command, spec["environment"])
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        sys.stderr.flush()
        os._exit(127)


def main() -> None:
    """Exits as the container did: its code, or 128 and the number of the signal that ended it."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    spec = json.load(sys.stdin)
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    network = os.open(spec["network"], os.O_RDONLY)
    setns(network, CLONE_NEWNET)
    unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS)
    name = spec["hostname"].encode()
    check(_libc.sethostname(name, len(name)), "sethostname")
    report = spec["report"]
    child = os.fork()
    if child == 0:
        for descriptor in (nothing, network, report):
            os.close(descriptor)
        try:
            _child(spec)
        except OSError as error:
            sys.stderr.write(f"the container could not be made: {error}\n")
            sys.stderr.flush()
            os._exit(126)
    os.write(report, f"{child}\n".encode())
    os.close(report)
    _, status = os.waitpid(child, 0)
    os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))


if __name__ == "__main__":
    main()
