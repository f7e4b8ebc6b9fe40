"""Roles of the embedded PostgreSQL: each service reaches its own schema and nothing else."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from tests.support.servers import with_user
from yunsong_standalone.catalogue import BY_NAME, SERVICES
from yunsong_standalone.embedded import EmbeddedNats, EmbeddedPostgres
from yunsong_standalone.migrate import migrate
from yunsong_standalone.provision import DATABASE, SHARED_ROLE, WrongUrls, provision, provision_for

PASSWORDS = {role: f"secret-of-{role}" for role in (SHARED_ROLE, *(service.role for service in SERVICES))}


async def test_a_service_owns_its_schema_and_cannot_look_into_another(
    private_postgres: EmbeddedPostgres,
) -> None:
    await provision(private_postgres.url(), private_postgres.url(DATABASE), PASSWORDS)
    await provision(private_postgres.url(), private_postgres.url(DATABASE), PASSWORDS)  # nothing changes

    router = await _connect(private_postgres, BY_NAME["router"].role)
    shared = await _connect(private_postgres, SHARED_ROLE)
    await router.execute("CREATE TABLE router.own (n int)")
    await shared.execute("INSERT INTO router.own VALUES (1)")
    bot = await _connect(private_postgres, BY_NAME["bot"].role)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await bot.fetch("SELECT * FROM router.own")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await bot.execute("CREATE TABLE public.elsewhere (n int)")
    for connection in (router, shared, bot):
        await connection.close()


async def test_a_role_that_is_not_the_products_cannot_connect(private_postgres: EmbeddedPostgres) -> None:
    await provision(private_postgres.url(), private_postgres.url(DATABASE), PASSWORDS)
    superuser = await asyncpg.connect(private_postgres.url())
    await superuser.execute("CREATE ROLE stranger LOGIN PASSWORD 'known'")
    await superuser.close()

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(with_user(private_postgres.url(DATABASE), "stranger", "known"))


async def _connect(server: EmbeddedPostgres, role: str) -> asyncpg.Connection:
    return await asyncpg.connect(server.url(DATABASE, role, PASSWORDS[role]))


def urls_of(server: EmbeddedPostgres) -> tuple[str, dict[str, str]]:
    """A second business' URLs on the same server: names of its own, a password that needs quoting."""

    def url(role: str, password: str) -> str:
        return with_user(server.url("shop"), role, password)

    return url("shop", "s'hared"), {
        service.name: url(f"shop_{service.identifier}", "own") for service in SERVICES
    }


async def test_a_copys_share_of_a_server_is_made_out_of_its_urls(private_postgres: EmbeddedPostgres) -> None:
    shared_url, service_urls = urls_of(private_postgres)
    await provision_for(private_postgres.url(), shared_url, service_urls)
    await provision_for(private_postgres.url(), shared_url, service_urls)  # nothing changes

    router = await asyncpg.connect(service_urls["router"])
    await router.execute("CREATE TABLE router.own (n int)")
    shared = await asyncpg.connect(shared_url)
    await shared.execute("INSERT INTO router.own VALUES (1)")
    await router.close()
    await shared.close()


async def test_urls_that_describe_no_copy_are_refused() -> None:
    own = {service.name: f"postgresql://{service.name}:x@host/shop" for service in SERVICES}
    with pytest.raises(WrongUrls, match="lacks a role"):
        await provision_for("postgresql://host/postgres", "postgresql://host/shop", own)
    with pytest.raises(WrongUrls, match="several databases"):
        await provision_for("postgresql://host/postgres", "postgresql://a:x@host/other", own)
    with pytest.raises(WrongUrls, match="same role"):
        await provision_for("postgresql://host/postgres", "postgresql://router:x@host/shop", own)


async def test_the_migration_waits_for_servers_that_start(
    private_postgres: EmbeddedPostgres, private_nats: EmbeddedNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared_url, service_urls = urls_of(private_postgres)
    monkeypatch.setenv("YUNSONG_DATABASE_ADMIN_URL", private_postgres.url())
    monkeypatch.setenv("YUNSONG_DATABASE_URL", shared_url)
    monkeypatch.setenv("YUNSONG_NATS_URL", private_nats.url())
    for service in SERVICES:
        monkeypatch.setenv(service.variable("DATABASE_URL"), service_urls[service.name])
    private_postgres.stop()
    with pytest.raises(OSError, match="Connect call failed"):
        await migrate()
    migrating = asyncio.create_task(migrate(wait_s=60))
    await asyncio.to_thread(lambda: None)
    private_postgres.start()
    versions = await migrating
    assert set(versions) == set(BY_NAME)
    assert min(versions.values()) >= 1
