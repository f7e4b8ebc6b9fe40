"""Who may call a method, as the contract says."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf import descriptor_pool

from yunsong.auth.v1 import principal_pb2
from yunsong.options.v1 import options_pb2
from yunsong_common.errors import PermissionDenied, Unauthenticated

_STAFF = principal_pb2.ACTOR_KIND_STAFF
_API_KEY = principal_pb2.ACTOR_KIND_API_KEY
_CONTACT = principal_pb2.ACTOR_KIND_CONTACT
_SERVICE = principal_pb2.ACTOR_KIND_SERVICE
_ANONYMOUS = principal_pb2.ACTOR_KIND_ANONYMOUS


@dataclass(frozen=True, slots=True)
class AccessRule:
    """A method's `access` option. Its parts are alternatives."""

    method: str
    permission: str
    services: frozenset[str]
    staff: bool
    contact: bool
    anonymous: bool

    def check(self, principal: principal_pb2.Principal) -> None:
        """Raises `Unauthenticated` or `PermissionDenied` when no alternative fits."""
        kind = principal.kind
        if self.anonymous:
            return
        if kind == _SERVICE:
            if principal.actor_id in self.services and principal.caller == principal.actor_id:
                return
        elif kind == _STAFF:
            if self.staff or (self.permission and self.permission in principal.permissions):
                return
        elif kind == _API_KEY:
            if self.permission and self.permission in principal.permissions:
                return
        elif kind == _CONTACT and self.contact:
            return
        self._refuse(principal)

    def _refuse(self, principal: principal_pb2.Principal) -> None:
        if principal.kind == _ANONYMOUS:
            raise Unauthenticated(reason="SIGN_IN_REQUIRED", message="sign in to do this")
        if principal.kind in (_STAFF, _API_KEY) and self.permission:
            raise PermissionDenied(
                reason="PERMISSION_MISSING",
                message=f"this needs the permission {self.permission}",
                permission=self.permission,
            )
        raise PermissionDenied(
            reason="CALLER_NOT_ALLOWED",
            message=f"{principal_pb2.ActorKind.Name(principal.kind)} {principal.actor_id} may not call {self.method}",
        )


def rules_of(service: str) -> dict[str, AccessRule]:
    """The rules of a service's methods by method name. Raises `ValueError` that names every method without one."""
    descriptor = descriptor_pool.Default().FindServiceByName(service)
    rules: dict[str, AccessRule] = {}
    open_methods = []
    for method in descriptor.methods:
        access = method.GetOptions().Extensions[options_pb2.access]
        if not (access.permission or access.services or access.staff or access.contact or access.anonymous):
            open_methods.append(f"{service}/{method.name}")
            continue
        rules[method.name] = AccessRule(
            method=f"{service}/{method.name}",
            permission=access.permission,
            services=frozenset(access.services),
            staff=access.staff,
            contact=access.contact,
            anonymous=access.anonymous,
        )
    if open_methods:
        raise ValueError(
            "the contract does not say who may call "
            + ", ".join(open_methods)
            + "; add (yunsong.options.v1.access)"
        )
    return rules
