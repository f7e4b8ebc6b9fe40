"""The main job, end to end through the public door, in both topologies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.product import Product
from yunsong_standalone.demo import Stage, Story
from yunsong_standalone.demo.command import load_script
from yunsong_standalone.demo.door import Door
from yunsong_standalone.demo.transcript import Transcript


@pytest.mark.timeout(240)
@pytest.mark.parametrize("topology", ["compact", "distributed"])
async def test_the_main_job_from_question_to_report(tmp_path: Path, topology: str) -> None:
    async with (
        Product(tmp_path, topology, demo_data=True) as product,
        Door(product.url, product.api_key) as admin,
        Stage(admin, load_script()) as stage,
    ):
        await Story(stage, Transcript()).play()
