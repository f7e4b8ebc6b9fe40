"""Which processes make the product, and the environment each of them gets."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from yunsong_standalone.catalogue import SERVICES, ServiceEntry
from yunsong_standalone.embedded import free_port

LOOPBACK = "127.0.0.1"


class Topology(StrEnum):
    """How the six services are spread over processes."""

    COMPACT = "compact"
    DISTRIBUTED = "distributed"


@dataclass(frozen=True, slots=True)
class Backends:
    """Where the database and NATS are; by service where each has credentials of its own, "" for all."""

    release_key: str
    database_urls: Mapping[str, str]
    nats_urls: Mapping[str, str]

    def environment(self, service: str = "") -> dict[str, str]:
        """What a process of this service needs to reach them; without a name, what all share."""
        return {
            "YUNSONG_RELEASE_KEY": self.release_key,
            "YUNSONG_DATABASE_URL": self.database_urls.get(service) or self.database_urls[""],
            "YUNSONG_NATS_URL": self.nats_urls.get(service) or self.nats_urls[""],
        }


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything listens on this machine."""

    http: int
    grpc: Mapping[str, int]
    ops: Mapping[str, int]

    @classmethod
    def choose(cls, http: int, environment: Mapping[str, str]) -> Ports:
        """The configured ports, else the usual ones, else free ones where another program has the usual."""
        taken: set[int] = {http}
        return cls(
            http=http,
            grpc={s.name: _port(s, "GRPC_PORT", s.grpc_port, environment, taken) for s in SERVICES},
            ops={s.name: _port(s, "OPS_PORT", s.ops_port, environment, taken) for s in SERVICES},
        )

    def asked_for_readiness(self, topology: Topology) -> dict[str, int]:
        """The operations ports that there are: one process has one, whatever runs in it."""
        return (
            {SERVICES[0].name: self.ops[SERVICES[0].name]} if topology is Topology.COMPACT else dict(self.ops)
        )

    def environment(self) -> dict[str, str]:
        values = {"YUNSONG_GRPC_HOST": LOOPBACK, "YUNSONG_OPS_HOST": LOOPBACK}
        values["YUNSONG_GATEWAY_HTTP_PORT"] = str(self.http)
        for service in SERVICES:
            values[service.variable("GRPC_PORT")] = str(self.grpc[service.name])
            values[service.variable("OPS_PORT")] = str(self.ops[service.name])
            values[service.variable("ADDRESS")] = f"{LOOPBACK}:{self.grpc[service.name]}"
        return values


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the product; `services` are those it runs."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    services: Sequence[str] = field(default_factory=tuple)


def parts_of(
    topology: Topology,
    backends: Backends,
    ports: Ports,
    own: Mapping[str, Mapping[str, str]],
    inherited: Mapping[str, str],
) -> list[Part]:
    """The processes of a topology.

    `own` are settings of this copy by service: no other service's process gets them. `inherited` is the caller's
    environment, and what it sets wins, except the servers' addresses, which `backends` took from it already.
    """
    if topology is Topology.COMPACT:
        command = (sys.executable, "-m", "yunsong_standalone.compact")
        settings = {name: value for service in SERVICES for name, value in own.get(service.name, {}).items()}
        names = tuple(service.name for service in SERVICES)
        environment = {**settings, **ports.environment(), **inherited, **backends.environment()}
        return [Part("compact", command, environment, names)]
    return [
        Part(
            service.name,
            (sys.executable, "-m", service.module),
            {
                **own.get(service.name, {}),
                **ports.environment(),
                **inherited,
                **backends.environment(service.name),
            },
            (service.name,),
        )
        for service in SERVICES
    ]


def _port(
    service: ServiceEntry, name: str, usual: int, environment: Mapping[str, str], taken: set[int]
) -> int:
    configured = environment.get(service.variable(name))
    if configured:
        port = int(configured)
    elif usual not in taken and is_free(usual):
        port = usual
    else:
        port = free_port()
        while port in taken:
            port = free_port()
    taken.add(port)
    return port


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether nothing listens on a port just now."""
    with socket.socket() as probe:
        if os.name == "posix":
            # As the services do: a port in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
