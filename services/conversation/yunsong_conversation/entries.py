"""From the contract's entries to what `append` takes: who sends, checked content, everything serialised once."""

from __future__ import annotations

from collections import OrderedDict
from uuid import UUID

from google.protobuf.struct_pb2 import Struct

from yunsong.auth.v1 import principal_pb2
from yunsong.conversation.v1 import contact_door_pb2, conversation_pb2, internal_pb2, message_pb2
from yunsong_common.errors import InvalidArgument, PermissionDenied, Unauthenticated
from yunsong_common.grpc.principal import Verifier
from yunsong_common.telemetry import current_traceparent, is_traceparent
from yunsong_conversation import contents
from yunsong_conversation.domain.access import Viewer
from yunsong_conversation.domain.contacts import clean_name
from yunsong_conversation.domain.messages import SYSTEM, Actor, AuthorKind, Visibility
from yunsong_conversation.domain.states import State
from yunsong_conversation.handlers.entry import Entry, Sender
from yunsong_conversation.protocol import time_of
from yunsong_conversation.segmentation import index_terms

_KINDS = {
    principal_pb2.ACTOR_KIND_STAFF: AuthorKind.AGENT,
    principal_pb2.ACTOR_KIND_API_KEY: AuthorKind.API,
}
_CACHE = 10_000
WRITE = "conversation.write"


def viewer_of(principal: principal_pb2.Principal) -> Viewer:
    """Staff, an API key or a service as it looks at conversations. Raises PERMISSION_DENIED / NOT_STAFF for anyone else."""
    if principal.kind == principal_pb2.ACTOR_KIND_SERVICE:
        kind = AuthorKind.BOT if principal.actor_id == "bot" else AuthorKind.SYSTEM
        return Viewer(Actor(kind), service=True)
    if principal.kind not in _KINDS:
        raise PermissionDenied(reason="NOT_STAFF", message="only staff and API keys can do this")
    actor = Actor(_KINDS[principal.kind], principal.actor_id, principal.display_name)
    return Viewer(actor, frozenset(principal.permissions))


class Entries:
    """Makes entries; remembers the senders of tokens, which callers reuse for some seconds."""

    def __init__(self, release_key: str) -> None:
        self._verifier = Verifier(release_key)
        self._senders: OrderedDict[str, Sender] = OrderedDict()

    def appended(self, entry: internal_pb2.AppendEntry, caller: str) -> Entry:
        """An entry of AppendMessages. `caller` is the service that calls."""
        if entry.conversation_id and not _is_uuid(entry.conversation_id):
            raise InvalidArgument(reason="CONVERSATION_INVALID", message="conversation_id is no UUID")
        if entry.principal:
            sender, system = self._on_behalf(entry.principal), False
        else:
            sender = _service(entry, caller)
            system = sender.actor.kind == AuthorKind.SYSTEM
        if not entry.conversation_id and not sender.is_contact:
            raise InvalidArgument(
                reason="CONVERSATION_MISSING", message="only a contact's entry can do without a conversation"
            )
        made = _entry(
            sender,
            entry.content,
            entry.client_id,
            visibility=_visibility(entry.visibility, whisper=entry.whisper),
            reply_to=entry.reply_to_message_id,
            mentions=list(entry.mention_user_ids),
            whisper=entry.whisper,
            system=system,
        )
        made.conversation_id = entry.conversation_id
        if is_traceparent(entry.traceparent):
            made.traceparent = entry.traceparent
        if sender.is_contact and made.visibility != Visibility.PUBLIC:
            raise PermissionDenied(reason="NOT_STAFF", message="a contact cannot write notes")
        if not entry.principal:
            made.expected_state = State(entry.expected_state) if entry.expected_state else None
            made.metadata = entry.metadata.SerializeToString() if entry.HasField("metadata") else None
        return made

    def sent(self, request: conversation_pb2.SendMessageRequest, principal: principal_pb2.Principal) -> Entry:
        """A message of staff."""
        entry = _entry(
            _staff(principal),
            request.content,
            request.client_id,
            visibility=_visibility(request.visibility, whisper=request.whisper),
            reply_to=request.reply_to_message_id,
            mentions=list(request.mention_user_ids),
            whisper=request.whisper,
        )
        entry.conversation_id = request.conversation_id
        return entry

    def sent_by_contact(
        self, request: contact_door_pb2.SendMyMessageRequest, principal: principal_pb2.Principal
    ) -> Entry:
        """A message of the contact that calls."""
        return _entry(
            _contact(principal), request.content, request.client_id, reply_to=request.reply_to_message_id
        )

    def inbound(self, entry: internal_pb2.InboundEntry) -> Entry:
        """A message from an outside channel."""
        sender = Sender(
            Actor(AuthorKind.CONTACT, name=clean_name(entry.contact_name)),
            inbox_id=entry.inbox_id,
            verified=entry.verified,
            identity=_plain(entry.identity, "identity"),
            contact_name=clean_name(_plain(entry.contact_name, "contact_name")),
            locale=_plain(entry.locale, "locale"),
        )
        made = _entry(sender, entry.content, "")
        made.external_id = _plain(entry.external_id, "external_id")
        # The same words of somebody else are another message.
        made.digest = contents.digest_of(made.digest, sender.identity)
        if (sent_at := time_of(entry, "sent_at")) is not None:
            metadata = Struct()
            metadata.update({"sent_at": sent_at.isoformat()})
            made.metadata = metadata.SerializeToString()
        return made

    def _on_behalf(self, token: str) -> Sender:
        principal = self._verifier.verify(token)
        sender = self._senders.get(token)
        if sender is None:
            sender = self._senders[token] = self._sender(principal)
            if len(self._senders) > _CACHE:
                self._senders.popitem(last=False)
        return sender

    def _sender(self, principal: principal_pb2.Principal) -> Sender:
        if principal.kind == principal_pb2.ACTOR_KIND_CONTACT:
            return _contact(principal)
        if principal.kind == principal_pb2.ACTOR_KIND_SERVICE:
            raise Unauthenticated(
                reason="PRINCIPAL_INVALID",
                message="a service writes on its own behalf by leaving principal empty",
            )
        sender = _staff(principal)
        if WRITE not in principal.permissions:
            raise PermissionDenied(
                reason="PERMISSION_MISSING", message=f"writing needs the permission {WRITE}"
            )
        return sender


def _contact(principal: principal_pb2.Principal) -> Sender:
    return Sender(
        Actor(AuthorKind.CONTACT, principal.actor_id, clean_name(principal.display_name)),
        contact_id=principal.actor_id,
        inbox_id=principal.inbox_id,
        verified=principal.verified,
    )


def _staff(principal: principal_pb2.Principal) -> Sender:
    viewer = viewer_of(principal)
    return Sender(viewer.actor, viewer=viewer)


def _service(entry: internal_pb2.AppendEntry, caller: str) -> Sender:
    kind = (
        AuthorKind(entry.author_kind)
        if entry.author_kind
        else AuthorKind.BOT
        if caller == "bot"
        else AuthorKind.SYSTEM
    )
    if kind not in (AuthorKind.BOT, AuthorKind.SYSTEM) or (kind == AuthorKind.BOT and caller != "bot"):
        raise PermissionDenied(reason="AUTHOR_REFUSED", message=f"{caller} cannot write as {kind.name}")
    return Sender(SYSTEM if kind == AuthorKind.SYSTEM else Actor(AuthorKind.BOT))


def _entry(
    sender: Sender,
    content: message_pb2.Content,
    client_id: str,
    *,
    visibility: Visibility = Visibility.PUBLIC,
    reply_to: str = "",
    mentions: list[str] | None = None,
    whisper: bool = False,
    system: bool = False,
) -> Entry:
    kind = contents.checked_kind(content, system=system)
    stored = contents.serialised(content)
    mentions = list(dict.fromkeys(mentions or ()))
    if mentions and visibility == Visibility.PUBLIC:
        raise InvalidArgument(reason="MENTIONS_NEED_NOTE", message="only a note can mention members of staff")
    return Entry(
        sender=sender,
        content=content,
        stored=stored,
        kind=kind,
        preview=contents.preview_of(kind, content),
        terms=index_terms(contents.text_of(content)) if kind != "system" else [],
        digest=contents.digest_of(stored, str(int(visibility)), reply_to, mentions, whisper),
        client_id=_plain(client_id, "client_id"),
        visibility=visibility,
        reply_to=reply_to,
        mentions=mentions,
        whisper=whisper,
        traceparent=current_traceparent(),
    )


def _visibility(value: int, *, whisper: bool) -> Visibility:
    return Visibility.INTERNAL if whisper else Visibility(value or Visibility.PUBLIC)


def _plain(text: str, field: str) -> str:
    if "\0" in text:
        raise InvalidArgument(reason="TEXT_INVALID", message=f"{field} cannot hold the character U+0000")
    return text


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


__all__ = ["Entries", "viewer_of"]
