"""The settings that rules depend on, without the rest of the settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """Times in seconds; what each means stands in `settings.py`."""

    lease_grace_s: float = 20.0
    lease_renew_s: int = 5
    outage_limit_s: float = 600.0
    decline_pause_s: float = 60.0
    required_agent_patience_s: float = 300.0
