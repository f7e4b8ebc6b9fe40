"""`yunsong doctor --url`, which is what `helm test` runs."""

from __future__ import annotations

import pytest

from tests.support.product import Product
from yunsong_standalone.catalogue import SERVICES
from yunsong_standalone.doctor import report
from yunsong_standalone.door_check import look_at
from yunsong_standalone.embedded import free_port


def test_a_whole_copy_is_found_whole(shared_product: Product, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(look_at(shared_product.url)) == 0
    printed = capsys.readouterr().out
    assert "FIX" not in printed
    for subject in ("door", *(service.name for service in SERVICES), "sign-in", "socket"):
        assert f"ok   {subject}:" in printed


def test_a_door_that_is_shut_is_said_to_be() -> None:
    [finding] = look_at(f"http://127.0.0.1:{free_port()}")
    assert "does not answer" in finding.state
    assert finding.fix
