"""Every file of values in the chart's ci/ folder, rendered once for the whole run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chart.chart import CI_VALUES, Rendered, ci, render


@pytest.fixture(scope="session", params=CI_VALUES, ids=lambda path: path.name.removesuffix("-values.yaml"))
def values(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture(scope="session")
def rendered(values: Path) -> Rendered:
    return render(values)


@pytest.fixture(scope="session")
def compact() -> Rendered:
    return render(ci("compact"))


@pytest.fixture(scope="session")
def distributed() -> Rendered:
    return render(ci("distributed"))


@pytest.fixture(scope="session")
def external() -> Rendered:
    return render(ci("external"))


@pytest.fixture(scope="session")
def scaled() -> Rendered:
    return render(ci("scaled"))
