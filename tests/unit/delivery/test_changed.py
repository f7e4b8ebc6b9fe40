"""Which images a change needs."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
_spec = importlib.util.spec_from_file_location("changed", ROOT / "deploy/ci/changed.py")
assert _spec is not None
assert _spec.loader is not None
changed = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(changed)

EVERYTHING = list(changed.IMAGES)


@pytest.mark.parametrize(
    ("paths", "images"),
    [
        ([], []),
        (["services/router/yunsong_router/domain/plan.py"], ["router", "standalone"]),
        (["services/channel-adapter/pyproject.toml"], ["channel-adapter", "standalone"]),
        (["services/gateway/console/src/app/App.vue"], ["gateway", "standalone"]),
        (["services/gateway/package-lock.json"], ["gateway", "standalone"]),
        (["services/standalone/yunsong_standalone/run.py"], ["standalone"]),
        (["services/bot/a.py", "services/qa/b.py"], ["bot", "qa", "standalone"]),
        (["libs/common/yunsong_common/clock.py"], EVERYTHING),
        (["libs/plugin-api/yunsong_plugin_api/channels.py"], EVERYTHING),
        (["proto/yunsong/bot/v1/bot.proto"], EVERYTHING),
        (["requirements/runtime.txt"], EVERYTHING),
        (["requirements/build.txt"], EVERYTHING),
        (["services/Dockerfile"], EVERYTHING),
        ([".dockerignore"], EVERYTHING),
        (["requirements/dev.txt", "requirements/embedded.in", "requirements/README.md"], []),
        (["README.md", "LICENSE", "docs/guides/backup.md", "tests/unit/router/test_hours.py"], []),
        (["deploy/helm/yunsong/values.yaml", ".github/workflows/ci.yml", "Makefile"], []),
        (["something/new.py"], EVERYTHING),
    ],
)
def test_images_for(paths: list[str], images: list[str]) -> None:
    assert changed.images_for(paths) == images


def test_every_folder_of_services_is_known() -> None:
    folders = {folder.name for folder in (ROOT / "services").iterdir() if folder.is_dir()}
    assert folders == set(changed.IMAGES)
