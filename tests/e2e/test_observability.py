"""One trace from the contact's socket to the agent's; logs that name traces and never what people write or keep secret."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import pytest

from tests.support.collector import Collector, Seen
from tests.support.polling import eventually
from tests.support.product import Product
from yunsong_standalone.demo import Stage, Story
from yunsong_standalone.demo.command import load_script
from yunsong_standalone.demo.door import Door, Frame
from yunsong_standalone.demo.transcript import Transcript

# A message's way, each part caused by the one before: over the contact's socket and gRPC into PostgreSQL, over NATS to sockets.
_WAY = (
    ("yunsong-gateway", "socket send"),
    ("yunsong-conversation", "append message"),
    ("yunsong-gateway", "socket push"),
)


def _whole(traces: list[list[Seen]]) -> list[Seen]:
    """The first trace that has the whole way in it, each part below the one that caused it."""
    for spans in traces:
        stored = {span.span_id for span in spans if span.name == "append message"}
        pushes = [span for span in spans if span.name == "socket push" and span.parent_id in stored]
        # To the agent's socket and to the contact's own.
        # Services send their spans in their own time: the trace is there when nothing in it hangs on what is still to come.
        known = {"", *(span.span_id for span in spans)}
        complete = all(span.parent_id in known for span in spans)
        if complete and len(pushes) > 1 and {(span.service, span.name) for span in spans} >= set(_WAY):
            return spans
    seen = [{(span.service, span.name) for span in spans} for spans in traces]
    raise AssertionError(f"no trace has the whole way: {seen[:5]}")


def _secrets_of(value: object, found: set[str]) -> None:
    """Every text of a frame or an answer that is what somebody wrote."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "text" and isinstance(inner, str):
                found.add(inner)
            _secrets_of(inner, found)
    elif isinstance(value, list):
        for inner in value:
            _secrets_of(inner, found)


@pytest.mark.timeout(240)
async def test_a_message_is_one_trace_and_logs_keep_what_is_private(tmp_path: Path) -> None:
    private: set[str] = set()
    async with (
        Collector() as collector,
        Product(
            tmp_path,
            "distributed",
            demo_data=True,
            environment={"YUNSONG_OTLP_ENDPOINT": collector.endpoint, "YUNSONG_LOG_LEVEL": "DEBUG"},
        ) as product,
        Door(product.url, product.api_key) as admin,
        Stage(admin, load_script()) as stage,
    ):
        story = Story(stage, Transcript())
        await story.play()
        page = await admin.call("GET", f"/conversations/{story.conversation_id}/messages", page_size="200")
        _secrets_of(page, private)
        # A password that is wrong, a token that is none: what a service refuses, it must not log either.
        wrong = secrets.token_urlsafe(24)
        async with Door(product.url, wrong) as stranger:
            for path, body in (
                ("/sessions", {"username": "admin", "password": wrong}),
                ("/queues", {"name": wrong}),
            ):
                with pytest.raises(Exception, match=r"40\d"):
                    await stranger.call("POST", path, body)
        spans = await eventually(
            lambda: _whole(collector.trace_of("socket send")), within_s=30, what="a message's trace"
        )
        keys = [product.api_key, wrong, stage.first_agent.door.token, stage.supervisor.door.token]
        keys += [
            product.first_sign_in()[1],
            *json.loads((product.home / "secrets.json").read_text()).values(),
        ]

    root = next(span for span in spans if span.name == "socket send")
    assert [span for span in spans if not span.parent_id] == [root], (
        "the trace begins at the contact's socket"
    )
    assert root.span_id in {span.parent_id for span in spans if span.name == "append message"}
    attributes = " ".join(value for span in collector.spans for value in span.attributes.values())

    log = product.log.read_text("utf-8")
    lines = [json.loads(line.partition("|")[2]) for line in log.splitlines() if "| {" in line]
    assert len(lines) > 50
    # Short words stand in logs of their own accord.
    for text in (text for text in private if len(text) > 8):
        assert text not in log
        assert json.dumps(text)[1:-1] not in log
        assert text not in attributes
    printed_once = product_password_lines(log)
    for key in keys:
        assert key not in printed_once
        assert key not in attributes


def product_password_lines(log: str) -> str:
    """The log without the lines in which the first start shows its password to whoever started it."""
    return "\n".join(line for line in log.splitlines() if "shown this once" not in line)


def test_frames_are_looked_through() -> None:
    found: set[str] = set()
    frame: Frame = {"content": {"text": {"text": "a"}}, "list": [{"text": "b"}]}
    _secrets_of(frame, found)
    assert found == {"a", "b"}
