"""Memory at rest and the time to be ready again on existing data."""

from __future__ import annotations

import time

from tests.load.idle import resident_kb
from tests.support.product import Product


async def run(product: Product) -> dict[str, float]:
    """`rest_mb` of the product's processes without PostgreSQL and NATS, and `ready_s` of a second start."""
    await product.stop()
    started = time.perf_counter()
    await product.start()
    ready_s = time.perf_counter() - started
    rest = sum(resident_kb(int(pid)) for pid in product.running["processes"].values())
    return {"rest_mb": rest / 1024, "ready_s": ready_s}
