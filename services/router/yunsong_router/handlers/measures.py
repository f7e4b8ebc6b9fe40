"""What the router measures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from yunsong_common.telemetry import Metrics


@dataclass(slots=True)
class Measures:
    """The router's metrics; their names and meanings stand in `yunsong_common.telemetry`."""

    metrics: Metrics

    def assigned(self, waits_s: Iterable[float]) -> None:
        """Conversations were given to agents after waiting so long."""
        for waited_s in waits_s:
            self.metrics.counter("yunsong_router_assignments_total").inc()
            self.metrics.histogram("yunsong_router_wait_seconds").observe(waited_s)

    def planned(self, seconds: float, placed: int) -> None:
        """A plan was made and written."""
        self.metrics.histogram("yunsong_router_plan_seconds").observe(seconds)
        self.metrics.counter("yunsong_router_placements_total").inc(placed)

    def command_failed(self) -> None:
        """The conversation service did not answer an intent."""
        self.metrics.counter("yunsong_router_command_failures_total").inc()

    def strategy_failed(self, name: str) -> None:
        """A plugin's strategy failed or took too long."""
        self.metrics.counter("yunsong_router_strategy_failures_total", name).inc()

    def broken(self, promises: Iterable[str]) -> None:
        """Promises to contacts fell due before they were kept."""
        for promise in promises:
            self.metrics.counter("yunsong_router_sla_breaches_total", promise).inc()

    def standing(self, waiting: dict[str, int], load: int, capacity: int, homeless: int) -> None:
        """What waits per queue, how full the online agents are, and what waits although no queue exists."""
        for queue_id, count in waiting.items():
            self.metrics.gauge("yunsong_router_waiting", queue_id).set(count)
        self.metrics.gauge("yunsong_router_load").set(load)
        self.metrics.gauge("yunsong_router_capacity").set(capacity)
        self.metrics.gauge("yunsong_router_without_queue").set(homeless)
