"""Users and roles: rows of `users` and `roles`, and the rules about them."""

# ruff: noqa: S608 - the column lists are constants of this module

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from yunsong_common.db import Transaction
from yunsong_common.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from yunsong_common.ids import new_id
from yunsong_gateway.identity import roles
from yunsong_gateway.identity.roles import Permissions

_COLUMNS = (
    "id, username, display_name, email, locale, roles, enabled, password_hash, password_change_required, "
    "totp_secret, totp_pending, totp_last_step, recovery_hashes, created_at, last_sign_in_at"
)


@dataclass(frozen=True, slots=True)
class User:
    """One row of `users`."""

    id: str
    username: str
    display_name: str
    email: str
    locale: str
    roles: tuple[str, ...]
    enabled: bool
    password_hash: str
    password_change_required: bool
    totp_secret: bytes | None
    totp_pending: bytes | None
    totp_last_step: int
    recovery_hashes: tuple[str, ...]
    created_at: dt.datetime
    last_sign_in_at: dt.datetime | None


def _user(row: Any) -> User:
    values = dict(row)
    values["id"] = str(values["id"])
    values["roles"] = tuple(values["roles"])
    values["recovery_hashes"] = tuple(values["recovery_hashes"])
    return User(**values)


def username_key(username: str) -> str:
    """Names are compared without case."""
    return username.strip().casefold()


async def get(tx: Transaction, user_id: str, *, lock: bool = False) -> User:
    """Raises NotFound / USER_UNKNOWN."""
    row = await tx.raw.fetchrow(
        f"SELECT {_COLUMNS} FROM users WHERE id = $1" + (" FOR UPDATE" if lock else ""), UUID(user_id)
    )
    if row is None:
        raise NotFound(reason="USER_UNKNOWN", message=f"There is no user {user_id}.", user_id=user_id)
    return _user(row)


async def find(tx: Transaction, user_id: str) -> User | None:
    row = await tx.raw.fetchrow(f"SELECT {_COLUMNS} FROM users WHERE id = $1", UUID(user_id))
    return _user(row) if row else None


async def find_by_name(tx: Transaction, username: str, *, lock: bool = False) -> User | None:
    row = await tx.raw.fetchrow(
        f"SELECT {_COLUMNS} FROM users WHERE username_key = $1" + (" FOR UPDATE" if lock else ""),
        username_key(username),
    )
    return _user(row) if row else None


async def find_by_subject(tx: Transaction, subject: str) -> User | None:
    row = await tx.raw.fetchrow(f"SELECT {_COLUMNS} FROM users WHERE oidc_subject = $1", subject)
    return _user(row) if row else None


async def page(tx: Transaction, *, after: str, query: str, size: int) -> list[User]:
    """Users by name, after a name, whose user name or shown name contains `query`."""
    pattern = "%" + query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").casefold() + "%"
    rows = await tx.raw.fetch(
        f"SELECT {_COLUMNS} FROM users WHERE username_key > $1 "
        "AND ($2 = '%%' OR username_key LIKE $2 OR lower(display_name) LIKE $2) ORDER BY username_key LIMIT $3",
        after,
        pattern,
        size,
    )
    return [_user(row) for row in rows]


async def enabled_names(tx: Transaction, *, limit: int) -> list[tuple[str, str]]:
    """Id and shown name of every enabled user, by name."""
    rows = await tx.raw.fetch(
        "SELECT id, display_name FROM users WHERE enabled ORDER BY lower(display_name), id LIMIT $1", limit
    )
    return [(str(row["id"]), row["display_name"]) for row in rows]


async def create(
    tx: Transaction,
    *,
    username: str,
    display_name: str,
    email: str = "",
    locale: str = "",
    role_names: Collection[str] = (),
    enabled: bool = True,
    password_hash: str = "",
    change_required: bool = False,
    oidc_subject: str | None = None,
) -> User:
    """Raises AlreadyExists / USERNAME_TAKEN."""
    row = await tx.raw.fetchrow(
        "INSERT INTO users (id, username, username_key, display_name, email, locale, roles, enabled, password_hash, "
        "password_change_required, oidc_subject, created_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (username_key) DO NOTHING "
        f"RETURNING {_COLUMNS}",
        UUID(new_id()),
        username.strip(),
        username_key(username),
        display_name,
        email,
        locale,
        sorted(set(role_names)),
        enabled,
        password_hash,
        change_required,
        oidc_subject,
        await tx.now(),
    )
    if row is None:
        raise AlreadyExists(reason="USERNAME_TAKEN", message=f"There is a user {username!r} already.")
    return _user(row)


_UPDATABLE = frozenset(("username", "display_name", "email", "locale", "roles", "enabled"))


async def update(tx: Transaction, user: User, changes: Mapping[str, Any]) -> User:
    """Changes columns of a locked user. Raises AlreadyExists / USERNAME_TAKEN, FailedPrecondition / LAST_ADMIN."""
    assert changes.keys() <= _UPDATABLE
    values = dict(changes)
    if "roles" in values:
        values["roles"] = sorted(set(values["roles"]))
    loses_admin = "roles" in values and roles.ADMIN not in values["roles"]
    if roles.ADMIN in user.roles and (loses_admin or values.get("enabled") is False):
        await _check_other_admin(tx, user)
    if "username" in values:
        other = await find_by_name(tx, values["username"])
        if other is not None and other.id != user.id:
            raise AlreadyExists(
                reason="USERNAME_TAKEN", message=f"There is a user {values['username']!r} already."
            )
        values["username_key"] = username_key(values["username"])
    if not values:
        return user
    names = list(values)
    assignments = ", ".join(f"{name} = ${index}" for index, name in enumerate(names, start=2))
    row = await tx.raw.fetchrow(
        f"UPDATE users SET {assignments} WHERE id = $1 RETURNING {_COLUMNS}",
        UUID(user.id),
        *(values[name] for name in names),
    )
    return _user(row)


async def _check_other_admin(tx: Transaction, user: User) -> None:
    # Two admins who disable each other at once must not both succeed.
    await tx.raw.execute("SELECT pg_advisory_xact_lock(hashtext('yunsong gateway last admin'))")
    other = await tx.raw.fetchval(
        "SELECT 1 FROM users WHERE enabled AND roles @> $1 AND id <> $2 LIMIT 1", [roles.ADMIN], UUID(user.id)
    )
    if other is None:
        raise FailedPrecondition(
            reason="LAST_ADMIN", message="This is the last enabled administrator; make another one first."
        )


async def set_password(tx: Transaction, user_id: str, password_hash: str, *, change_required: bool) -> None:
    await tx.raw.execute(
        "UPDATE users SET password_hash = $2, password_change_required = $3 WHERE id = $1",
        UUID(user_id),
        password_hash,
        change_required,
    )


async def own_roles(tx: Transaction) -> dict[str, tuple[str, tuple[str, ...]]]:
    """The business's own roles: name -> (description, permissions)."""
    rows = await tx.raw.fetch("SELECT name, description, permissions FROM roles ORDER BY name")
    return {row["name"]: (row["description"], tuple(row["permissions"])) for row in rows}


async def permissions_of(
    tx: Transaction, role_names: Iterable[str], permissions: Permissions
) -> frozenset[str]:
    own = await own_roles(tx)
    return permissions.of_roles(role_names, {name: held for name, (_, held) in own.items()})


async def check_roles(
    tx: Transaction, role_names: Collection[str], granter: Collection[str], permissions: Permissions
) -> None:
    """Raises NotFound / ROLE_UNKNOWN, and PermissionDenied / ROLE_ABOVE_OWN when the granter lacks what a role holds."""
    own = await own_roles(tx)
    for name in role_names:
        if name not in own and name not in roles.BUILT_IN:
            raise NotFound(reason="ROLE_UNKNOWN", message=f"There is no role {name!r}.", role=name)
        held = permissions.of_roles([name], {role: given for role, (_, given) in own.items()})
        missing = held - set(granter)
        if missing:
            raise PermissionDenied(
                reason="ROLE_ABOVE_OWN",
                message=f"The role {name!r} holds {min(missing)}, which the caller does not hold.",
                role=name,
            )


async def set_role(
    tx: Transaction, name: str, description: str, held: Collection[str], permissions: Permissions
) -> None:
    """Creates or replaces a role. Raises FailedPrecondition / ROLE_BUILT_IN, InvalidArgument / PERMISSION_UNKNOWN."""
    _check_own(name)
    unknown = sorted(set(held) - permissions.operations().keys())
    if unknown:
        raise InvalidArgument(
            reason="PERMISSION_UNKNOWN",
            message=f"There is no permission {', '.join(unknown[:5])}; see /api/v1/permissions.",
        )
    await tx.raw.execute(
        "INSERT INTO roles (name, description, permissions) VALUES ($1, $2, $3) "
        "ON CONFLICT (name) DO UPDATE SET description = excluded.description, permissions = excluded.permissions",
        name,
        description,
        sorted(set(held)),
    )


async def delete_role(tx: Transaction, name: str) -> None:
    """Raises FailedPrecondition / ROLE_BUILT_IN or ROLE_IN_USE, NotFound / ROLE_UNKNOWN."""
    _check_own(name)
    if await tx.raw.fetchval("SELECT 1 FROM users WHERE roles @> $1 LIMIT 1", [name]):
        raise FailedPrecondition(
            reason="ROLE_IN_USE", message=f"Users hold the role {name!r}; take it from them first."
        )
    deleted = await tx.raw.fetchval("DELETE FROM roles WHERE name = $1 RETURNING 1", name)
    if deleted is None:
        raise NotFound(reason="ROLE_UNKNOWN", message=f"There is no role {name!r}.", role=name)


def _check_own(name: str) -> None:
    if name in roles.BUILT_IN:
        raise FailedPrecondition(
            reason="ROLE_BUILT_IN", message=f"The role {name!r} is built in and cannot be changed."
        )


async def holders_of(tx: Transaction, role: str) -> list[str]:
    rows = await tx.raw.fetch("SELECT id FROM users WHERE roles @> $1", [role])
    return [str(row["id"]) for row in rows]
