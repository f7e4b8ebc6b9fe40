"""Writes docs/metrics.md out of the registry in the code: `make metrics`. A test keeps it fresh."""

from __future__ import annotations

from pathlib import Path

from yunsong_common.telemetry import METRICS

PAGE = Path(__file__).with_name("metrics.md")

_PARTS = {
    "grpc": "Calls between services (rate, errors, duration)",
    "gateway": "The public door",
    "router": "Routing",
    "append": "Messages",
    "conversations": "Messages",
    "bot": "Bot",
    "qa": "Quality assurance",
    "channel": "Outside channels",
    "outbox": "Events",
    "consumer": "Events",
    "nats": "Events",
    "db": "Database and processes",
    "task": "Database and processes",
}

# ruff: noqa: E501 - a table's row is one line
_HEAD = """# Metrics

Made by `make metrics` out of `METRICS` in `libs/common/yunsong_common/telemetry.py`; no other name can be used.
Each service has them at `/metrics` of its operations port, for Prometheus, all with the label `service`. A histogram has the series `_bucket`, `_sum`
and `_count`; times are in seconds.

| question | series |
|---|---|
| Requests, errors and times of each operation | `yunsong_grpc_call_seconds` by `method` and `code` |
| Do people wait, and how long? | `yunsong_router_waiting`, `yunsong_router_wait_seconds`, `yunsong_router_sla_breaches_total` |
| Are agents busy? | `yunsong_router_load` over `yunsong_router_capacity`, `yunsong_router_assignments_total` |
| Do events arrive? | `yunsong_outbox_oldest_seconds`, `yunsong_consumer_lag`, `yunsong_consumer_redeliveries_total`, `yunsong_consumer_dead_letters_total` |
| Do messages reach outside channels? | `yunsong_channel_deliveries_total` by `status`, `yunsong_channel_dead_letters_total` |
| How many are connected? | `yunsong_gateway_sockets` |
| What becomes of contacts at the bot? | `yunsong_bot_decisions_total` by `kind` |
| How good is the service? | `yunsong_qa_inspection_score`, `yunsong_qa_inspections_total` by `outcome` |
"""


def page() -> str:
    parts: dict[str, list[str]] = {}
    for spec in METRICS.values():
        part = _PARTS[spec.name.removeprefix("yunsong_").partition("_")[0]]
        labels = ", ".join(f"`{label}`" for label in spec.labels)
        parts.setdefault(part, []).append(f"| `{spec.name}` | {spec.kind} | {labels} | {spec.help} |")
    lines = [_HEAD]
    for part in dict.fromkeys(_PARTS.values()):
        if part in parts:
            lines += [
                f"## {part}\n",
                "| name | kind | labels | meaning |",
                "|---|---|---|---|",
                *parts[part],
                "",
            ]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
