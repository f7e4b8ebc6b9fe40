"""A product that tests only look at, shared by a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.product import Product
from tests.support.servers import run_blocking

_MANY = "10000000"
NO_LIMITS = {
    f"YUNSONG_GATEWAY_{name}_PER_MINUTE": _MANY
    for name in ("STAFF", "API_KEY", "CONTACT", "ANONYMOUS", "SIGN_INS")
}


@pytest.fixture(scope="module")
def shared_product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The compact topology without rate limits; do not break it."""
    product = Product(tmp_path_factory.mktemp("product"), environment=NO_LIMITS)
    try:
        run_blocking(product.start())
        yield product
    finally:
        run_blocking(product.stop())
