"""Plugins are found, checked and run without holding up the loop."""

from __future__ import annotations

import asyncio
import threading
from importlib.metadata import EntryPoint

import pytest

import yunsong_plugin_api as api
from tests.support.polling import eventually


class LeastLoaded:
    api_version = "1.0"
    name = "least_loaded"
    depends_on_item = False

    def preference(self, agent: api.AgentView, item: api.WorkItemView) -> api.Preference:
        return (agent.load / agent.capacity, item.waiting_since)


class FromTheFuture(LeastLoaded):
    api_version = "2.0"


class Incomplete:
    api_version = "1.0"


class Broken:
    def __init__(self) -> None:
        raise RuntimeError("no licence")


def entry(name: str, attribute: str) -> EntryPoint:
    return EntryPoint(name=name, value=f"{__name__}:{attribute}", group=api.ROUTING_STRATEGIES)


def load(
    *entries: EntryPoint, **builtin: api.RoutingStrategy
) -> dict[str, api.LoadedPlugin[api.RoutingStrategy]]:
    return api.load_plugins(
        api.ROUTING_STRATEGIES,
        api.RoutingStrategy,  # type: ignore[type-abstract]
        builtin=builtin,
        installed=entries,
    )


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys  # noqa: PLC0415

    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or __import__(__name__))


def test_built_in_and_installed_plugins_stand_side_by_side() -> None:
    found = load(entry("mine", "LeastLoaded"), ours=LeastLoaded())
    assert sorted(found) == ["mine", "ours"]
    assert isinstance(found["mine"].plugin, LeastLoaded)


@pytest.mark.parametrize(
    ("name", "attribute", "reason"),
    [
        ("x", "FromTheFuture", "plugin API 2.0"),
        ("x", "Incomplete", "lacks depends_on_item, name, preference"),
        ("x", "Broken", "no licence"),
        ("x", "Missing", "Missing"),
        ("ours", "LeastLoaded", "taken by the product itself"),
    ],
)
def test_a_plugin_that_cannot_work_stops_the_start_and_is_named(
    name: str, attribute: str, reason: str
) -> None:
    with pytest.raises(api.PluginError, match=reason):
        load(entry(name, attribute), ours=LeastLoaded())


async def test_plugin_code_runs_elsewhere_and_its_errors_come_back() -> None:
    runner = api.PluginRunner(threads=2)
    assert await runner.run(5, threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await runner.run(5, lambda: 1 // 0)
    runner.close()


async def test_what_overstays_is_given_up_and_replaced() -> None:
    runner, release = api.PluginRunner(threads=1, max_stuck=2), threading.Event()
    with pytest.raises(api.PluginTimeout):
        await runner.run(0.02, release.wait)
    assert runner.stuck == 1
    assert await runner.run(5, lambda: "still works") == "still works"
    release.set()
    await eventually(lambda: runner.stuck == 0)
    runner.close()


async def test_too_many_that_hang_are_refused_until_they_come_back() -> None:
    runner, release = api.PluginRunner(threads=1, max_stuck=1), threading.Event()
    with pytest.raises(api.PluginTimeout):
        await runner.run(0.02, release.wait)
    with pytest.raises(api.PluginBusy):
        await runner.run(5, lambda: None)
    release.set()
    await eventually(lambda: runner.stuck == 0)
    assert await runner.run(5, lambda: 1) == 1
    runner.close()


async def test_the_number_that_waits_is_bounded() -> None:
    runner, release, began = api.PluginRunner(threads=1, waiting=1), threading.Event(), threading.Event()

    def works() -> bool:
        began.set()
        return release.wait()

    tasks = [asyncio.create_task(runner.run(5, works))]
    await eventually(began.is_set)
    tasks.append(asyncio.create_task(runner.run(5, release.wait)))
    await asyncio.sleep(0)
    with pytest.raises(api.PluginBusy):
        await runner.run(5, lambda: None)
    release.set()
    assert await asyncio.gather(*tasks) == [True, True]
    runner.close()
