"""Asks the skills in turn, until one settles the question."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from yunsong_bot.domain.dialogue import Limits
from yunsong_plugin_api import (
    Answer,
    BotSkill,
    LoadedPlugin,
    NextSkill,
    PluginRunner,
    SkillContext,
    SkillResult,
)

log = logging.getLogger(__name__)

_DEADLINE_S = 2.0
States = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Skills:
    """The built-in and the installed skills by priority.

    The built-in ones take a millisecond and are called at once; those that are installed run in threads, and
    one that fails or takes more than two seconds is passed over: the bot goes on without it.
    """

    skills: Sequence[LoadedPlugin[BotSkill]]
    runner: PluginRunner

    @classmethod
    def by_priority(cls, loaded: Mapping[str, LoadedPlugin[BotSkill]], runner: PluginRunner) -> Skills:
        return cls(sorted(loaded.values(), key=lambda found: (found.plugin.priority, found.name)), runner)

    @property
    def need_history(self) -> bool:
        """Whether a skill was installed that may look at what was said before; the built-in ones do not."""
        return any(found.distribution for found in self.skills)

    async def ask(
        self, context: SkillContext, limits: Limits, states: States
    ) -> tuple[list[SkillResult], States]:
        """The results of the skills, up to the one that settles it, and what they want to keep."""
        results: list[SkillResult] = []
        kept = dict(states)
        for found in self.skills:
            result = await self._ask_one(found, replace(context, state=states.get(found.name, {})))
            if isinstance(result, Answer) and result.state is not None:
                kept[found.name] = result.state
            results.append(result)
            if limits.settles(result):
                break
        return results, kept

    async def _ask_one(self, found: LoadedPlugin[BotSkill], context: SkillContext) -> SkillResult:
        if not found.distribution:
            return found.plugin.handle(context)
        try:
            return await self.runner.run(_DEADLINE_S, found.plugin.handle, context)
        except Exception as error:  # noqa: BLE001 - the border to code that is not ours
            log.warning("skill failed", extra={"skill": found.name, "error": type(error).__name__})
            return NextSkill()
