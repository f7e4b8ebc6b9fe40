"""What the business says of itself: the one row of `business`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yunsong_common.db import Transaction

_DEFAULT_TIME_ZONE = "Asia/Shanghai"


@dataclass(frozen=True, slots=True)
class Business:
    """The row, with what stands for empty ones."""

    name: str
    locale: str
    time_zone: str
    setup_done_at: dt.datetime | None


async def get(tx: Transaction) -> Business:
    return _business(await tx.raw.fetchrow("SELECT name, locale, time_zone, setup_done_at FROM business"))


async def update(tx: Transaction, changes: Mapping[str, str], *, setup_done: bool) -> Business:
    """Changes `name`, `locale` and `time_zone` where they are given; the setup's first end is the one that counts."""
    row = await tx.raw.fetchrow(
        "UPDATE business SET name = coalesce($1, name), locale = coalesce($2, locale), "
        "time_zone = coalesce($3, time_zone), setup_done_at = coalesce(setup_done_at, $4) "
        "RETURNING name, locale, time_zone, setup_done_at",
        changes.get("name"),
        changes.get("locale"),
        changes.get("time_zone"),
        await tx.now() if setup_done else None,
    )
    return _business(row)


def _business(row: Any) -> Business:
    values = dict(row)
    return Business(**{**values, "time_zone": values["time_zone"] or _DEFAULT_TIME_ZONE})
