"""Which images a change needs: reads changed paths, prints the images to build, one a line.

    git diff --name-only BASE...HEAD | python deploy/ci/changed.py            router
    … | python deploy/ci/changed.py --json                                    ["router", "standalone"]

A path that no rule knows counts as a change of everything: a needless build is cheaper than a missing one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import PurePosixPath

SERVICES = ("gateway", "channel-adapter", "conversation", "router", "bot", "qa")
IMAGES = (*SERVICES, "standalone")

# What never ends up in an image, by its first folder or its whole path.
_NOT_IN_IMAGES = ("tests", "docs", "deploy", ".ci", ".github", ".gitlab-ci.yml", "skaffold.yaml", "Makefile")
_NOT_IN_IMAGES_FILES = (".md", ".gitignore")
_NOT_IN_IMAGES_REQUIREMENTS = ("dev", "embedded")


def images_for(paths: Iterable[str]) -> list[str]:
    """The images in which at least one of these files ends up, in the order of IMAGES."""
    found: set[str] = set()
    for path in paths:
        found.update(_images_of(PurePosixPath(path)))
    return [image for image in IMAGES if image in found]


def _images_of(path: PurePosixPath) -> tuple[str, ...]:
    top = path.parts[0] if path.parts else ""
    if (
        top in _NOT_IN_IMAGES
        or (len(path.parts) == 1 and path.name.endswith(_NOT_IN_IMAGES_FILES))
        or path.name == "LICENSE"
    ):
        return ()
    if top == "requirements" and (path.suffix == ".md" or path.stem in _NOT_IN_IMAGES_REQUIREMENTS):
        return ()
    if top == "services" and len(path.parts) > 2:
        service = path.parts[1]
        if service == "standalone":
            return ("standalone",)
        if service in SERVICES:
            # The compact topology holds every service.
            return (service, "standalone")
    return IMAGES


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one list, as a CI's matrix takes it")
    options = parser.parse_args()
    images = images_for(line.strip() for line in sys.stdin if line.strip())
    print(json.dumps(images) if options.json else "\n".join(images))


if __name__ == "__main__":
    main()
