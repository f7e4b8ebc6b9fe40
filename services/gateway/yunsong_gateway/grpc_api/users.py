"""UserService: users and roles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from yunsong.auth.v1 import principal_pb2
from yunsong.gateway.v1 import events_pb2, gateway_pb2, gateway_pb2_grpc, model_pb2
from yunsong.router.v1 import router_pb2, router_pb2_grpc
from yunsong_common.db import Database, Transaction, once
from yunsong_common.errors import InvalidArgument, Violation, YunsongError
from yunsong_common.grpc import Channels, current_call, current_principal
from yunsong_gateway.grpc_api import pages
from yunsong_gateway.identity import accounts, passwords, sessions
from yunsong_gateway.identity.passwords import Passwords
from yunsong_gateway.identity.roles import BUILT_IN, Permissions
from yunsong_gateway.times import stamp

_UPDATABLE = ("username", "display_name", "email", "roles", "enabled", "locale")
_TAKES_WORK = "presence.write"
_MAX_COLLEAGUES = 5000


def user_message(user: accounts.User) -> model_pb2.User:
    return model_pb2.User(
        id=user.id,
        username=user.username,
        display_name=user.display_name,
        email=user.email,
        roles=user.roles,
        enabled=user.enabled,
        totp_enabled=user.totp_secret is not None,
        locale=user.locale,
        password_change_required=user.password_change_required,
        created_at=stamp(user.created_at),
        last_sign_in_at=stamp(user.last_sign_in_at),
    )


class UserApi(gateway_pb2_grpc.UserServiceServicer):
    """See gateway.proto."""

    def __init__(
        self, database: Database, channels: Channels, permissions: Permissions, hasher: Passwords
    ) -> None:
        self._database = database
        self._agents = router_pb2_grpc.AgentServiceStub(channels.router)
        self._permissions = permissions
        self._hasher = hasher

    async def ListUsers(
        self, request: gateway_pb2.ListUsersRequest, context: Any
    ) -> gateway_pb2.ListUsersResponse:
        size = request.page_size or pages.DEFAULT_SIZE
        async with self._database.read() as tx:
            found = await accounts.page(
                tx, after=pages.after(request.page_token), query=request.query, size=size + 1
            )
        more = len(found) > size
        return gateway_pb2.ListUsersResponse(
            users=[user_message(user) for user in found[:size]],
            next_page_token=pages.token(accounts.username_key(found[size - 1].username)) if more else "",
        )

    async def ListColleagues(
        self, request: gateway_pb2.ListColleaguesRequest, context: Any
    ) -> gateway_pb2.ListColleaguesResponse:
        async with self._database.read() as tx:
            found = await accounts.enabled_names(tx, limit=_MAX_COLLEAGUES)
        return gateway_pb2.ListColleaguesResponse(
            colleagues=[gateway_pb2.Colleague(id=user_id, display_name=name) for user_id, name in found]
        )

    async def GetUser(self, request: gateway_pb2.GetUserRequest, context: Any) -> model_pb2.User:
        async with self._database.read() as tx:
            return user_message(await accounts.get(tx, request.user_id))

    async def CreateUser(
        self, request: gateway_pb2.CreateUserRequest, context: Any
    ) -> gateway_pb2.CreateUserResponse:
        principal, call = current_principal(), current_call()
        password = request.password or passwords.generate()
        passwords.check_strength(password, request.user.username, "password")
        hashed = await self._hasher.hash(password)
        known_to_others = _is_known_to_others(principal, chosen=bool(request.password))

        async def work(tx: Transaction) -> gateway_pb2.CreateUserResponse:
            async def effect() -> gateway_pb2.CreateUserResponse:
                await accounts.check_roles(tx, request.user.roles, principal.permissions, self._permissions)
                user = await accounts.create(
                    tx,
                    username=request.user.username,
                    display_name=request.user.display_name,
                    email=request.user.email,
                    locale=request.user.locale,
                    role_names=request.user.roles,
                    enabled=True,
                    password_hash=hashed,
                    change_required=known_to_others,
                )
                tx.emit(events_pb2.UserChanged(user=user_message(user)))
                return gateway_pb2.CreateUserResponse(
                    user=user_message(user), password="" if request.password else password
                )

            return await once(
                tx,
                key=call.idempotency_key,
                principal=principal.actor_id,
                method=call.method,
                request=request,
                response=gateway_pb2.CreateUserResponse,
                effect=effect,
            )

        answer = await self._database.run(work)
        await self._make_agent(answer.user, may_create=True)
        return answer

    async def UpdateUser(self, request: gateway_pb2.UpdateUserRequest, context: Any) -> model_pb2.User:
        names = _mask(request.update_mask.paths)
        principal = current_principal()

        async def work(tx: Transaction) -> model_pb2.User:
            user = await accounts.get(tx, request.user_id, lock=True)
            changes = {name: getattr(request.user, name) for name in names}
            if "roles" in changes:
                changes["roles"] = list(changes["roles"])
            # Neither giving nor taking goes beyond what the caller holds, and nobody changes who holds more.
            await accounts.check_roles(
                tx, {*changes.get("roles", ()), *user.roles}, principal.permissions, self._permissions
            )
            changed = await accounts.update(tx, user, changes)
            before = await accounts.permissions_of(tx, user.roles, self._permissions)
            now = await accounts.permissions_of(tx, changed.roles, self._permissions)
            if user.enabled and not changed.enabled:
                await sessions.end(tx, user.id, reason="disabled")
            elif before - now:
                await sessions.end(tx, user.id, reason="role_changed")
            elif now != before:
                tx.publish_after_commit(events_pb2.AccessRevoked(actor_id=user.id, reason="role_changed"))
            tx.emit(events_pb2.UserChanged(user=user_message(changed)))
            return user_message(changed)

        user = await self._database.run(work)
        await self._make_agent(user, may_create=True)
        return user

    async def ResetPassword(
        self, request: gateway_pb2.ResetPasswordRequest, context: Any
    ) -> gateway_pb2.ResetPasswordResponse:
        password = passwords.generate()
        hashed = await self._hasher.hash(password)
        principal = current_principal()

        async def work(tx: Transaction) -> None:
            user = await accounts.get(tx, request.user_id, lock=True)
            await accounts.check_roles(tx, user.roles, principal.permissions, self._permissions)
            await accounts.set_password(
                tx, user.id, hashed, change_required=_is_known_to_others(principal, chosen=False)
            )
            await sessions.end(tx, user.id, reason="password_changed")

        await self._database.run(work)
        return gateway_pb2.ResetPasswordResponse(password=password)

    async def RevokeUserSessions(
        self, request: gateway_pb2.RevokeUserSessionsRequest, context: Any
    ) -> gateway_pb2.RevokeUserSessionsResponse:
        async with self._database.transaction() as tx:
            user = await accounts.get(tx, request.user_id, lock=True)
            await sessions.end(tx, user.id, reason="revoked")
        return gateway_pb2.RevokeUserSessionsResponse()

    async def ListRoles(
        self, request: gateway_pb2.ListRolesRequest, context: Any
    ) -> gateway_pb2.ListRolesResponse:
        async with self._database.read() as tx:
            own = await accounts.own_roles(tx)
        built_in = [
            model_pb2.Role(
                name=name,
                description=description,
                permissions=sorted(self._permissions.of_roles([name], {})),
                built_in=True,
            )
            for name, (description, _) in BUILT_IN.items()
        ]
        made = [
            model_pb2.Role(name=name, description=description, permissions=held)
            for name, (description, held) in own.items()
        ]
        return gateway_pb2.ListRolesResponse(roles=sorted([*built_in, *made], key=lambda role: role.name))

    async def SetRole(self, request: gateway_pb2.SetRoleRequest, context: Any) -> model_pb2.Role:
        principal = current_principal()

        async def work(tx: Transaction) -> None:
            await accounts.set_role(
                tx, request.name, request.description, request.permissions, self._permissions
            )
            await accounts.check_roles(tx, [request.name], principal.permissions, self._permissions)
            await self._rights_changed(tx, request.name)

        await self._database.run(work)
        return model_pb2.Role(
            name=request.name, description=request.description, permissions=sorted(set(request.permissions))
        )

    async def _rights_changed(self, tx: Transaction, role: str) -> None:
        for user_id in await accounts.holders_of(tx, role):
            tx.publish_after_commit(events_pb2.AccessRevoked(actor_id=user_id, reason="role_changed"))

    async def DeleteRole(
        self, request: gateway_pb2.DeleteRoleRequest, context: Any
    ) -> gateway_pb2.DeleteRoleResponse:
        async with self._database.transaction() as tx:
            await accounts.delete_role(tx, request.name)
        return gateway_pb2.DeleteRoleResponse()

    async def ListPermissions(
        self, request: gateway_pb2.ListPermissionsRequest, context: Any
    ) -> gateway_pb2.ListPermissionsResponse:
        return gateway_pb2.ListPermissionsResponse(
            permissions=[
                gateway_pb2.Permission(name=name, operations=operations)
                for name, operations in self._permissions.operations().items()
            ]
        )

    async def _make_agent(self, user: model_pb2.User, *, may_create: bool) -> None:
        """Tells the router of a user who may take conversations. It also hears the event; this makes it quick."""
        async with self._database.read() as tx:
            held = await accounts.permissions_of(tx, user.roles, self._permissions)
        if not may_create or _TAKES_WORK not in held:
            return
        try:
            await self._agents.ConfigureAgent(
                router_pb2.ConfigureAgentRequest(
                    agent_id=user.id, name=user.display_name, enabled=user.enabled
                )
            )
        except YunsongError as error:
            if error.kind.name not in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
                raise


# Who runs the copy, at its own command line: signed with the release key and no user.
_OPERATOR = "00000000-0000-0000-0000-000000000000"


def _is_known_to_others(principal: principal_pb2.Principal, *, chosen: bool) -> bool:
    """Whether a password that the caller made is known to a person who should not keep knowing it.

    Not where the copy's operator makes it at its own command line, or an integration provisions accounts with passwords that it
    keeps.
    """
    if principal.kind == principal_pb2.ACTOR_KIND_SERVICE or principal.actor_id == _OPERATOR:
        return False
    return not (chosen and principal.kind == principal_pb2.ACTOR_KIND_API_KEY)


def _mask(paths: Iterable[str]) -> list[str]:
    """Raises InvalidArgument for a field that cannot be changed."""
    names = list(dict.fromkeys(paths))
    wrong = [name for name in names if name not in _UPDATABLE]
    if wrong:
        raise InvalidArgument(
            reason="INVALID_REQUEST",
            message=f"These fields cannot be changed: {', '.join(wrong[:5])}.",
            violations=[
                Violation(
                    field="update_mask", reason="UNKNOWN_FIELD", description=f"{name} cannot be changed"
                )
                for name in wrong
            ],
        )
    return names
