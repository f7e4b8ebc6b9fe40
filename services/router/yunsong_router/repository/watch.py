"""The router's own pulse: what tells an outage from an agent who is gone."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from yunsong_common.db import Transaction


@dataclass(frozen=True, slots=True)
class Watch:
    """When some replica last lived, when renewals last came in, and until when nobody is lost."""

    beat_at: dt.datetime
    renewed_at: dt.datetime
    grace_until: dt.datetime


async def lock(tx: Transaction) -> Watch:
    """The one row, locked; made at the first look, with nobody lost before a grace has passed."""
    row = await tx.raw.fetchrow("SELECT beat_at, renewed_at, grace_until FROM presence_watch FOR UPDATE")
    if row is None:
        long_ago = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
        await tx.raw.execute(
            "INSERT INTO presence_watch (beat_at, renewed_at, grace_until) VALUES ($1, $1, $1) ON CONFLICT DO NOTHING",
            long_ago,
        )
        return await lock(tx)
    return Watch(row["beat_at"], row["renewed_at"], row["grace_until"])


async def beat(tx: Transaction, beat_at: dt.datetime, grace_until: dt.datetime) -> None:
    """Some replica lives."""
    await tx.raw.execute("UPDATE presence_watch SET beat_at = $1, grace_until = $2", beat_at, grace_until)


async def renewed(tx: Transaction, now: dt.datetime, silence_s: float, grace_s: float) -> None:
    """Renewals came in. After a silence of all gateways nobody is lost before a grace has passed."""
    await tx.raw.execute(
        "UPDATE presence_watch SET renewed_at = $1, grace_until = CASE WHEN renewed_at < $2 THEN greatest(grace_until, $3) "
        "ELSE grace_until END WHERE renewed_at < $1",
        now, now - dt.timedelta(seconds=silence_s), now + dt.timedelta(seconds=grace_s),
    )  # fmt: skip
