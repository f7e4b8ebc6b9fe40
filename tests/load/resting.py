"""Memory at rest and the time to be ready again on existing data."""

from __future__ import annotations

from tests.load.copy_of_product import Copy
from tests.load.idle import resident_kb


async def run(copy: Copy) -> dict[str, float]:
    """`rest_mb` of the product's processes without PostgreSQL and NATS, and `ready_s` of a second start."""
    await copy.stop()
    await copy.start()
    processes = copy.running["processes"]
    assert isinstance(processes, dict)
    rest = sum(resident_kb(int(pid)) for name, pid in processes.items() if name not in ("postgres", "nats"))
    return {"rest_mb": rest / 1024, "ready_s": copy.ready_s}
