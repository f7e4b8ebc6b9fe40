"""Logs as a person reads them."""

from __future__ import annotations

import json

import pytest

from yunsong_standalone.console import Console


def test_a_json_record_becomes_a_line_and_other_text_stays(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(raw=False)
    console.part(
        "router", json.dumps({"level": "WARNING", "message": "late", "service": "router", "queue": "a"})
    )
    console.part("router", "Traceback (most recent call last):")

    assert capsys.readouterr().out.splitlines() == [
        "router          | WARNING late queue=a",
        "router          | Traceback (most recent call last):",
    ]


def test_raw_logs_pass_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    Console(raw=True).part("router", '{"message": "late"}')

    assert capsys.readouterr().out == 'router          | {"message": "late"}\n'
