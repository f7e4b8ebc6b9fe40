"""What the channel adapter can be told."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from yunsong_common.settings import ServiceSettings

_KEY_LENGTH = 32
# An attempt ends this much after its time-out at the latest, and is then recorded.
_LEASE_MARGIN_S = 5.0


class ChannelAdapterSettings(ServiceSettings):
    """Read from `YUNSONG_CHANNEL_ADAPTER_<NAME>`."""

    service: ClassVar[str] = "channel-adapter"

    # Encrypts the inboxes' credentials. Whoever loses it must enter them anew.
    encryption_key: SecretStr
    # Keys of before, separated by commas: they decrypt until everything is encrypted anew, which happens at
    # the start.
    previous_encryption_keys: SecretStr = SecretStr("")

    # Deliveries on the wire at once, in this process.
    max_sending: int = Field(default=32, ge=1, le=200)
    # Of them for one inbox, so that a slow receiver leaves room for the others.
    max_sending_per_inbox: int = Field(default=16, ge=1, le=200)
    max_attempts: int = Field(default=12, ge=1, le=100)
    # Seconds; the pause doubles from the first bound to the second.
    retry_base_s: float = Field(default=2.0, ge=0.01, le=600)
    retry_max_s: float = Field(default=1800.0, ge=0.01, le=86_400)
    # How long one attempt may take, in seconds, connecting and answering included.
    send_timeout_s: float = Field(default=10.0, ge=0.5, le=60)
    # How long a conversation's deliveries stay with a process that gives no sign of life, in seconds: a crash holds
    # them up that long.
    lease_s: float = Field(default=40.0, ge=1, le=600)
    # Deliveries that are done stay this long.
    delivery_days: int = Field(default=30, ge=1, le=3650)

    # For tests and closed networks: lets webhooks go to loopback and private addresses.
    allow_private_addresses: bool = False
    # Bytes of a receiver's answer that are read.
    max_answer_bytes: int = Field(default=65_536, ge=1024, le=10_485_760)
    # Messages from outside that may wait for the conversation service.
    max_waiting_inbound: int = Field(default=5000, ge=1, le=100_000)

    @field_validator("encryption_key")
    @classmethod
    def _key_is_long(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < _KEY_LENGTH:
            raise ValueError("must have at least 32 characters; `openssl rand -hex 32` makes one")
        return value

    @model_validator(mode="after")
    def _deliveries_outlive_the_change_log(self) -> Self:
        # A delivery that is remembered is not made again from the conversation's change log.
        if self.delivery_days < self.outbox_days:
            raise ValueError("DELIVERY_DAYS must be at least OUTBOX_DAYS")
        return self

    @model_validator(mode="after")
    def _lease_outlasts_an_attempt(self) -> Self:
        if self.lease_s < self.send_timeout_s + _LEASE_MARGIN_S:
            raise ValueError(f"LEASE_S must be at least SEND_TIMEOUT_S + {_LEASE_MARGIN_S:g}")
        return self

    @property
    def previous_keys(self) -> tuple[str, ...]:
        """The keys of before, newest first."""
        keys = (key.strip() for key in self.previous_encryption_keys.get_secret_value().split(","))
        return tuple(key for key in keys if key)
