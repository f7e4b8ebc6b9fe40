"""The doctor names what is wrong and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from yunsong_standalone.doctor import doctor
from yunsong_standalone.home import Home


def test_a_server_that_does_not_answer_is_named_with_the_variable_to_correct(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(address: tuple[str, int], timeout: float) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr("socket.create_connection", nobody)

    code = doctor(Home(tmp_path), {"YUNSONG_NATS_URL": "nats://user:secret@mq.example:4333"})

    printed = capsys.readouterr().out
    assert code == 1
    assert "FIX  NATS: mq.example:4333 does not answer" in printed
    assert "correct YUNSONG_NATS_URL" in printed
    assert "secret" not in printed


def test_secrets_that_others_can_read_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = Home(tmp_path)
    home.secret("release_key")
    (tmp_path / "secrets.json").chmod(0o644)

    assert doctor(home, {}) == 1
    assert f"chmod 600 {home.folder / 'secrets.json'}" in capsys.readouterr().out
