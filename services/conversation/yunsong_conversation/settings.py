"""What can be configured about the conversation service."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yunsong_common.settings import ServiceSettings


class ConversationSettings(ServiceSettings):
    """The conversation service's settings."""

    service: ClassVar[str] = "conversation"

    # Messages that may wait to be written before callers get RESOURCE_EXHAUSTED.
    append_pending: int = Field(default=10_000, ge=100, le=1_000_000)
    # Messages of one transaction at most.
    append_batch: int = Field(default=256, ge=1, le=2000)
    # Transactions at once; two keep both PostgreSQL and this process busy.
    append_workers: int = Field(default=2, ge=1, le=8)
    # How often snoozed and idle conversations are looked at, in seconds.
    timer_s: float = Field(default=1.0, ge=0.05, le=60)
    # Days that resolved conversations are kept; 0 = for ever.
    retention_days: int = Field(default=0, ge=0, le=36_500)
