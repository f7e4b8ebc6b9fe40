"""Streams: one per owner, declared by the migration job, filled again from PostgreSQL when NATS lost them."""

from __future__ import annotations

from collections.abc import Iterable


def stream_of(subject_or_package: str) -> str:
    """The stream of a package or subject: "yunsong.channel.v1…" -> "YUNSONG_CHANNEL"."""
    return f"YUNSONG_{subject_or_package.split('.')[1].upper()}"


async def declare_streams(url: str, packages: Iterable[str], *, max_age_days: int = 7) -> None:
    """Creates or updates the streams of packages such as "conversation" or "channel". Idempotent."""
    raise NotImplementedError
