"""Logs hold trace ids and no secrets; metrics are those of the registry; traces travel without an endpoint."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from yunsong_common.logging import JsonFormatter, redact
from yunsong_common.telemetry import (
    METRICS,
    Metrics,
    Telemetry,
    current_traceparent,
    is_traceparent,
    new_traceparent,
)

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def line_of(message: str, *args: object, **extra: object) -> dict[str, object]:
    record = logging.getLogger("test").makeRecord(
        "test", logging.INFO, "f", 1, message, args, None, extra=extra
    )
    line: dict[str, object] = json.loads(JsonFormatter().format(record))
    return line


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://user:hunter22@host/db",
        'password="hunter22"',
        "{'api_key': 'hunter22'}",
        "Authorization: Bearer hunter22",
        "release_key=hunter22&x=1",
        "set-cookie: hunter22; path=/",
    ],
)
def test_secrets_are_redacted(text: str) -> None:
    assert "hunter22" not in redact(text)
    assert "hunter22" not in str(line_of("it said %s", text))


def test_content_and_secrets_in_extra_fields_are_not_logged() -> None:
    line = line_of("stored", text="hello from a contact", access_token="t", conversation_id="c1")
    assert line["text"] == line["access_token"] == "***"
    assert line["conversation_id"] == "c1"


def test_a_line_carries_the_trace() -> None:
    with Telemetry("x", "1").span("work", parent=PARENT):
        line = line_of("hello")
    assert (line["trace_id"], line["span_id"]) == tuple(PARENT.split("-")[1:3])
    assert "trace_id" not in line_of("outside")


def test_an_exception_is_logged_with_its_place() -> None:
    def fails() -> None:
        raise ValueError("token=hunter22")

    with pytest.raises(ValueError, match="token"):
        fails()
    try:
        fails()
    except ValueError:
        record = logging.getLogger("t").makeRecord("t", logging.ERROR, "f", 1, "failed", (), sys.exc_info())
    line = json.loads(JsonFormatter().format(record))
    assert line["error"]["type"] == "ValueError"
    assert "hunter22" not in str(line)
    assert line["error"]["stack"][-1].endswith("fails")


def test_work_without_a_parent_begins_a_trace_and_ends_it() -> None:
    with Telemetry("x", "1").span("outer"):
        outer = current_traceparent()
        assert is_traceparent(outer)
        with Telemetry("x", "1").span("inner"):
            assert current_traceparent() == outer
    assert current_traceparent() == ""


@pytest.mark.parametrize("text", ["", "00", PARENT + "0", PARENT.replace("-", "_"), "é" * 55])
def test_what_is_no_traceparent(text: str) -> None:
    assert not is_traceparent(text)
    assert is_traceparent(new_traceparent())


def test_services_of_one_process_share_metrics_by_label() -> None:
    registry = CollectorRegistry()
    for service in ("bot", "qa"):
        Metrics(registry, service).counter("yunsong_task_restarts_total", "t").inc()
    text = generate_latest(registry).decode()
    assert 'yunsong_task_restarts_total{service="bot",task="t"} 1.0' in text
    assert 'yunsong_task_restarts_total{service="qa",task="t"} 1.0' in text


def test_only_metrics_of_the_registry_exist() -> None:
    metrics = Metrics(CollectorRegistry(), "bot")
    with pytest.raises(KeyError):
        metrics.counter("made_up_total")
    with pytest.raises(TypeError):
        metrics.gauge("yunsong_task_restarts_total", "t")
    assert all(name.startswith("yunsong_") for name in METRICS)
