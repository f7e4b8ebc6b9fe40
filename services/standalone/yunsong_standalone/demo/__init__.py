"""`yunsong demo`: the main job from the first question to the report, through the public door alone."""

from yunsong_standalone.demo.command import demo
from yunsong_standalone.demo.door import DemoFailed
from yunsong_standalone.demo.stage import Stage
from yunsong_standalone.demo.story import Story

__all__ = ["DemoFailed", "Stage", "Story", "demo"]
