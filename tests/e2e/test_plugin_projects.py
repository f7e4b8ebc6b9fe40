"""`make plugin`: each kind of project passes its own test, and the product loads it as the chart brings it: a folder on the path."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.load.client import Api, text_content, visitor_id
from tests.support.polling import eventually
from tests.support.product import Product
from yunsong_standalone.demo.door import Door, Screen

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("channel", "skill", "strategy", "rule")


def run(*command: str, cwd: Path | None = None, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plugin of each kind in it, as `pip install --target` makes it; without network."""
    work = tmp_path_factory.mktemp("plugins")
    target = work / "site"
    for kind in KINDS:
        project = work / kind
        run("libs/plugin-api/scaffold/new.py", kind, f"my-{kind}", "--folder", str(project), cwd=ROOT)
        run(
            *("-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation", "--no-deps"),
            *("--target", str(target), str(project)),
        )
        run("-m", "pytest", "-q", str(project), cwd=project, environment={"PYTHONPATH": str(target)})
        run("-m", "ruff", "format", "--check", "--config", str(ROOT / "pyproject.toml"), str(project))
    packages = [str(work / kind / f"yunsong_plugin_my_{kind}") for kind in KINDS]
    run("-m", "mypy", "--strict", "--config-file", "pyproject.toml", *packages, cwd=ROOT)
    return target


@pytest.mark.timeout(240)
@pytest.mark.slow
async def test_the_product_loads_a_plugin_of_each_kind(installed: Path, tmp_path: Path) -> None:
    async with Product(tmp_path, environment={"PYTHONPATH": str(installed)}) as product:
        admin = Api(product.url, product.api_key)
        try:
            channels = {one["name"]: one for one in (await admin.call("GET", "/api/v1/channels"))["channels"]}
            assert "my_channel" in channels
            assert "yunsong-plugin-my-channel 0.1.0" in str(channels["my_channel"])
            rule = {"name": "long answers", "plugin": {"name": "my_rule", "config": {"max_characters": 300}}}
            await admin.call("POST", "/api/v1/qa/rules", rule)
            queue = await admin.call(
                "POST",
                "/api/v1/queues",
                {"name": "refunds", "strategy": "plugin", "strategy_name": "my_strategy"},
            )
            inbox = {"name": "shop", "channel": "web", "enabled": True, "bot_enabled": True}
            made = await admin.call("POST", "/api/v1/inboxes", {"inbox": {**inbox, "queue_id": queue["id"]}})
            await asked_the_skill(product, admin, made["inbox"]["key"])
        finally:
            await admin.close()


async def asked_the_skill(product: Product, admin: Api, inbox_key: str) -> None:
    session = await admin.call(
        "POST", "/api/v1/contact/sessions", {"inbox_key": inbox_key, "visitor_id": visitor_id()}
    )
    async with Door(product.url, session["access_token"]) as contact:
        screen = await Screen.open(contact)
        sent = await screen.ask(
            "send", client_id=visitor_id(), content=text_content("Where is order #12345?")
        )

        async def answered() -> Any:
            page = await admin.call("GET", f"/api/v1/conversations/{sent['conversation_id']}/messages")
            return "Order 12345 is on its way." in str(page["messages"])

        await eventually(answered, within_s=30, what="the skill's answer")
        await screen.close()


def test_a_name_that_cannot_be_is_refused(tmp_path: Path) -> None:
    for kind, name in (("channel", "web"), ("strategy", "least-loaded"), ("rule", "Has Spaces")):
        done = subprocess.run(
            [sys.executable, "libs/plugin-api/scaffold/new.py", kind, name, "--folder", str(tmp_path / name)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert f"NAME={name}" in done.stderr
        assert not (tmp_path / name).exists()
