"""Makes a plugin's project: `make plugin KIND=channel|skill|strategy|rule NAME=sms`.

The project lies in plugins/NAME unless --folder says otherwise: code that works, a test, a Dockerfile, a README. It depends on nothing
but `yunsong-plugin-api`, so it may live in a repository of its own.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from string import Template

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_LONGEST = 40


@dataclass(frozen=True)
class Kind:
    """What can be made. `builtin` names cannot be taken."""

    group: str
    service: str
    where: str
    builtin: tuple[str, ...]


KINDS = {
    "channel": Kind(
        "yunsong.channels.v1",
        "channel-adapter",
        "GET /api/v1/channels lists it, and an inbox can be made of it",
        ("web", "api"),
    ),
    "skill": Kind(
        "yunsong.bot_skills.v1",
        "bot",
        "the bot asks it in the order of priorities",
        (),
    ),
    "strategy": Kind(
        "yunsong.routing_strategies.v1",
        "router",
        "a queue with `strategy: plugin` names it in `strategy_name`",
        ("least_loaded", "longest_idle", "round_robin"),
    ),
    "rule": Kind(
        "yunsong.inspection_rules.v1", "qa", "a rule of quality assurance names it in `plugin.name`", ()
    ),
}


def make(kind: str, name: str, folder: Path) -> list[Path]:
    """Write the project into an empty or missing folder; returns its files. Raises ValueError."""
    about = KINDS[kind]
    plugin = name.replace("-", "_")
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise ValueError(
            f"NAME={name}: small letters, digits and single hyphens, beginning with a letter, at most {_LONGEST}"
        )
    if plugin in about.builtin:
        raise ValueError(f"NAME={name}: the product has a {kind} of that name; choose another")
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty")
    words = {
        "name": plugin,
        "distribution": f"yunsong-plugin-{plugin.replace('_', '-')}",
        "package": f"yunsong_plugin_{plugin}",
        "class_name": "".join(word.capitalize() for word in plugin.split("_")),
        "group": about.group,
        "service": about.service,
        "where": about.where,
        "kind": kind,
    }
    made = []
    for source in sorted([*(HERE / "common").glob("*.tmpl"), *(HERE / kind).glob("*.tmpl")]):
        target = folder / _place(source.name.removesuffix(".tmpl"), words)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(Template(source.read_text("utf-8")).substitute(words), "utf-8")
        made.append(target)
    marker = folder / words["package"] / "py.typed"
    marker.touch()
    return [*made, marker]


def _place(name: str, words: dict[str, str]) -> str:
    places = {
        "plugin.py": f"{words['package']}/__init__.py",
        "test.py": f"tests/test_{words['name']}.py",
        "dockerignore": ".dockerignore",
    }
    return places.get(name, name)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("name")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    folder = options.folder or ROOT / "plugins" / options.name
    try:
        made = make(options.kind, options.name, folder)
    except ValueError as error:
        sys.exit(str(error))
    for path in made:
        print(path)
    print(f"\nNext: read {folder / 'README.md'}")


if __name__ == "__main__":
    main()
