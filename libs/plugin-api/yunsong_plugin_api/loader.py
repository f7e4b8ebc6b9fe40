"""Finds the plugins that are installed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

P = TypeVar("P")

_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.\d+)?")


class PluginError(Exception):
    """A plugin that cannot be used: which one, from which distribution, and why."""


@dataclass(frozen=True, slots=True)
class LoadedPlugin(Generic[P]):
    """A plugin that is ready for use."""

    name: str  # of the entry point
    distribution: str  # "acme-yunsong 1.2.0", empty for built-in ones
    plugin: P


def load_plugins(
    group: str,
    interface: type[P],
    *,
    builtin: dict[str, P] | None = None,
    api_version: str = "1.0",
    installed: Iterable[EntryPoint] | None = None,
) -> dict[str, LoadedPlugin[P]]:
    """All plugins of a group by name: the built-in ones and those that are installed.

    A plugin works when it has the interface's members and its `api_version` has the same major and no higher minor number than
    `api_version`. Raises `PluginError` for one that does not import, does not fit, or takes a name that is taken: a start with
    half of
    its plugins would be worse than none. `installed` replaces the entry points of the environment, for tests.
    """
    found = {name: LoadedPlugin(name, "", plugin) for name, plugin in (builtin or {}).items()}
    for entry in sorted(
        installed if installed is not None else entry_points(group=group), key=lambda e: e.name
    ):
        source = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unnamed distribution"
        where = f"plugin {entry.name!r} of group {group!r} from {source}"
        if entry.name in found:
            other = found[entry.name].distribution or "the product itself"
            raise PluginError(f"{where}: the name is taken by {other}; uninstall one of them")
        found[entry.name] = LoadedPlugin(entry.name, source, _make(entry, where, interface, api_version))
    return found


def _make(entry: EntryPoint, where: str, interface: type[P], api_version: str) -> P:
    try:
        plugin = entry.load()()
    except Exception as error:
        raise PluginError(f"{where}: {type(error).__name__}: {error}") from error
    if not isinstance(plugin, interface):
        missing = sorted(
            name
            for name in {*getattr(interface, "__annotations__", {}), *vars(interface)}
            if not name.startswith("_") and not hasattr(plugin, name)
        )
        raise PluginError(f"{where}: {type(plugin).__name__} lacks {', '.join(missing)}")
    wanted = str(getattr(plugin, "api_version", ""))
    if not _fits(wanted, api_version):
        raise PluginError(
            f"{where}: it is made for plugin API {wanted or '(none)'}, this product has {api_version}"
        )
    return plugin


def _fits(wanted: str, offered: str) -> bool:
    want, have = _VERSION.fullmatch(wanted), _VERSION.fullmatch(offered)
    if want is None or have is None:
        return False
    return want[1] == have[1] and int(want[2]) <= int(have[2])
