"""Rate limits: token buckets inside this process.

A gateway of N replicas admits up to N times a limit; what must hold over all of them (failed sign-ins) is counted in PostgreSQL.
"""

from __future__ import annotations

import time
from collections import OrderedDict

from yunsong_common.errors import ResourceExhausted

_MAX_BUCKETS = 100_000


class Bucket:
    """Holds up to `burst` tokens, refilled at `rate` a second."""

    __slots__ = ("_at", "_tokens", "burst", "rate")

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._at = time.monotonic()

    def take(self, tokens: float = 1.0) -> float:
        """Takes tokens: 0 when there were enough, otherwise the seconds after which there are."""
        now = time.monotonic()
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens >= tokens:
            self._tokens -= tokens
            return 0.0
        return (tokens - self._tokens) / self.rate


class Limits:
    """Buckets by a key, such as an API key's id; the longest unused ones are forgotten."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, key: str, *, per_minute: float, burst: float | None = None) -> None:
        """Counts one use. Raises ResourceExhausted with the time to wait."""
        bucket = self._buckets.get(key)
        rate, size = per_minute / 60, burst if burst is not None else max(per_minute / 6, 5)
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[key] = Bucket(rate, size)
            if len(self._buckets) > _MAX_BUCKETS:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        wait = bucket.take()
        if wait:
            raise ResourceExhausted(
                reason="RATE_LIMITED",
                message=f"More than {per_minute:.0f} requests a minute; try again in {wait:.1f} s.",
                retry_after_s=wait,
            )
