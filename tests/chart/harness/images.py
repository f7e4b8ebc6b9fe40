"""Images by reference: which layers, which programs of this machine, which entrypoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


class UnknownImage(Exception):
    """No image of this name or tag can be made here."""


@dataclass(frozen=True, slots=True)
class Image:
    """What a container starts from. `layers` are folders, the topmost first; `binds` are host paths by the place they appear at."""

    layers: Sequence[Path]
    entrypoint: Sequence[str]
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: int = 0
    group: int = 0
    folder: str = "/"
    binds: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reference:
    """`registry/of/mine/yunsong-gateway:0.1.0@sha256:…`, taken apart."""

    name: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> Reference:
        plain = text.split("@", 1)[0].rsplit("/", 1)[-1]
        name, _, tag = plain.partition(":")
        return cls(name, tag or "latest")


class Images:
    """All that can be run here: the product's releases by tag, and the servers."""

    def __init__(
        self, releases: Mapping[str, Mapping[str, Image]], servers: Mapping[str, Image] | None = None
    ) -> None:
        """`releases`: by tag, then by name, such as "yunsong-gateway"; `servers`: by name, whatever the tag."""
        self._releases = releases
        self._servers = servers or {}

    def get(self, reference: str) -> Image:
        """Raises UnknownImage, which says what there is."""
        wanted = Reference.parse(reference)
        if wanted.name in self._servers:
            return self._servers[wanted.name]
        if wanted.tag not in self._releases:
            raise UnknownImage(f"{reference}: tags here are {sorted(self._releases)}")
        release = self._releases[wanted.tag]
        if wanted.name not in release:
            raise UnknownImage(f"{reference}: images here are {sorted([*release, *self._servers])}")
        return release[wanted.name]
