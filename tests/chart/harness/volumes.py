"""A pod's volumes as folders of this machine, and what its containers see of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.chart.harness.environment import Missing

# A kind and a name; contents by key, or None.
Contents = Callable[[str, str], Mapping[str, bytes] | None]


class Volumes:
    """The volumes of one pod, below `folder`; claims are folders below `claims`, which outlive the pod."""

    def __init__(self, folder: Path, claims: Path, group: int | None, find: Contents) -> None:
        """`group` is the pod's fsGroup."""
        self._folder = folder
        self._claims = claims
        self._group = group
        self._find = find
        self._made: dict[str, tuple[Path, bool]] = {}

    def make(self, volume: Mapping[str, Any]) -> None:
        """Raises Missing for a secret, a config map or a claim that is not there."""
        name = volume["name"]
        place = self._folder / name
        if "configMap" in volume:
            source = volume["configMap"]
            self._write(place, "ConfigMap", source["name"], source)
        elif "secret" in volume:
            source = volume["secret"]
            self._write(place, "Secret", source["secretName"], source)
        elif "persistentVolumeClaim" in volume:
            place = self._claims / volume["persistentVolumeClaim"]["claimName"]
            if not place.is_dir():
                raise Missing(f"the claim {place.name} is not there")
            self._own(place)
        else:
            place.mkdir(parents=True)
            place.chmod(0o777)
            self._own(place)
        read_only = "configMap" in volume or "secret" in volume
        claim = volume.get("persistentVolumeClaim") or {}
        self._made[name] = (place, read_only or bool(claim.get("readOnly")))

    def mounts(self, container: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What the container's shim binds, outer places before inner ones."""
        found = []
        for mount in container.get("volumeMounts") or []:
            place, read_only = self._made[mount["name"]]
            source = place / mount["subPath"] if "subPath" in mount else place
            if not source.exists():
                source.mkdir(parents=True)
                self._own(source)
            read_only = read_only or bool(mount.get("readOnly"))
            found.append({"source": str(source), "target": mount["mountPath"], "read_only": read_only})
        return sorted(found, key=lambda mount: str(mount["target"]))

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _own(self, place: Path) -> None:
        """The volume's files are the group's, as fsGroup says, and what is made in it later too."""
        if self._group is None:
            return
        os.chown(place, -1, self._group)
        place.chmod(place.stat().st_mode & 0o777 | 0o2770)

    def _write(self, place: Path, kind: str, name: str, source: Mapping[str, Any]) -> None:
        contents = self._find(kind, name)
        if contents is None:
            if not source.get("optional"):
                raise Missing(f"{kind}/{name} is not there")
            contents = {}
        mode = int(source.get("defaultMode", 0o644))
        items = source.get("items") or [{"key": key, "path": key} for key in contents]
        place.mkdir(parents=True)
        for item in items:
            if item["key"] not in contents:
                raise Missing(f"{kind}/{name} has no key {item['key']}")
            path = place / item["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents[item["key"]])
            path.chmod(int(item.get("mode", mode)) | (0o040 if self._group is not None else 0))
            if self._group is not None:
                os.chown(path, -1, self._group)
