"""docs/metrics.md is what the code has, and names nothing else; the chart's rules and dashboards ask for series that there are."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from yunsong_common.telemetry import METRICS

ROOT = Path(__file__).resolve().parents[3]
_SUFFIXES = ("_bucket", "_sum", "_count")


def test_the_page_is_fresh() -> None:
    made = runpy.run_path(str(ROOT / "docs/metrics.py"))["page"]()
    assert (ROOT / "docs/metrics.md").read_text("utf-8") == made, "run `make metrics`"


def _named(text: str) -> set[str]:
    # A name that goes on with a star or ends with an underscore is a pattern.
    return set(
        re.findall(
            r"\byunsong_(?:grpc|db|outbox|nats|consumer|bot|task|append|channel|gateway|router|qa)_[a-z_]*[a-z]\b",
            text,
        )
    )


@pytest.mark.parametrize("folder", ["docs", "deploy"])
def test_no_series_is_asked_for_that_nobody_has(folder: str) -> None:
    unknown = {}
    for path in [
        *(ROOT / folder).rglob("*.md"),
        *(ROOT / folder).rglob("*.yaml"),
        *(ROOT / folder).rglob("*.json"),
    ]:
        for name in _named(path.read_text("utf-8")):
            plain = next((name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix)), name)
            if (
                name not in METRICS
                and plain not in METRICS
                and not name.startswith("yunsong_channel_adapter")
            ):
                unknown[name] = path.relative_to(ROOT)
    assert not unknown


def test_each_name_is_used_by_the_code() -> None:
    code = "\n".join(
        path.read_text("utf-8")
        for base in ("libs", "services")
        for path in (ROOT / base).rglob("*.py")
        if path.name != "telemetry.py" and "node_modules" not in path.parts
    )
    assert [name for name in METRICS if f'"{name}"' not in code] == []
