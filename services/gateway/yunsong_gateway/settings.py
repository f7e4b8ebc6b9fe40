"""What the gateway can be told, beside what every service can."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr

from yunsong_common.settings import ServiceSettings


class GatewaySettings(ServiceSettings):
    """Read from `YUNSONG_GATEWAY_<NAME>`; shared values from `YUNSONG_<NAME>`."""

    service: ClassVar[str] = "gateway"

    # The address that clients use, such as "https://support.example"; for links and for HSTS.
    public_url: str = "http://127.0.0.1:8080"
    # Networks of the proxies in front, such as "10.0.0.0/8": only their X-Forwarded-For is believed.
    trusted_proxies: list[str] = Field(default_factory=list)
    # Further services behind the door: a JSON object of name -> host:port; the file adds to it and is watched.
    upstreams: dict[str, str] = Field(default_factory=dict)
    upstreams_file: Path | None = None
    # Seconds between two looks at an upstream's contract; a reconnect or an UNIMPLEMENTED is looked into at once.
    upstreams_recheck_s: float = Field(default=15.0, ge=0.1, le=3600)

    # Seconds for one REST call, and bytes of its body.
    request_timeout_s: float = Field(default=20.0, ge=1, le=300)
    max_body_bytes: int = Field(default=1024 * 1024, ge=1024, le=64 * 1024 * 1024)

    # Origins of pages that staff's API calls may come from; the console is served from here and needs none.
    allowed_origins: list[str] = Field(default_factory=list)

    # Tokens and sessions, in seconds.
    access_token_s: int = Field(default=900, ge=60, le=86_400)
    session_s: int = Field(default=30 * 86_400, ge=600, le=365 * 86_400)
    contact_token_s: int = Field(default=86_400, ge=300, le=30 * 86_400)
    # argon2id's memory in KiB; less only on small machines and in tests.
    password_memory_kib: int = Field(default=65_536, ge=8, le=1_048_576)

    # Requests a minute: of one member of staff, of one API key without its own limit, of one contact, of one address unsigned.
    staff_per_minute: int = Field(default=1200, ge=1)
    api_key_per_minute: int = Field(default=1200, ge=1)
    contact_per_minute: int = Field(default=240, ge=1)
    anonymous_per_minute: int = Field(default=240, ge=1)
    sign_ins_per_minute: int = Field(default=60, ge=1)  # of one address

    # Sockets of this process, the seconds between their heartbeats, and how many batches of sends are on their way at once.
    max_sockets: int = Field(default=20_000, ge=1)
    heartbeat_s: int = Field(default=20, ge=1, le=300)
    append_lanes: int = Field(default=2, ge=1, le=16)

    # Where files go: a folder's path, or s3://bucket/prefix (with `files_options` such as endpoint and region).
    files_url: str = ".yunsong/files"
    files_options: dict[str, str] = Field(default_factory=dict)
    files_access_key_id: SecretStr = SecretStr("")
    files_secret_access_key: SecretStr = SecretStr("")
    max_file_bytes: int = Field(default=20 * 1024 * 1024, ge=1024, le=1024 * 1024 * 1024)

    # Webhooks may go to private and loopback addresses only when this is set; for tests and closed networks.
    webhooks_allow_private: bool = False
    webhook_attempts: int = Field(default=12, ge=1, le=50)

    # Sign-in through an OpenID Connect provider; off while the issuer is empty.
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr = SecretStr("")
    oidc_name: str = "OpenID"
    # Roles of a user who comes in for the first time; empty = only known users come in.
    oidc_new_user_roles: list[str] = Field(default_factory=list)

    # While nobody is an administrator, the start makes this one, with this password, which the first sign-in replaces. Empty = none.
    first_administrator: str = Field(default="", max_length=60)
    first_password: SecretStr = SecretStr("")

    # Days that the audit log keeps.
    audit_days: int = Field(default=730, ge=1, le=36_500)
    # The folder of built pages, with `console/` and `widget/` in it. Without it / shows a plain page.
    pages: Path | None = None
    # The demo shop at /demo: a JSON file that names its inbox; `yunsong run` writes it. Without it there is no shop.
    demo_shop: Path | None = None

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")
