"""What every run of the harness starts from: this checkout's images, made once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chart.harness.base_layer import ROOT
from tests.chart.harness.images import Image, Images
from tests.chart.harness.namespaces import why_not
from tests.chart.harness.releases import build
from tests.chart.harness.servers import server_images

TAG = "0.1.0"


@pytest.fixture(scope="session")
def namespaces() -> None:
    """The machine can make namespaces. Where that is known, REQUIRE_NAMESPACES=1 makes sure that nothing is left out."""
    if reason := why_not():
        if os.environ.get("REQUIRE_NAMESPACES"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def layers(namespaces: None) -> Iterator[Path]:
    """A folder for layers that other users' processes may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="yunsong-layers-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def this_release(layers: Path) -> dict[str, Image]:
    """The product's images of this checkout; of the tree that HARNESS_TREE names, while this one is being worked on."""
    return build(Path(os.environ.get("HARNESS_TREE", ROOT)), layers / "this")


@pytest.fixture(scope="session")
def servers(layers: Path) -> dict[str, Image]:
    """PostgreSQL and NATS."""
    return server_images(layers / "servers")


@pytest.fixture
def images(this_release: dict[str, Image], servers: dict[str, Image]) -> Images:
    return Images({TAG: this_release}, servers)
