"""The six services as the command needs them: names, packages, ports, and where their parts are."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yunsong_common.service import Build


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """One service. `package` is the proto package whose events it publishes."""

    name: str
    package: str
    grpc_port: int
    ops_port: int

    @property
    def identifier(self) -> str:
        """The name as PostgreSQL and Python spell it."""
        return self.name.replace("-", "_")

    @property
    def module(self) -> str:
        return f"yunsong_{self.identifier}"

    @property
    def migrations(self) -> str:
        return f"{self.module}.migrations"

    @property
    def role(self) -> str:
        """The PostgreSQL role that owns the service's schema."""
        return f"yunsong_{self.identifier}"

    def variable(self, name: str) -> str:
        """The environment variable of one of its settings."""
        return f"YUNSONG_{self.identifier.upper()}_{name}"

    def build(self) -> Build:
        """The service's composition root."""
        build: Build = importlib.import_module(f"{self.module}.wiring").build
        return build


SERVICES = (
    ServiceEntry("gateway", "gateway", 9100, 9200),
    ServiceEntry("channel-adapter", "channel", 9101, 9201),
    ServiceEntry("conversation", "conversation", 9102, 9202),
    ServiceEntry("router", "router", 9103, 9203),
    ServiceEntry("bot", "bot", 9104, 9204),
    ServiceEntry("qa", "qa", 9105, 9205),
)
BY_NAME = {service.name: service for service in SERVICES}
