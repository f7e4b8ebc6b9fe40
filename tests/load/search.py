"""Search over a million messages: the slowest of a hundred, through the public door."""

from __future__ import annotations

import random
import statistics
import time

from tests.load.client import Api

QUERIES = (
    "退款",
    "物流 延迟",
    "invoice",
    "coupon code",
    "尺码",
    "broken zipper",
    "发票 抬头",
    "return policy",
    "客服",
)
ROUNDS = 200


async def run(admin: Api) -> dict[str, float]:
    """`search_p99_ms` and `search_p50_ms` of one- and two-word queries in Chinese and English."""
    times = []
    found = 0
    for _ in range(ROUNDS):
        query = random.choice(QUERIES)
        started = time.perf_counter()
        answer = await admin.call("GET", "/api/v1/messages:search", query=query)
        times.append(time.perf_counter() - started)
        found += len(answer["hits"])
    if not found:
        raise RuntimeError("search found nothing among the messages that were made")
    cuts = statistics.quantiles(times, n=100)
    return {"search_p50_ms": cuts[49] * 1000, "search_p99_ms": cuts[98] * 1000}
