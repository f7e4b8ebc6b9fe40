"""The database and NATS of one copy: external ones where their URLs are set, else embedded ones of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from yunsong_standalone.catalogue import SERVICES
from yunsong_standalone.embedded import EmbeddedNats, EmbeddedPostgres, NatsUser
from yunsong_standalone.home import Home
from yunsong_standalone.topology import Backends, Topology

_NATS_ADMIN = "yunsong"


@dataclass
class Servers:
    """The embedded servers that this copy runs, in the order they start."""

    postgres: EmbeddedPostgres | None = None
    nats: EmbeddedNats | None = None
    backends: Backends = field(default_factory=lambda: Backends("", {}, {}))

    @property
    def embedded(self) -> list[EmbeddedPostgres | EmbeddedNats]:
        return [server for server in (self.postgres, self.nats) if server is not None]

    def stop(self) -> None:
        """NATS first: what it has not stored, PostgreSQL still has."""
        for server in reversed(self.embedded):
            server.stop()


def start_servers(home: Home, topology: Topology, environment: Mapping[str, str]) -> Servers:
    """Start what is not external, make its roles, and say how each service reaches it. Raises ServerFailed."""
    servers = Servers()
    try:
        database_urls = _database(servers, home, environment)
        nats_urls = _nats(servers, home, topology, environment)
    except BaseException:
        servers.stop()
        raise
    release_key = environment.get("YUNSONG_RELEASE_KEY") or home.secret("release_key")
    servers.backends = Backends(release_key, database_urls, nats_urls)
    return servers


def _database(servers: Servers, home: Home, environment: Mapping[str, str]) -> dict[str, str]:
    external = environment.get("YUNSONG_DATABASE_URL")
    if external:
        return {"": external}
    from yunsong_standalone import provision  # noqa: PLC0415 - only embedded needs the driver here

    servers.postgres = EmbeddedPostgres(home.postgres, password=home.secret("postgres"))
    servers.postgres.start()
    roles = [provision.SHARED_ROLE, *(service.role for service in SERVICES)]
    passwords = {role: home.secret(f"postgres:{role}") for role in roles}
    asyncio.run(
        provision.provision(servers.postgres.url(), servers.postgres.url(provision.DATABASE), passwords)
    )
    urls = {role: servers.postgres.url(provision.DATABASE, role, passwords[role]) for role in roles}
    own = {service.name: urls[service.role] for service in SERVICES}
    return {"": urls[provision.SHARED_ROLE], **own}


def _nats(servers: Servers, home: Home, topology: Topology, environment: Mapping[str, str]) -> dict[str, str]:
    external = environment.get("YUNSONG_NATS_URL")
    if external:
        return {"": external}
    users = [NatsUser(_NATS_ADMIN, home.secret("nats"))]
    if topology is Topology.DISTRIBUTED:
        from yunsong_standalone.permissions import publishable_subjects  # noqa: PLC0415 - compact stays light

        users += [
            NatsUser(service.name, home.secret(f"nats:{service.name}"), publishable_subjects(service))
            for service in SERVICES
        ]
    servers.nats = EmbeddedNats(home.nats, users=users)
    servers.nats.start()
    return {"": servers.nats.url(), **{user.name: servers.nats.url(user.name) for user in users[1:]}}
