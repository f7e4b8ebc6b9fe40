"""The routing strategies that are there: built in, and plugins."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint
from typing import ParamSpec, TypeVar

from yunsong_plugin_api import (
    ROUTING_STRATEGIES,
    LoadedPlugin,
    PluginBusy,
    PluginRunner,
    PluginTimeout,
    RoutingStrategy,
    load_plugins,
)
from yunsong_router.domain.model import BUILT_IN_STRATEGIES
from yunsong_router.domain.strategies import LeastLoaded, LongestIdle, RoundRobin

LOG = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")


class StrategyFailed(Exception):
    """A plugin's strategy raised, or took too long."""


class Strategies:
    """Strategies by name. A name that nobody has, as after a plugin was uninstalled, means the default."""

    def __init__(self, plugins: dict[str, LoadedPlugin[RoutingStrategy]]) -> None:
        self._plugins = plugins

    @classmethod
    def installed(cls, entry_points: Iterable[EntryPoint] | None = None) -> Strategies:
        """The built-in ones and those of the environment. Raises `PluginError` for one that cannot be used."""
        built_in: dict[str, RoutingStrategy] = {
            s.name: s for s in (LeastLoaded(), LongestIdle(), RoundRobin())
        }
        # mypy takes a protocol for an abstract class; the loader only asks whether a plugin has its members.
        found = load_plugins(
            ROUTING_STRATEGIES,
            RoutingStrategy,  # type: ignore[type-abstract]
            builtin=built_in,
            installed=entry_points,
        )
        return cls(found)

    def without_plugins(self) -> Strategies:
        """The built-in ones alone: for a plan that a plugin failed."""
        return Strategies({name: plugin for name, plugin in self._plugins.items() if self.is_built_in(name)})

    def knows(self, name: str) -> bool:
        """Whether there is a strategy of that name."""
        return name in self._plugins

    def is_built_in(self, name: str) -> bool:
        """Whether asking it is quick and safe; the default, which stands in for an unknown one, is."""
        return name in BUILT_IN_STRATEGIES or name not in self._plugins

    def get(self, name: str) -> RoutingStrategy:
        """The strategy, or the default."""
        found = self._plugins.get(name)
        return found.plugin if found is not None else self._plugins["least_loaded"].plugin

    async def guarded(
        self, runner: PluginRunner, deadline_s: float, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Runs `work`, which asks plugins, off the event loop and with a deadline. Raises `StrategyFailed`."""
        try:
            return await runner.run(deadline_s, work, *args, **kwargs)
        except (PluginTimeout, PluginBusy) as error:
            raise StrategyFailed(str(error)) from error
        except Exception as error:
            raise StrategyFailed(f"{type(error).__name__}: {error}") from error
