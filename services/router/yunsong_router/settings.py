"""What can be configured: `YUNSONG_ROUTER_<NAME>`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from yunsong_common.settings import ServiceSettings


class RouterSettings(ServiceSettings):
    """The router's settings. All times in seconds."""

    service: ClassVar[str] = "router"

    # A connection that was not renewed for so long is gone; also how long nobody is lost after an interruption.
    lease_grace_s: float = Field(default=20.0, ge=1, le=600)
    # How often gateways are asked to renew.
    lease_renew_s: int = Field(default=5, ge=1, le=60)
    # When no gateway renews anything, that is an outage, and nobody is lost; after so long agents are, whatever it is.
    outage_limit_s: float = Field(default=600.0, ge=20, le=86400)
    # An agent who declined an offer, or let it pass, or handed a conversation on, is not given it again for so long.
    decline_pause_s: float = Field(default=60.0, ge=0, le=3600)
    # Work that waits for one agent falls back to the queue when the agent takes no work for so long.
    required_agent_patience_s: float = Field(default=300.0, ge=0, le=86400)
    # How often timers are looked at; offers, relaxation, opening hours and promises are that exact.
    tick_s: float = Field(default=1.0, gt=0, le=10)
    # How often boards and queue positions are looked at.
    board_s: float = Field(default=1.0, gt=0, le=60)
    # How many assignments one transaction makes at most.
    plan_size: int = Field(default=5000, ge=1, le=20000)
    # How many calls to the conversation service run at once.
    command_concurrency: int = Field(default=64, ge=1, le=1000)
