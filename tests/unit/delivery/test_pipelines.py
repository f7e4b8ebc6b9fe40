"""The templates for CI are what the two products take, and every script that they call is there and clean."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
GITHUB = ROOT / ".github/workflows/ci.yml"
GITLAB = ROOT / ".gitlab-ci.yml"
SCRIPTS = sorted([*ROOT.glob("deploy/ci/*.sh"), *ROOT.glob("tests/images/*.sh")])


@pytest.mark.parametrize(("schema", "file"), [("github-workflows", GITHUB), ("gitlab-ci", GITLAB)])
def test_a_pipeline_fits_its_schema(schema: str, file: Path) -> None:
    done = subprocess.run(
        [BIN / "check-jsonschema", "--builtin-schema", f"vendor.{schema}", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", [GITHUB, GITLAB], ids=["github", "gitlab"])
def test_a_pipeline_calls_what_there_is(file: Path) -> None:
    called = set(re.findall(r"deploy/[a-z/]+\.(?:sh|py)", file.read_text("utf-8")))
    assert called
    for script in called:
        assert (ROOT / script).is_file(), script
        assert script.endswith(".py") or os.access(ROOT / script, os.X_OK), f"{script} cannot be run"
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", file.read_text("utf-8"))) <= targets


def test_the_deploys_go_one_after_the_other() -> None:
    jobs = yaml.safe_load(GITHUB.read_text("utf-8"))["jobs"]
    assert "test" in jobs["build"]["needs"]
    assert "build" in jobs["staging"]["needs"]
    assert "staging" in jobs["production"]["needs"]


def test_scripts_are_clean() -> None:
    done = subprocess.run([BIN / "shellcheck", *SCRIPTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


# A helm that writes down how it was called, has one revision before, and fails where it is told to.
_HELM = """#!/usr/bin/env bash
echo "$*" >> "$CALLS"
case $1 in
  history) [[ -n ${BEFORE:-} ]] || exit 1
    echo '[{"revision": 3, "status": "superseded"}, {"revision": 4, "status": "deployed"}]' ;;
  test) exit "${TEST_ENDS_WITH:-0}" ;;
esac
"""


def deploy(folder: Path, **environment: str) -> tuple[int, list[str]]:
    """Run the deployment with that helm; its exit code and the calls."""
    helm = folder / "helm"
    helm.write_text(_HELM)
    helm.chmod(0o755)
    calls = folder / "calls"
    given = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "CALLS": str(calls),
        "IMAGES": json.dumps(["router", "standalone"]),
        "REGISTRY": "registry.example/yunsong",
        "TAG": "abc",
        "PUBLIC_URL": "https://support.example",
    }
    done = subprocess.run(
        [ROOT / "deploy/ci/deploy.sh", "staging"],
        env={**given, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, calls.read_text().splitlines()


def test_the_first_deployment_installs_everything(tmp_path: Path) -> None:
    code, calls = deploy(tmp_path)
    assert code == 0
    assert [call.split()[0] for call in calls] == ["history", "upgrade", "test"]
    assert "--set image.tag=abc" in calls[1]
    assert "--set image.registry=registry.example/yunsong/" in calls[1]


def test_a_later_one_brings_what_changed_alone(tmp_path: Path) -> None:
    code, calls = deploy(tmp_path, BEFORE="yes")
    assert code == 0
    assert "--set components.router.image=registry.example/yunsong/yunsong-router:abc" in calls[1]
    assert "components.gateway.image" not in calls[1]
    assert "--reset-then-reuse-values" in calls[1]


def test_a_failed_test_rolls_back(tmp_path: Path) -> None:
    code, calls = deploy(tmp_path, BEFORE="yes", TEST_ENDS_WITH="1")
    assert code == 1
    assert calls[-1].startswith("rollback yunsong 4 --namespace staging")


def test_a_failed_first_one_is_left_to_look_at(tmp_path: Path) -> None:
    code, calls = deploy(tmp_path, TEST_ENDS_WITH="1")
    assert code == 1
    assert not any(call.startswith("rollback") for call in calls)


def test_a_change_is_found_from_its_base() -> None:
    done = subprocess.run(
        [ROOT / "deploy/ci/changed.sh", "0" * 40], capture_output=True, text=True, check=False
    )
    assert json.loads(done.stdout), "an unknown base means everything"
