"""The folder that a copy keeps."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from yunsong_standalone.home import AlreadyRunning, Home


def test_a_secret_is_made_once_and_never_the_same_for_two_names(tmp_path: Path) -> None:
    home = Home(tmp_path / "new")

    assert home.secret("release_key") == Home(tmp_path / "new").secret("release_key")
    assert home.secret("release_key") != home.secret("postgres")
    assert len(home.secret("release_key")) >= 32


def test_secrets_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.secret("release_key")

    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


def test_two_runs_cannot_use_one_folder_and_the_second_is_told_by_whom(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with home.locked(), pytest.raises(AlreadyRunning, match=r"process \d+"), Home(tmp_path).locked():
        pass
    with home.locked():  # free again
        pass


def test_what_runs_is_forgotten_when_it_stops(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with home.locked():
        home.set_running({"url": "http://127.0.0.1:1"})
        assert home.running()["url"] == "http://127.0.0.1:1"

    assert home.running() == {}
