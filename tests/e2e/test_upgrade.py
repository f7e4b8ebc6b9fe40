"""A release with a schema change replaces the one before, service by service, while contacts and agents write; and back again.

The newer release is this one with one more revision, in a tree of its own that both are started from.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.steady_stream import SteadyStream
from tests.support.product import Product
from yunsong_standalone.catalogue import SERVICES

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (*ROOT.glob("libs/*/yunsong_*"), *ROOT.glob("services/*/yunsong_*"))

REVISION = '''
"""Adds a column with a default, as an ordinary release does."""

from alembic import op

revision = "{number:04}"
down_revision = "{before:04}"


def upgrade() -> None:
    op.execute("ALTER TABLE messages ADD COLUMN upgrade_test text NOT NULL DEFAULT 'new'")
    op.execute("CREATE INDEX upgrade_test ON messages (upgrade_test) WHERE upgrade_test <> 'new'")
'''


class Release:
    """A tree of the product's packages that processes are started from, and that a test turns into the next release."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for package in PACKAGES:
            shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__"))
        self._tables = folder / "yunsong_conversation" / "tables.py"
        self._before = self._tables.read_text()
        self._version = int(self._before.split("SCHEMA_VERSION = ")[1].split()[0])
        number = self._version + 1
        self._revision = (
            folder / "yunsong_conversation" / "migrations" / "versions" / f"{number:04}_upgrade_test.py"
        )

    def next(self) -> None:
        """The release after: one more revision, which the code of before works with."""
        number = self._version + 1
        self._revision.write_text(REVISION.format(number=number, before=self._version))
        self._tables.write_text(
            self._before.replace(f"SCHEMA_VERSION = {self._version}", f"SCHEMA_VERSION = {number}")
        )

    def back(self) -> None:
        """The release before, which knows nothing of the revision."""
        self._revision.unlink()
        self._tables.write_text(self._before)

    def migrate(self, product: Product) -> None:
        """The release's migration job, with its own code."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.folder),
            "YUNSONG_DATABASE_URL": product.running["database_url"],
            "YUNSONG_NATS_URL": product.running["nats_url"],
        }
        subprocess.run([sys.executable, "-m", "yunsong_standalone", "migrate"], env=environment, check=True)


async def _roll(product: Product) -> None:
    """Replaces every service's process by one with the code that is in the tree now."""
    for service in SERVICES:
        pid = product.pid_of(service.name)
        os.kill(pid, signal.SIGTERM)
        await product.replaced(service.name, pid)
        await product.all_ready()


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_an_upgrade_with_a_schema_change_and_its_rollback_lose_nothing(tmp_path: Path) -> None:
    release = Release(tmp_path / "release")
    environment = {"PYTHONPATH": str(release.folder)}
    async with (
        Product(tmp_path, "distributed", environment=environment) as product,
        SteadyStream(product) as stream,
    ):
        release.next()
        await asyncio.to_thread(release.migrate, product)
        await product.all_ready()
        await stream.flows()  # the release before, on the newer schema
        await _roll(product)
        await stream.flows()
        release.back()
        await asyncio.to_thread(
            release.migrate, product
        )  # a rollback's job finds a newer schema and leaves it
        await _roll(product)
        await stream.flows()
        await stream.assignable()
        await stream.settle()
