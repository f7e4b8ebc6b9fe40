"""A contact, how inboxes know it, and who may come in under an identity."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field

from yunsong_common.errors import NotFound, PermissionDenied

# How often a contact's last visit is written down.
SEEN_EVERY = dt.timedelta(minutes=1)
# Line breaks and other controls part words; marks that turn the direction of writing only deceive.
_CONTROLS = re.compile("[\u0001-\u001f\u007f-\u009f\u2028\u2029]+")
_DIRECTIONS = re.compile("[\u0000\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


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
            if name == "name":
                value = clean_name(value)  # noqa: PLW2901
            if value and value != getattr(self, name) and (proved or not getattr(self, name)):
                setattr(self, name, value)
                changed = True
        return changed


def clean_name(name: str) -> str:
    """A contact's name on one line, without characters that would disturb the text around it."""
    return _CONTROLS.sub(" ", _DIRECTIONS.sub("", name)).strip()


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
