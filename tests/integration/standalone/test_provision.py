"""Roles of the embedded PostgreSQL: each service reaches its own schema and nothing else."""

from __future__ import annotations

import asyncpg
import pytest

from tests.support.servers import with_user
from yunsong_standalone.catalogue import BY_NAME, SERVICES
from yunsong_standalone.embedded import EmbeddedPostgres
from yunsong_standalone.provision import DATABASE, SHARED_ROLE, provision

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
