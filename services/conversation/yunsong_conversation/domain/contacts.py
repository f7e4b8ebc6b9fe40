"""A contact, how inboxes know it, and who may come in under an identity."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from yunsong_common.errors import NotFound, PermissionDenied

# How often a contact's last visit is written down.
SEEN_EVERY = dt.timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Identity:
    """How an inbox knows a contact."""

    inbox_id: str
    external_id: str
    verified: bool
    created_at: dt.datetime


@dataclass(slots=True)
class Contact:
    """A person who writes in. `attributes` is a JSON object."""

    id: str
    created_at: dt.datetime
    last_seen_at: dt.datetime
    name: str = ""
    email: str = ""
    phone: str = ""
    avatar_url: str = ""
    locale: str = ""
    attributes: str = "{}"
    identities: list[Identity] = field(default_factory=list)
    blocked: bool = False
    rev: int = 1

    def fill(self, values: dict[str, str], *, proved: bool) -> bool:
        """Takes values over where there is none yet, or where they are proved; whether something changed."""
        changed = False
        for name, value in values.items():
            if value and value != getattr(self, name) and (proved or not getattr(self, name)):
                setattr(self, name, value)
                changed = True
        return changed


def check_identity(*, known_verified: bool, claim_verified: bool) -> None:
    """A verified identity is never given to an unverified caller. Raises PERMISSION_DENIED / IDENTITY_VERIFIED."""
    if known_verified and not claim_verified:
        raise PermissionDenied(
            reason="IDENTITY_VERIFIED",
            message="this identity belongs to somebody who has proved it; prove it too to come in",
        )


def blocked_contact() -> PermissionDenied:
    """What a blocked contact gets."""
    return PermissionDenied(reason="CONTACT_BLOCKED", message="this contact is blocked")


def unknown_contact(contact_id: str) -> NotFound:
    """There is no such contact."""
    return NotFound(reason="CONTACT_UNKNOWN", message=f"there is no contact {contact_id}")
