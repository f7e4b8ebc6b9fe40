"""The first administrator: there is no default password anywhere."""

from __future__ import annotations

from collections.abc import Collection

from yunsong.gateway.v1 import events_pb2
from yunsong_common.db import Database, Transaction
from yunsong_gateway.grpc_api.users import user_message
from yunsong_gateway.identity import accounts, passwords, roles
from yunsong_gateway.identity.passwords import Passwords


async def ensure_admin(database: Database, username: str = "admin", password: str = "") -> str | None:
    """Creates the first administrator; its password, or None when there is one already.

    Without a `password` one is made, and shown this once. One that is given has been seen elsewhere: it must be replaced at the
    first sign-in. Raises InvalidArgument / PASSWORD_WEAK.
    """
    async with database.read() as tx:
        if await _has_admin(tx):
            return None
    given = bool(password)
    password = password or passwords.generate()
    passwords.check_strength(password, username, "password")
    hasher = Passwords()
    try:
        hashed = await hasher.hash(password)
    finally:
        hasher.close()

    async def work(tx: Transaction) -> str | None:
        await tx.raw.execute("SELECT pg_advisory_xact_lock(hashtext('yunsong gateway first admin'))")
        if await _has_admin(tx):
            return None
        await create_user(tx, username, "Administrator", [roles.ADMIN], hashed, change_required=given)
        return password

    return await database.run(work)


async def create_user(
    tx: Transaction,
    username: str,
    display_name: str,
    role_names: Collection[str],
    password_hash: str,
    *,
    change_required: bool = False,
) -> accounts.User:
    """A user with its event, as CreateUser makes it; for the command line, which has no principal."""
    user = await accounts.create(
        tx,
        username=username,
        display_name=display_name,
        role_names=role_names,
        password_hash=password_hash,
        change_required=change_required,
    )
    tx.emit(events_pb2.UserChanged(user=user_message(user)))
    return user


async def _has_admin(tx: Transaction) -> bool:
    return bool(await tx.raw.fetchval("SELECT 1 FROM users WHERE roles @> $1 LIMIT 1", [roles.ADMIN]))
