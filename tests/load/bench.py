"""`make bench`: the product's figures beside the floor of the machine they were taken on.

Each part starts a copy of the product on a free port, with its data in a temporary folder, and prints its figures; all
of them go to build/bench.json. `--only delivery,bot` runs some parts, `--topology distributed` six processes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from tests.load import (
    bench_append,
    bench_bot,
    bench_routing,
    delivery,
    desk,
    idle,
    message_stock,
    resting,
    search,
    simulate_wait,
)
from tests.load.client import Api
from tests.load.floor import floor
from tests.support.product import Product

Figures = dict[str, float]

# What the project promises of itself: figure -> (bound, True when smaller is better).
MARKS: dict[str, tuple[float, bool]] = {
    "delivered_per_s": (800, False),
    "deliver_p99_ms": (50, True),
    "consumer_lag_s": (2, True),
    "idle_sockets": (10_000, False),
    "idle_socket_kb": (60, True),
    "assignments_per_s": (2000, False),
    "assignment_p99_ms": (50, True),
    "over_capacity": (0, True),
    "bot_p99_ms": (20, True),
    "search_p99_ms": (200, True),
    "rest_mb": (200, True),
    "desk_input_p99_ms": (100, True),
    "ready_s": (5, True),
}


# Every client of a run comes from one address; the bounds that protect a real installation would measure themselves.
_ENVIRONMENT = {
    "YUNSONG_GATEWAY_PAGES": str(Path("build/pages").resolve()),
    **{
        f"YUNSONG_GATEWAY_{name}_PER_MINUTE": "10000000"
        for name in ("STAFF", "API_KEY", "CONTACT", "ANONYMOUS", "SIGN_INS")
    },
}


async def _delivery(product: Product) -> Figures:
    figures = await delivery.run(await _admin(product))
    base = await floor()
    return {**figures, **base, "floor_share": figures["delivered_per_s"] / base["floor_per_s"]}


async def _idle(product: Product) -> Figures:
    return await idle.run(await _admin(product), product.pid_of("gateway"))


async def _search(product: Product) -> Figures:
    port = product.running["servers"]["postgres"]["port"]
    await message_stock.fill(f"postgresql://postgres:{product.secret('postgres')}@127.0.0.1:{port}/yunsong")
    return await search.run(await _admin(product))


async def _desk(product: Product) -> Figures:
    return await desk.run(await _admin(product))


async def _resting(product: Product) -> Figures:
    return await resting.run(product)


WITH_PRODUCT: dict[str, Callable[[Product], Awaitable[Figures]]] = {
    "delivery": _delivery,
    "idle": _idle,
    "search": _search,
    "resting": _resting,
    "desk": _desk,
}
ALONE: dict[str, Callable[[], Awaitable[Figures]]] = {
    "append": bench_append.run,
    "routing": bench_routing.run,
    "wait": simulate_wait.run,
    "bot": bench_bot.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", default=",".join([*WITH_PRODUCT, *ALONE]), help="parts, by comma")
    parser.add_argument("--topology", choices=("compact", "distributed"), default="compact")
    options = parser.parse_args()
    parts = options.only.split(",")
    unknown = [part for part in parts if part not in WITH_PRODUCT and part not in ALONE]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; parts are {', '.join([*WITH_PRODUCT, *ALONE])}")
    figures: Figures = {}
    for part in parts:
        print(f"bench: {part} ({options.topology})", flush=True)
        measured = uvloop.run(_measure(part, options.topology))
        figures |= measured
        _print(measured)
    _store(options.topology, figures)


async def _measure(part: str, topology: str) -> Figures:
    if part in ALONE:
        return await ALONE[part]()
    with TemporaryDirectory(prefix="yunsong-bench-") as folder:
        async with Product(Path(folder), topology, environment=_ENVIRONMENT) as product:
            return await WITH_PRODUCT[part](product)


async def _admin(product: Product) -> Api:
    first = json.loads((product.home / "first-sign-in.json").read_text())
    return await Api(product.url).sign_in(first["username"], first["password"])


def _print(figures: Figures) -> None:
    for name, value in figures.items():
        mark = ""
        if name in MARKS:
            bound, smaller = MARKS[name]
            kept = value <= bound if smaller else value >= bound
            mark = f"{'kept' if kept else 'MISSED'} (at {'most' if smaller else 'least'} {bound:g})"
        print(f"  {name:32} {value:14,.3f}  {mark}", flush=True)


def _store(topology: str, figures: Figures) -> None:
    path = Path("build/bench.json")
    path.parent.mkdir(exist_ok=True)
    known = json.loads(path.read_text()) if path.exists() else {}
    known[topology] = {**known.get(topology, {}), **figures}
    known["machine"] = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(),
    }
    path.write_text(json.dumps(known, indent=2) + "\n")
    print(f"bench: written to {path}")


if __name__ == "__main__":
    main()
