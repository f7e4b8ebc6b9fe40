"""What an item asks of an agent, and how that becomes weaker the longer it waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from yunsong_router.domain.planning import Requirements


@dataclass(frozen=True, slots=True)
class RelaxationStep:
    """From `after_s` seconds of waiting on, levels are lower by that much, or skills are not asked for."""

    after_s: int
    lower_levels_by: int = 0
    drop_skills: bool = False


def required_now(
    asked: Mapping[str, int],
    by_queue: Mapping[str, int],
    relaxation: Iterable[RelaxationStep],
    waited_s: float,
) -> Requirements:
    """What is required after `waited_s` seconds: the stricter of item and queue, weakened by the last step that applies."""
    step = max((s for s in relaxation if s.after_s <= waited_s), key=lambda s: s.after_s, default=None)
    if step is not None and step.drop_skills:
        return ()
    lower = step.lower_levels_by if step is not None else 0
    levels = dict(by_queue)
    for name, level in asked.items():
        levels[name] = max(level, levels.get(name, 0))
    return tuple(sorted((name, max(1, level - lower)) for name, level in levels.items()))


def next_step_after(relaxation: Iterable[RelaxationStep], waited_s: float) -> int | None:
    """Seconds of waiting at which the next step applies; None when there is none."""
    return min((s.after_s for s in relaxation if s.after_s > waited_s), default=None)
