"""One Chromium for all browser tests, one running product per module, fresh windows per test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.chromium import BrowserMissing, chromium
from tests.support.desk import PAGES, WITHIN_MS, Desk
from tests.support.product import Product
from tests.support.servers import run_blocking

_MANY = "10000000"
_ENVIRONMENT = {
    "YUNSONG_GATEWAY_PAGES": str(PAGES),
    # The other end of a webhook runs beside the tests.
    "YUNSONG_GATEWAY_WEBHOOKS_ALLOW_PRIVATE": "true",
    **{
        f"YUNSONG_GATEWAY_{name}_PER_MINUTE": _MANY
        for name in ("STAFF", "API_KEY", "CONTACT", "ANONYMOUS", "SIGN_INS")
    },
}


_TEST_WITHIN_S = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives a story told by several windows more time than a test of one function."""
    for item in items:
        if item.path.parent == Path(__file__).parent and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(_TEST_WITHIN_S))


# For this folder alone: the synchronous Playwright holds the thread's event loop, which other suites' tests need.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A real Chromium, without a window."""
    with sync_playwright() as playwright:
        try:
            path = chromium(playwright)
        except BrowserMissing as missing:
            pytest.fail(str(missing))
        # Containers have neither a user namespace for the sandbox nor much shared memory.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        expect.set_options(timeout=WITHIN_MS)
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The compact topology with the built pages and the demo's agents and queues, one copy per module."""
    yield from _running(Product(tmp_path_factory.mktemp("product"), demo_data=True, environment=_ENVIRONMENT))


@pytest.fixture(scope="module")
def empty_product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A copy as it is before anybody has set it up."""
    yield from _running(Product(tmp_path_factory.mktemp("empty"), environment=_ENVIRONMENT))


def _running(product: Product) -> Iterator[Product]:
    if not (PAGES / "console" / "index.html").is_file():
        pytest.fail("The pages are not built; run: make pages")
    try:
        run_blocking(product.start())
        yield product
    finally:
        run_blocking(product.stop())


@pytest.fixture
def desk(browser: Browser, product: Product) -> Iterator[Desk]:
    """Windows on the product; the test fails when one of their consoles heard an error or a warning."""
    desk = Desk(browser, product)
    yield desk
    desk.close()
