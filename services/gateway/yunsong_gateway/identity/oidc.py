"""Sign-in through an OpenID Connect provider: authorization code with PKCE (RFC 7636), bound to the browser by a cookie."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import time
from typing import Any
from urllib.parse import parse_qs, urlencode

import httpx
import jwt
import orjson
from authlib.oauth2.rfc6749.parameters import (  # type: ignore[import-untyped]
    prepare_grant_uri,
    prepare_token_request,
)
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]

from yunsong.gateway.v1 import events_pb2
from yunsong_common.db import Database, Transaction
from yunsong_common.errors import Internal, NotFound, PermissionDenied, Unauthenticated, Unavailable
from yunsong_gateway.grpc_api.users import user_message
from yunsong_gateway.http import Request, Response
from yunsong_gateway.identity import accounts, sessions
from yunsong_gateway.identity.vault import Vault
from yunsong_gateway.settings import GatewaySettings

PREFIX = "/api/v1/oidc/"
START_PATH = f"{PREFIX}start"
_COOKIE = "yunsong_oidc"
_STATE_S = 600
_TIMEOUT_S = 10.0
_ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "PS256", "EdDSA"]


class Oidc:
    """GET /api/v1/oidc/start sends the browser to the provider, /api/v1/oidc/callback takes it back."""

    def __init__(self, settings: GatewaySettings, database: Database, vault: Vault) -> None:
        self._settings = settings
        self._database = database
        self._vault = vault
        self._provider: dict[str, Any] | None = None

    @property
    def enabled(self) -> bool:
        return bool(self._settings.oidc_issuer)

    async def handle(self, request: Request) -> Response:
        if not self.enabled:
            raise NotFound(reason="OIDC_OFF", message="Sign-in through a provider is not configured.")
        name = request.path.removeprefix(PREFIX)
        if request.method == "GET" and name == "start":
            return await self._start(request)
        if request.method == "GET" and name == "callback":
            return await self._callback(request)
        raise NotFound(reason="ROUTE_UNKNOWN", message=f"There is no operation at {request.path[:200]}.")

    @property
    def _redirect_uri(self) -> str:
        return f"{self._settings.public_url.rstrip('/')}{PREFIX}callback"

    async def _exchange(
        self, provider: dict[str, Any], code: str, verifier: str
    ) -> tuple[str, dict[str, Any]]:
        """The id token for a code, and the provider's keys."""
        body = prepare_token_request(
            "authorization_code", redirect_uri=self._redirect_uri, code=code, code_verifier=verifier
        )
        secret = self._settings.oidc_client_secret.get_secret_value()
        auth = httpx.BasicAuth(self._settings.oidc_client_id, secret) if secret else httpx.Auth()
        if not secret:
            body += "&" + urlencode({"client_id": self._settings.oidc_client_id})
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
                answer = await client.post(
                    provider["token_endpoint"],
                    content=body,
                    headers={"content-type": "application/x-www-form-urlencoded"},
                    auth=auth,
                )
                answer.raise_for_status()
                keys = await client.get(provider["jwks_uri"])
                keys.raise_for_status()
                return str(answer.json()["id_token"]), dict(keys.json())
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise Unavailable(
                reason="OIDC_PROVIDER_UNAVAILABLE",
                message="The provider did not complete the sign-in; try again.",
            ) from error

    async def _start(self, request: Request) -> Response:
        provider = await self._metadata()
        nonce, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
        return_to = parse_qs(request.query_string).get("return_to", ["/"])[0]
        state = self._vault.lock(
            orjson.dumps(
                {
                    "nonce": nonce,
                    "verifier": verifier,
                    "return_to": return_to if _is_local(return_to) else "/",
                    "until": time.time() + _STATE_S,
                }
            ).decode()
        ).decode()
        url = prepare_grant_uri(
            provider["authorization_endpoint"],
            client_id=self._settings.oidc_client_id,
            response_type="code",
            redirect_uri=self._redirect_uri,
            scope="openid profile email",
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        secure = "; Secure" if self._settings.is_https else ""
        cookie = (
            f"{_COOKIE}={_digest(state)}; Path={PREFIX}; Max-Age={_STATE_S}; HttpOnly; SameSite=Lax{secure}"
        )
        return Response(302, headers=[("location", url), ("set-cookie", cookie)])

    async def _callback(self, request: Request) -> Response:
        query = {name: values[0] for name, values in parse_qs(request.query_string).items()}
        state = self._state(request, query.get("state", ""))
        if "code" not in query:
            raise Unauthenticated(reason="OIDC_REFUSED", message="The provider did not sign the user in.")
        provider = await self._metadata()
        token, keys = await self._exchange(provider, query["code"], state["verifier"])
        claims = self._claims(token, keys, state["nonce"])
        refresh_token = await self._sign_in(claims, request)
        # The fragment never reaches a server; the page exchanges it at once, and it works once.
        target = f"{state['return_to']}#{urlencode({'refresh_token': refresh_token})}"
        gone = f"{_COOKIE}=; Path={PREFIX}; Max-Age=0; HttpOnly; SameSite=Lax"
        return Response(302, headers=[("location", target), ("set-cookie", gone)])

    def _state(self, request: Request, text: str) -> dict[str, Any]:
        cookies = dict(
            part.strip().partition("=")[::2] for part in request.headers.get("cookie", "").split(";")
        )
        wrong = Unauthenticated(
            reason="OIDC_STATE_INVALID", message="The sign-in was begun elsewhere or too long ago."
        )
        if not text or not secrets.compare_digest(cookies.get(_COOKIE, "").encode(), _digest(text).encode()):
            raise wrong
        try:
            state: dict[str, Any] = orjson.loads(self._vault.unlock(text.encode()))
        except Internal as error:
            raise wrong from error
        if state["until"] < time.time():
            raise wrong
        return state

    def _claims(self, token: str, keys: dict[str, Any], nonce: str) -> dict[str, Any]:
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            known = jwt.PyJWKSet.from_dict(keys).keys
            key = next((one for one in known if kid is None or one.key_id == kid), None)
            if key is None:
                raise jwt.InvalidKeyError("the token's key is not the provider's")
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                _ALGORITHMS,
                audience=self._settings.oidc_client_id,
                issuer=self._settings.oidc_issuer.rstrip("/"),
                leeway=30,
                options={"require": ["exp", "iat", "sub"], "verify_iss": False},
            )
        except jwt.PyJWTError as error:
            raise Unauthenticated(
                reason="OIDC_TOKEN_INVALID", message="The provider's token is not valid."
            ) from error
        issuer = str(claims.get("iss", "")).rstrip("/")
        if issuer != self._settings.oidc_issuer.rstrip("/") or claims.get("nonce") != nonce:
            raise Unauthenticated(
                reason="OIDC_TOKEN_INVALID", message="The provider's token is not for this sign-in."
            )
        return claims

    async def _sign_in(self, claims: dict[str, Any], request: Request) -> str:
        subject = f"{self._settings.oidc_issuer.rstrip('/')}|{claims['sub']}"

        async def work(tx: Transaction) -> str:
            user = await accounts.find_by_subject(tx, subject)
            if user is None:
                user = await self._new_user(tx, subject, claims)
            if not user.enabled:
                raise PermissionDenied(reason="USER_DISABLED", message="The user may not sign in.")
            _, refresh_token = await sessions.begin(
                tx,
                user.id,
                client_address=request.client_address,
                user_agent=request.headers.get("user-agent", ""),
                lifetime=dt.timedelta(seconds=self._settings.session_s),
            )
            return refresh_token

        return await self._database.run(work)

    async def _new_user(self, tx: Transaction, subject: str, claims: dict[str, Any]) -> accounts.User:
        roles = self._settings.oidc_new_user_roles
        if not roles:
            raise PermissionDenied(
                reason="USER_UNKNOWN", message="No user of this installation belongs to this sign-in."
            )
        wanted = str(claims.get("preferred_username") or claims.get("email") or claims["sub"])[:60]
        if await accounts.find_by_name(tx, wanted):
            # A name at the provider is no proof of being the user of that name here.
            wanted = f"{wanted[:50]}-{secrets.token_hex(4)}"
        user = await accounts.create(
            tx,
            username=wanted,
            display_name=str(claims.get("name") or wanted)[:100],
            email=str(claims.get("email", ""))[:254] if claims.get("email_verified") else "",
            role_names=roles,
            oidc_subject=subject,
        )
        tx.emit(events_pb2.UserChanged(user=user_message(user)))
        return user

    async def _metadata(self) -> dict[str, Any]:
        if self._provider is None:
            url = f"{self._settings.oidc_issuer.rstrip('/')}/.well-known/openid-configuration"
            try:
                async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
                    answer = await client.get(url)
                    answer.raise_for_status()
                    self._provider = dict(answer.json())
            except (httpx.HTTPError, ValueError) as error:
                raise Unavailable(
                    reason="OIDC_PROVIDER_UNAVAILABLE", message="The provider did not answer; try again."
                ) from error
        return self._provider


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()


def _is_local(path: str) -> bool:
    """A path on this host; "//host" and "/\\host" lead elsewhere."""
    return (
        path.startswith("/") and not path.startswith(("//", "/\\")) and "\n" not in path and "\r" not in path
    )
