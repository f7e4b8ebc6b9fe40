"""What can be configured about quality assurance."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yunsong_common.settings import ServiceSettings


class QaSettings(ServiceSettings):
    """The service's settings; rules and scorecards are in the database."""

    service: ClassVar[str] = "qa"

    # How often overdue answers are looked for.
    response_check_s: float = Field(default=2.0, ge=0.1, le=60)
    # What happened longer ago raises no live alert, as after an outage.
    alert_max_age_s: float = Field(default=3600.0, ge=10, le=86400)
    # How many facts are written in one transaction.
    batch: int = Field(default=500, ge=1, le=5000)
