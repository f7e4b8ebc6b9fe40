"""SessionService: signing in and out, oneself, second factors."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from yunsong.gateway.v1 import events_pb2, gateway_pb2, gateway_pb2_grpc, model_pb2
from yunsong_common.db import Database, Transaction
from yunsong_common.errors import Unauthenticated, YunsongError
from yunsong_common.grpc import current_principal
from yunsong_gateway.grpc_api.client_facts import user_agent
from yunsong_gateway.grpc_api.users import user_message
from yunsong_gateway.identity import accounts, passwords, preferences, sessions, totp
from yunsong_gateway.identity.passwords import Passwords
from yunsong_gateway.identity.roles import Permissions
from yunsong_gateway.identity.tokens import Tokens
from yunsong_gateway.identity.vault import Vault
from yunsong_gateway.times import stamp

_ADDRESS_FREE = 50  # wrong sign-ins of one address before it waits: an office shares one


class SessionApi(gateway_pb2_grpc.SessionServiceServicer):
    """See gateway.proto."""

    def __init__(
        self,
        database: Database,
        hasher: Passwords,
        tokens: Tokens,
        vault: Vault,
        permissions: Permissions,
        *,
        session_s: int,
    ) -> None:
        self._database = database
        self._hasher = hasher
        self._tokens = tokens
        self._vault = vault
        self._permissions = permissions
        self._lifetime = dt.timedelta(seconds=session_s)

    async def SignIn(self, request: gateway_pb2.SignInRequest, context: Any) -> gateway_pb2.TokenPair:
        address = current_principal().client_address
        name_key = f"name:{accounts.username_key(request.username)}"
        keys = [name_key, f"address:{address}"]
        async with self._database.read() as tx:
            await sessions.check_not_locked(tx, keys)
            user = await accounts.find_by_name(tx, request.username)
        stored = user.password_hash if user is not None and user.enabled else ""
        right = await self._hasher.verify(stored, request.password)
        if user is None or not right:
            raise await self._failed(keys, "CREDENTIALS_WRONG", "The name or the password is wrong.")
        if user.totp_secret is not None and not request.totp_code:
            # The password was right; asking for the code is no failure.
            raise Unauthenticated(
                reason="TOTP_REQUIRED", message="Send the code of the second factor as totp_code."
            )
        rehashed = (
            await self._hasher.hash(request.password) if self._hasher.needs_rehash(user.password_hash) else ""
        )

        async def work(tx: Transaction) -> tuple[accounts.User, str, str] | None:
            locked = await accounts.get(tx, user.id, lock=True)
            if not locked.enabled or locked.password_hash != user.password_hash:
                return None  # changed since it was verified
            if locked.totp_secret is not None and not await totp.use_code(
                tx, locked, self._vault, request.totp_code
            ):
                return None
            if rehashed:
                await accounts.set_password(
                    tx, user.id, rehashed, change_required=locked.password_change_required
                )
            await sessions.forget_failures(tx, name_key)
            session_id, refresh = await sessions.begin(
                tx,
                user.id,
                client_address=address,
                user_agent=user_agent(context),
                lifetime=self._lifetime,
            )
            return await accounts.get(tx, user.id), session_id, refresh

        begun = await self._database.run(work)
        if begun is None:
            raise await self._failed(keys, "TOTP_WRONG", "The code is wrong or was used before.")
        return self._pair(*begun)

    async def _failed(self, keys: list[str], reason: str, message: str) -> YunsongError:
        async def work(tx: Transaction) -> None:
            await sessions.count_failure(tx, keys[0])
            await sessions.count_failure(tx, keys[1], _ADDRESS_FREE)

        await self._database.run(work)
        return Unauthenticated(reason=reason, message=message)

    def _pair(self, user: accounts.User, session_id: str, refresh_token: str) -> gateway_pb2.TokenPair:
        return gateway_pb2.TokenPair(
            access_token=self._tokens.staff(user.id, session_id),
            expires_in=self._tokens.staff_s,
            refresh_token=refresh_token,
            session_id=session_id,
            user=user_message(user),
        )

    async def RefreshSession(
        self, request: gateway_pb2.RefreshSessionRequest, context: Any
    ) -> gateway_pb2.TokenPair:
        async def work(tx: Transaction) -> tuple[accounts.User, str, str] | None:
            rotated = await sessions.rotate(tx, request.refresh_token, self._lifetime)
            if rotated is None:
                return None
            session_id, user_id, refresh = rotated
            return await accounts.get(tx, user_id), session_id, refresh

        renewed = await self._database.run(work)
        if renewed is None:
            raise Unauthenticated(
                reason="REFRESH_TOKEN_REUSED",
                message="The refresh token was used before, so the session has ended; sign in again.",
            )
        user, session_id, refresh_token = renewed
        if not user.enabled:
            raise Unauthenticated(
                reason="REFRESH_TOKEN_INVALID", message="The user may not sign in any more."
            )
        return self._pair(user, session_id, refresh_token)

    async def SignOut(self, request: gateway_pb2.SignOutRequest, context: Any) -> gateway_pb2.SignOutResponse:
        principal = current_principal()
        async with self._database.transaction() as tx:
            await sessions.end(tx, principal.actor_id, session_id=principal.session_id, reason="signed_out")
        return gateway_pb2.SignOutResponse()

    async def ListMySessions(
        self, request: gateway_pb2.ListMySessionsRequest, context: Any
    ) -> gateway_pb2.ListMySessionsResponse:
        principal = current_principal()
        async with self._database.read() as tx:
            found = await sessions.live(tx, principal.actor_id)
        return gateway_pb2.ListMySessionsResponse(
            sessions=[
                model_pb2.Session(
                    id=one.id,
                    user_id=one.user_id,
                    created_at=stamp(one.created_at),
                    renewed_at=stamp(one.renewed_at),
                    client_address=one.client_address,
                    user_agent=one.user_agent,
                    current=one.id == principal.session_id,
                )
                for one in found
            ]
        )

    async def RevokeMySession(
        self, request: gateway_pb2.RevokeMySessionRequest, context: Any
    ) -> gateway_pb2.RevokeMySessionResponse:
        async with self._database.transaction() as tx:
            await sessions.end_own(tx, current_principal().actor_id, request.session_id)
        return gateway_pb2.RevokeMySessionResponse()

    async def GetMe(self, request: gateway_pb2.GetMeRequest, context: Any) -> gateway_pb2.Me:
        async with self._database.read() as tx:
            user = await accounts.get(tx, current_principal().actor_id)
            held = await accounts.permissions_of(tx, user.roles, self._permissions)
            kept = await preferences.of(tx, user.id)
        return gateway_pb2.Me(user=user_message(user), permissions=sorted(held), preferences=kept)

    async def UpdateMe(self, request: gateway_pb2.UpdateMeRequest, context: Any) -> model_pb2.User:
        names = [name for name in ("display_name", "email", "locale") if request.HasField(name)]
        kept = preferences.to_json(request.preferences) if request.HasField("preferences") else None

        async def work(tx: Transaction) -> model_pb2.User:
            user = await accounts.get(tx, current_principal().actor_id, lock=True)
            if kept is not None:
                await preferences.put(tx, user.id, kept)
            if not names:
                return user_message(user)
            changed = await accounts.update(tx, user, {name: getattr(request, name) for name in names})
            tx.emit(events_pb2.UserChanged(user=user_message(changed)))
            return user_message(changed)

        return await self._database.run(work)

    async def ChangeMyPassword(
        self, request: gateway_pb2.ChangeMyPasswordRequest, context: Any
    ) -> gateway_pb2.ChangeMyPasswordResponse:
        principal = current_principal()
        user = await self._with_password(principal.actor_id, request.current_password)
        passwords.check_strength(request.new_password, user.username, "new_password")
        hashed = await self._hasher.hash(request.new_password)

        async def work(tx: Transaction) -> None:
            await accounts.set_password(tx, user.id, hashed, change_required=False)
            await sessions.end(tx, user.id, but=principal.session_id, reason="password_changed")

        await self._database.run(work)
        return gateway_pb2.ChangeMyPasswordResponse()

    async def _with_password(self, user_id: str, password: str) -> accounts.User:
        """The user, once the password is proved. Raises Unauthenticated / CREDENTIALS_WRONG."""
        async with self._database.read() as tx:
            user = await accounts.get(tx, user_id)
            key = f"name:{accounts.username_key(user.username)}"
            await sessions.check_not_locked(tx, [key])
        if not await self._hasher.verify(user.password_hash, password):
            async with self._database.transaction() as tx:
                await sessions.count_failure(tx, key)
            raise Unauthenticated(reason="CREDENTIALS_WRONG", message="The password is wrong.")
        return user

    async def BeginTotp(
        self, request: gateway_pb2.BeginTotpRequest, context: Any
    ) -> gateway_pb2.BeginTotpResponse:
        secret = totp.new_secret()
        async with self._database.transaction() as tx:
            user = await accounts.get(tx, current_principal().actor_id, lock=True)
            await tx.raw.execute(
                "UPDATE users SET totp_pending = $2 WHERE id = $1", UUID(user.id), self._vault.lock(secret)
            )
        return gateway_pb2.BeginTotpResponse(secret=secret, otpauth_url=totp.address(secret, user.username))

    async def ConfirmTotp(
        self, request: gateway_pb2.ConfirmTotpRequest, context: Any
    ) -> gateway_pb2.ConfirmTotpResponse:
        codes = totp.new_recovery_codes()
        async with self._database.transaction() as tx:
            user = await accounts.get(tx, current_principal().actor_id, lock=True)
            secret = self._vault.unlock(user.totp_pending) if user.totp_pending else ""
            now = (await tx.now()).timestamp()
            step = totp.matching_step(secret, request.totp_code, now, 0) if secret else None
            if step is None:
                raise Unauthenticated(
                    reason="TOTP_WRONG", message="The code is wrong; begin again if the app was lost."
                )
            await tx.raw.execute(
                "UPDATE users SET totp_secret = totp_pending, totp_pending = NULL, totp_last_step = $2, "
                "recovery_hashes = $3 WHERE id = $1",
                UUID(user.id),
                step,
                [totp.recovery_hash(code) for code in codes],
            )
        return gateway_pb2.ConfirmTotpResponse(recovery_codes=codes)

    async def DisableTotp(
        self, request: gateway_pb2.DisableTotpRequest, context: Any
    ) -> gateway_pb2.DisableTotpResponse:
        user = await self._with_password(current_principal().actor_id, request.password)
        async with self._database.transaction() as tx:
            await tx.raw.execute(
                "UPDATE users SET totp_secret = NULL, totp_pending = NULL, recovery_hashes = '{}' WHERE id = $1",
                UUID(user.id),
            )
        return gateway_pb2.DisableTotpResponse()
