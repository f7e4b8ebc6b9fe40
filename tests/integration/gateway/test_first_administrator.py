"""A start makes the administrator that it is told of, once, and the password must be replaced."""

from __future__ import annotations

from tests.support.servers import ServiceDatabase
from yunsong_gateway.bootstrap import ensure_admin
from yunsong_gateway.identity import accounts
from yunsong_gateway.identity.passwords import Passwords


async def test_the_given_administrator_is_made_once(service_database: ServiceDatabase) -> None:
    database = await service_database("gateway")
    assert await ensure_admin(database, "owner", "given-by-a-Secret-48") == "given-by-a-Secret-48"
    assert await ensure_admin(database, "owner", "given-by-a-Secret-49") is None
    assert await ensure_admin(database, "another", "given-by-a-Secret-49") is None

    async with database.read() as tx:
        user = await accounts.find_by_name(tx, "owner")
        assert user is not None
        assert await accounts.find_by_name(tx, "another") is None
    assert user.password_change_required
    hasher = Passwords()
    assert await hasher.verify(user.password_hash, "given-by-a-Secret-48")
    hasher.close()
