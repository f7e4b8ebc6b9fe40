"""What can be configured about the bot."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from yunsong_bot.resources import LOCALES
from yunsong_common.settings import ServiceSettings


class BotServiceSettings(ServiceSettings):
    """The bot's settings; what a business changes while it runs is in `BotSettings`, in the database."""

    service: ClassVar[str] = "bot"

    # The language of a contact whose own is unknown, and of what agents read; BCP 47.
    default_locale: str = "zh-CN"
    # How often each replica looks for a new version of the knowledge base, besides the events.
    refresh_s: float = Field(default=2.0, ge=0.1, le=60)
    # How long a bot of one's own may take over HTTP.
    external_bot_timeout_s: float = Field(default=5.0, ge=0.1, le=30)
    # A bot of one's own may be at a private or loopback address only when this is set; for tests and closed networks.
    external_bot_allow_private: bool = False
    # How long the state of a dialogue is kept after its last message.
    dialogue_days: int = Field(default=30, ge=1, le=365)

    @field_validator("default_locale")
    @classmethod
    def _locale_is_spoken(cls, value: str) -> str:
        if value not in LOCALES:
            raise ValueError(f"must be one of {', '.join(LOCALES)}")
        return value
