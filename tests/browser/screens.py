"""Pictures of every view in both languages, into docs/screens; `make screens` runs it after the pages are built."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from tests.support.chromium import chromium
from tests.support.desk import NARROW, PAGES, ROOT, Desk
from tests.support.product import Product
from tests.support.servers import run_blocking
from tests.support.visitor import Visitor

FOLDER = ROOT / "docs" / "screens"
LOCALES = ("zh-CN", "en")
SIZE: ViewportSize = {"width": 1280, "height": 800}
_QUALITY = 80
_SETTLE_MS = 800

# name -> (who looks, where)
VIEWS = {
    "sign-in": ("", "/sign-in"),
    "profile": ("agent1", "/profile"),
    "supervision": ("admin", "/supervision"),
    "wall": ("admin", "/wall"),
    "inspections": ("admin", "/quality"),
    "scorecards": ("admin", "/quality/scorecards"),
    "rules": ("admin", "/quality/rules"),
    "knowledge": ("admin", "/knowledge"),
    "bot-settings": ("admin", "/knowledge/settings"),
    "reports": ("admin", "/reports"),
    "demo-shop": ("", "/demo"),
}


def main() -> None:
    """Starts a copy with the demo's data, lets the main job and two customers run, and takes the pictures."""
    environment = {"YUNSONG_GATEWAY_PAGES": str(PAGES)}
    with TemporaryDirectory(prefix="yunsong-screens-") as folder, sync_playwright() as playwright:
        product = Product(Path(folder), demo_data=True, environment=environment)
        run_blocking(product.start())
        browser = playwright.chromium.launch(
            executable_path=chromium(playwright), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            _play(product)
            for locale in LOCALES:
                _take(browser, product, locale)
        finally:
            browser.close()
            run_blocking(product.stop())


def _play(product: Product) -> None:
    command = [str(Path(sys.executable).with_name("yunsong")), "demo", "--url", product.url]
    subprocess.run(
        command, env={**os.environ, "YUNSONG_HOME": str(product.home)}, check=True, stdout=subprocess.DEVNULL
    )


def _take(browser: Browser, product: Product, locale: str) -> None:
    desk = Desk(browser, product)
    folder = FOLDER / locale
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _workspace(desk, folder, locale)
        for name, (user, path) in {**VIEWS, **_administration(desk)}.items():
            page = desk.open(user, path, locale=locale, viewport=SIZE)
            _picture(page, folder / f"{name}.webp")
            page.context.close()
    finally:
        desk.close()


def _workspace(desk: Desk, folder: Path, locale: str) -> None:
    with desk.rest("admin") as admin:
        inboxes = admin.get("/api/v1/inboxes").json()["inboxes"]
    key = next(inbox["key"] for inbox in inboxes if inbox["channel"] == "web")
    page = desk.open("agent1", "/workspace", locale=locale, viewport=SIZE)
    page.wait_for_timeout(_SETTLE_MS)
    with desk.rest("agent1") as agent:
        agent.post("/api/v1/agents/me:set_presence", json={"presence": "online"}).raise_for_status()
    chinese = locale == "zh-CN"
    for name, texts in {
        ("客户 1" if chinese else "contact 1"): (
            "包裹显示已签收，但我没有收到" if chinese else "It says delivered, but I did not get it",
        ),
        ("客户 2" if chinese else "contact 2"): (
            "可以修改收货地址吗？" if chinese else "Can I change the delivery address?",
            "订单号 20261122" if chinese else "My order is 20261122",
        ),
    }.items():
        visitor = Visitor(desk.product.url, key, name=name, locale=locale)
        visitor.write(texts[0])
        visitor.ask_for_a_person()
        for text in texts[1:]:
            visitor.write(text)
    page.wait_for_timeout(3 * _SETTLE_MS)
    page.locator('a[href^="/workspace/"]').first.click()
    _picture(page, folder / "workspace.webp")
    phone = desk.open("agent1", page.url.removeprefix(desk.product.url), locale=locale, viewport=NARROW)
    _picture(phone, folder / "workspace-phone.webp")
    dark = desk.open(
        "agent1", page.url.removeprefix(desk.product.url), locale=locale, theme="dark", viewport=SIZE
    )
    _picture(dark, folder / "workspace-dark.webp")
    chat = desk.open("", f"/chat/{key}", locale=locale, viewport=NARROW)
    _picture(chat, folder / "widget-phone.webp")


def _administration(desk: Desk) -> dict[str, tuple[str, str]]:
    """Every view of the administration, as its own navigation lists them."""
    page = desk.open("admin", "/admin")
    page.locator('a[href^="/admin/"]').first.wait_for()
    found = page.eval_on_selector_all(
        'a[href^="/admin/"]', "links => links.map(link => link.getAttribute('href'))"
    )
    page.context.close()
    found = [path for path in found if not re.search(r"[0-9a-f]{8}-", path)]
    return {
        f"admin-{path.removeprefix('/admin/').replace('/', '-')}": ("admin", path)
        for path in dict.fromkeys(found)
    }


def _picture(page: Page, path: Path) -> None:
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(_SETTLE_MS)
    # WebP is a third of a PNG; Playwright's own call does not have it.
    taken = page.context.new_cdp_session(page).send(
        "Page.captureScreenshot", {"format": "webp", "quality": _QUALITY}
    )
    path.write_bytes(base64.b64decode(taken["data"]))
    print(path.relative_to(ROOT), path.stat().st_size // 1024, "kB", flush=True)


if __name__ == "__main__":
    main()
