"""What is made from something else is as fresh as what it is made from."""

from __future__ import annotations

from tests.chart.chart import ROOT
from tests.chart.generated import outputs


def test_generated_files_are_fresh() -> None:
    stale = [
        str(path.relative_to(ROOT))
        for path, text in outputs().items()
        if not path.is_file() or path.read_text("utf-8") != text
    ]
    assert stale == [], "run `python -m tests.chart.generated` and look at what it changes"
