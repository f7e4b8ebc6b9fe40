"""Servers of one's own: the product uses them as they are and starts none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.product import Product
from yunsong_standalone.embedded import EmbeddedNats, EmbeddedPostgres


@pytest.mark.timeout(240)
async def test_external_servers_are_used_and_left_running(
    tmp_path: Path, private_postgres: EmbeddedPostgres, private_nats: EmbeddedNats
) -> None:
    async with Product(tmp_path / "product", postgres=private_postgres, nats=private_nats) as product:
        assert product.running["servers"] == {}
        async with await product.sign_in() as admin:
            assert (await admin.get("/api/v1/queues")).status_code == 200

    assert private_postgres.pid is not None
    assert private_nats.pid is not None
    assert not (product.home / "postgres").exists()
