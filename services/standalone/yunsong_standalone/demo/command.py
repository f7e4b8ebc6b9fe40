"""The command around the story: where the product is, with which key, and what to say at the end."""

from __future__ import annotations

import json
import os
import sys
from importlib import resources

from yunsong_standalone.demo.door import DemoFailed, Door
from yunsong_standalone.demo.stage import Script, Stage
from yunsong_standalone.demo.story import Story
from yunsong_standalone.demo.transcript import Transcript
from yunsong_standalone.home import Home

_UNSET = """Where does the product run, and with which key? One that runs here is found by itself (`make run`);
for another say --url and set YUNSONG_API_KEY to a key that holds all permissions."""


async def demo(home: Home, url: str) -> int:
    """Play the main job; 0 when everything was as it must be."""
    local = str(home.running().get("url", ""))
    url = url or local
    key = os.environ.get("YUNSONG_API_KEY", "")
    if not key and url == local and home.demo_key.is_file():
        key = home.demo_key.read_text("utf-8").strip()
    if not url or not key:
        print(_UNSET, file=sys.stderr)
        return 1
    print(f"The main job on {url}")
    try:
        async with Door(url, key) as admin, Stage(admin, load_script()) as stage:
            await Story(stage, Transcript()).play()
    except DemoFailed as error:
        print(f"\nNot as it must be: {error}", file=sys.stderr)
        return 1
    print("\nEverything was as it must be.")
    return 0


def load_script() -> Script:
    """Who says what."""
    script: Script = json.loads(
        (resources.files("yunsong_standalone") / "demo_data" / "story.json").read_text("utf-8")
    )
    return script
