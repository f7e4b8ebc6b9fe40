"""Requests made from the OpenAPI document, right and wrong ones: no 5xx, and answers are as the document says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.product import Product


def schemathesis(product: Product, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            str(Path(sys.executable).with_name("st")), "run", f"{product.url}/openapi.json",
            "--header", f"Authorization: Bearer {product.api_key}",
            "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
            # It finds and deletes the very key that it uses.
            "--exclude-path-regex", "^/api/v1/api_keys/",
            "--seed", "1", "--workers", "2", "--continue-on-failure", "--no-color", "--request-timeout", "20",
            *options,
        ],
        cwd=folder,
        env={**os.environ, "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip


@pytest.mark.timeout(420)
def test_no_request_that_the_openapi_document_allows_or_forbids_breaks_the_door(
    shared_product: Product, tmp_path: Path
) -> None:
    result = schemathesis(shared_product, tmp_path, "--phases", "examples,coverage", "--max-time", "150")

    assert result.returncode == 0, result.stdout[-12_000:] + result.stderr[-3_000:]
    _was_let_in(shared_product)


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_hours_of_requests_break_nothing(shared_product: Product, tmp_path: Path) -> None:
    result = schemathesis(shared_product, tmp_path, "--phases", "fuzzing,stateful", "--max-examples", "60")

    assert result.returncode == 0, result.stdout[-12_000:] + result.stderr[-3_000:]
    _was_let_in(shared_product)


def _was_let_in(product: Product) -> None:
    """A run that lost its rights on the way would prove nothing."""
    headers = {"authorization": f"Bearer {product.api_key}"}
    assert httpx.get(f"{product.url}/api/v1/labels", headers=headers).status_code == 200
