"""Browser windows on the running product: signed in, in one language, theme and size, and watched for what goes wrong."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import httpx
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, ViewportSize

from tests.support.product import Product

ROOT = Path(__file__).resolve().parents[2]
PAGES = Path(os.environ.get("YUNSONG_TEST_PAGES", ROOT / "build" / "pages"))
_AXE = ROOT / "services" / "gateway" / "node_modules" / "axe-core" / "axe.min.js"
WIDE: ViewportSize = {"width": 1440, "height": 900}
NARROW: ViewportSize = {"width": 360, "height": 740}
# Generous: a machine that builds and tests other things at the same time is slow, not wrong.
WITHIN_MS = 20_000

Theme = Literal["light", "dark"]


class Desk:
    """Opens windows, each with storage of its own, and collects what their consoles say."""

    def __init__(self, browser: Browser, product: Product) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._faults: list[str] = []
        self._allowed: list[re.Pattern[str]] = []
        self.product = product

    def open(
        self,
        user: str = "",
        path: str = "/",
        *,
        password: str = "",
        locale: str = "zh-CN",
        theme: Theme = "light",
        viewport: ViewportSize = WIDE,
        permissions: Iterable[str] = (),
    ) -> Page:
        """A new window at `path`, signed in as `user`: "admin", a demo agent, or anybody with `password`; "" = nobody."""
        context = self._browser.new_context(
            base_url=self.product.url,
            locale=locale,
            color_scheme=theme,
            viewport=viewport,
            reduced_motion="reduce",
            permissions=list(permissions),
            storage_state=self._signed_in(user, password, locale) if user else None,
        )
        self._contexts.append(context)
        context.set_default_timeout(WITHIN_MS)
        context.on("page", self._watch)
        page = context.new_page()
        page.goto(path)
        return page

    def sign_in(self, page: Page, user: str, password: str = "") -> None:
        """Signs in as a person does, on the page's sign-in form."""
        page.goto("/sign-in")
        page.locator("#username").fill(user)
        page.locator("#password").fill(password or self.password_of(user))
        page.locator("form button[type=submit]").click()
        page.wait_for_url(lambda url: "/sign-in" not in url)

    def password_of(self, user: str) -> str:
        """The password of the first administrator or of a demo agent."""
        first = json.loads((self.product.home / "first-sign-in.json").read_text("utf-8"))
        known: dict[str, str] = {first["username"]: first["password"], **first.get("others", {})}
        return known[user]

    def tokens(self, user: str, password: str = "") -> dict[str, Any]:
        """A new session of a user, by REST."""
        body = {"username": user, "password": password or self.password_of(user)}
        answer = httpx.post(f"{self.product.url}/api/v1/sessions", json=body, timeout=30)
        answer.raise_for_status()
        pair: dict[str, Any] = answer.json()
        return pair

    def rest(self, user: str, password: str = "") -> httpx.Client:
        """A client of the public door as this user; `with` closes it."""
        bearer = {"authorization": f"Bearer {self.tokens(user, password)['access_token']}"}
        return httpx.Client(base_url=self.product.url, headers=bearer, timeout=30)

    def allow(self, *patterns: str) -> None:
        """Says which messages of the console belong to the test, such as the browser's own of a refused request."""
        self._allowed += [re.compile(pattern) for pattern in patterns]

    def close(self) -> None:
        """Closes every window. Raises AssertionError with what their consoles said."""
        for context in self._contexts:
            context.close()
        self._contexts.clear()
        faults = [one for one in self._faults if not any(allowed.search(one) for allowed in self._allowed)]
        assert not faults, "the browser's console is not clean:\n" + "\n".join(faults)

    def _signed_in(self, user: str, password: str, locale: str) -> Any:
        pair = self.tokens(user, password)
        kept = {
            "access": pair["access_token"],
            "refresh": pair["refresh_token"],
            "until": int((time.time() + pair["expires_in"]) * 1000),
            "userId": pair["user"]["id"],
        }
        # The language is remembered, else the user's own would win over the browser's.
        storage = [
            {"name": "yunsong.session", "value": json.dumps(kept)},
            {"name": "yunsong.locale", "value": locale},
        ]
        return {"cookies": [], "origins": [{"origin": self.product.url, "localStorage": storage}]}

    def _watch(self, page: Page) -> None:
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self._faults.append(f"{page.url}: {error}"))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._faults.append(f"{message.page.url if message.page else ''}: {message.type}: {message.text}")


def assert_accessible(page: Page, *, without: Iterable[str] = ()) -> None:
    """Raises AssertionError for every serious or critical fault that axe finds on the page as it is now.

    `without` are selectors of parts that are not ours, each with its reason at the call.
    """
    page.evaluate(_AXE.read_text("utf-8"))
    found = page.evaluate(
        "(without) => axe.run(without.length ? { exclude: without } : document, { resultTypes: ['violations'] })",
        list(without),
    )
    serious = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
    lines = [
        f"{one['id']} ({one['impact']}): {one['help']}\n    "
        + "\n    ".join(f"{node['html'][:160]} {node['failureSummary'][:300]}" for node in one["nodes"][:5])
        for one in serious
    ]
    assert not serious, f"{page.url} is not accessible:\n" + "\n".join(lines)
