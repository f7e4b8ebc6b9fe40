"""Finds a Chromium for the browser tests, or installs one; a run without a browser fails and says what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_INSTALL_WITHIN_S = 900
_MISSING = (
    "The browser tests need a Chromium. Install it (Debian: apt-get install chromium), or say where one is with "
    "CHROMIUM=/path/to/chromium."
)


class BrowserMissing(RuntimeError):
    """There is no Chromium and none could be installed."""


def chromium(playwright: Playwright) -> str:
    """The path of a Chromium: `CHROMIUM`, the PATH, Playwright's own, or one that this installs now."""
    named = os.environ.get("CHROMIUM")
    if named:
        if not shutil.which(named):
            raise BrowserMissing(f"CHROMIUM={named} is not a program. {_MISSING}")
        return named
    return _found(playwright) or _installed(playwright)


def _found(playwright: Playwright) -> str | None:
    for name in _NAMES:
        path = shutil.which(name)
        if path:
            return path
    own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


def _installed(playwright: Playwright) -> str:
    if shutil.which("apt-get") and os.geteuid() == 0:
        _run(["apt-get", "update"])
        _run(["apt-get", "install", "--yes", "--no-install-recommends", "chromium", "fonts-noto-cjk"])
    if not _found(playwright):
        _run([sys.executable, "-m", "playwright", "install", "chromium"])
    path = _found(playwright)
    if path is None:
        raise BrowserMissing(_MISSING)
    return path


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=False, timeout=_INSTALL_WITHIN_S, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BrowserMissing(f"{' '.join(command)}: {error}. {_MISSING}") from error
