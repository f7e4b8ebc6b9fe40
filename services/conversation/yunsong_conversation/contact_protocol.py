"""Contacts in the words of the contract."""

from __future__ import annotations

from yunsong.conversation.v1 import contact_door_pb2, model_pb2
from yunsong_conversation.domain.contacts import Contact
from yunsong_conversation.protocol import stamp, struct_of


def contact_of(contact: Contact) -> model_pb2.Contact:
    """A contact as staff sees it."""
    return model_pb2.Contact(
        id=contact.id,
        name=contact.name,
        email=contact.email,
        phone=contact.phone,
        avatar_url=contact.avatar_url,
        locale=contact.locale,
        attributes=struct_of(contact.attributes),
        identities=[
            model_pb2.ContactIdentity(
                inbox_id=i.inbox_id,
                external_id=i.external_id,
                verified=i.verified,
                created_at=stamp(i.created_at),
            )
            for i in contact.identities
        ],
        blocked=contact.blocked,
        created_at=stamp(contact.created_at),
        last_seen_at=stamp(contact.last_seen_at),
        rev=contact.rev,
    )


def profile_of(contact: Contact, *, verified: bool, private: bool) -> contact_door_pb2.ContactProfile:
    """What the contact is shown of itself; with `private` no addresses, for a session that has not proved who it is."""
    return contact_door_pb2.ContactProfile(
        contact_id=contact.id,
        name=contact.name,
        email="" if private else contact.email,
        phone="" if private else contact.phone,
        locale=contact.locale,
        verified=verified,
    )
