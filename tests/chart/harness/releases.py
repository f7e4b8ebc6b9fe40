"""The product's images out of a tree of its source: the layers that services/Dockerfile makes, without building one."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tests.chart.harness.base_layer import (
    PLACE,
    ROOT,
    compile_packages,
    machine_binds,
    runtime_packages,
    skeleton,
)
from tests.chart.harness.images import Image

_LIBRARIES = ("proto", "libs/common", "libs/plugin-api")
_TOGETHER = "standalone"
_WITH_PAGES = ("gateway", _TOGETHER)


class BuildFailed(Exception):
    """A release could not be made; the text says why."""


_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Instructions that say which files an image has: the layers here are those files.
_FILES = ("ADD", "ARG", "COPY", "EXPOSE", "LABEL", "RUN", "SHELL")


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """How a container of its last stage starts."""

    entrypoint: list[str]
    command: list[str]
    environment: dict[str, str]
    user: int
    group: int
    folder: str

    @classmethod
    def read(cls, text: str) -> Dockerfile:
        """Raises BuildFailed for an instruction whose meaning for a start is not known here."""
        found: dict[str, str] = {}
        environment = {"PATH": _PATH}
        for instruction, rest in _last_stage(text):
            if instruction == "ENV":
                for name, value in (each.split("=", 1) for each in shlex.split(rest)):
                    environment[name] = value.replace("$PATH", environment["PATH"])
            elif instruction in ("ENTRYPOINT", "CMD", "USER", "WORKDIR"):
                found[instruction] = rest
            elif instruction not in _FILES:
                raise BuildFailed(
                    f"services/Dockerfile: the harness does not know what {instruction} changes"
                )
        user, _, group = found.get("USER", "0:0").partition(":")
        return cls(
            ast.literal_eval(found.get("ENTRYPOINT", "[]")),
            ast.literal_eval(found.get("CMD", "[]")),
            environment,
            int(user),
            int(group or user),
            found.get("WORKDIR", "/"),
        )


def _last_stage(text: str) -> list[tuple[str, str]]:
    """The instructions of the last stage, after those of the stages that it is made from."""
    plain = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    stages: dict[str, list[tuple[str, str]]] = {}
    last: list[tuple[str, str]] = []
    for line in filter(None, map(str.strip, plain.splitlines())):
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            base, *named = rest.split()
            last = list(stages.get(base, []))
            if named:
                stages[named[1]] = last
        else:
            last.append((instruction, rest.strip()))
    return last


def build(tree: Path, folder: Path) -> dict[str, Image]:
    """The images of a source tree by name, such as "yunsong-gateway"; their layers are made in `folder`.

    The tree needs its own `proto/`, `libs/` and `services/`; tools, third-party packages and, where the tree has none, the
    pages are this checkout's.
    """
    services = sorted(path.parent.name for path in tree.glob("services/*/pyproject.toml"))
    wheels = folder / "wheels"
    _run(sys.executable, str(tree / "proto" / "generate.py"), cwd=tree)
    _run(
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "wheel", "--no-cache-dir"),
        *("--no-index", "--no-build-isolation", "--no-deps", "--wheel-dir", str(wheels)),
        *(str(tree / package) for package in (*_LIBRARIES, *(f"services/{name}" for name in services))),
        cwd=tree,
    )
    libraries = folder / "libraries"
    for name in ("proto", "common", "plugin_api"):
        _unpack(wheels, f"yunsong_{name}", libraries / PLACE / "libraries")
    start = Dockerfile.read((tree / "services" / "Dockerfile").read_text("utf-8"))
    layers = {}
    for name in services:
        layers[name] = folder / name
        _unpack(wheels, f"yunsong_{name.replace('-', '_')}", layers[name] / PLACE / "service")
        _programs(layers[name], name)
    pages = next((path for path in (tree / "build/pages", ROOT / "build/pages") if path.is_dir()), None)
    if pages is not None:
        for name in _WITH_PAGES:
            shutil.copytree(pages, layers[name] / PLACE / "pages")
    images = {}
    for name in services:
        # The image of all six holds them all.
        others = [layers[each] for each in services if each != name] if name == _TOGETHER else []
        images[f"yunsong-{name}"] = Image(
            layers=[layers[name], *others, libraries, runtime_packages(), skeleton()],
            entrypoint=start.entrypoint,
            command=start.command,
            environment=start.environment,
            user=start.user,
            group=start.group,
            folder=start.folder,
            binds=machine_binds(),
        )
    return images


def archive(reference: str, folder: Path) -> Path:
    """The source tree of a commit, without touching the checkout."""
    packed = folder / "tree.tar"
    tree = folder / "tree"
    tree.mkdir(parents=True)
    done = subprocess.run(
        ["git", "-C", str(ROOT), "archive", "--output", str(packed), reference],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode != 0:
        raise BuildFailed(
            f"there is no commit {reference} here: fetch the history (in CI a depth of 2): {done.stderr}"
        )
    shutil.unpack_archive(packed, tree, filter="data")
    packed.unlink()
    return tree


def _run(*command: str, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise BuildFailed(f"{shlex.join(command)}: {done.stdout}{done.stderr}")


def _unpack(wheels: Path, package: str, target: Path) -> None:
    """Installs a wheel, which is plain Python."""
    [wheel] = wheels.glob(f"{package}-*.whl")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(target)
    compile_packages(target)


def _programs(layer: Path, service: str) -> None:
    """What the Dockerfile writes into bin."""
    module = "yunsong_standalone.compact" if service == _TOGETHER else f"yunsong_{service.replace('-', '_')}"
    programs = {"yunsong-service": module} | (
        {"yunsong": "yunsong_standalone"} if service == _TOGETHER else {}
    )
    folder = layer / PLACE / "bin"
    folder.mkdir(parents=True)
    for name, starts in programs.items():
        (folder / name).write_text(
            "#!/opt/yunsong/bin/python\nimport runpy\n\n"
            f'runpy.run_module("{starts}", run_name="__main__", alter_sys=True)\n'
        )
        (folder / name).chmod(0o755)
