"""From a channel's normalised message to the contract's content."""

from __future__ import annotations

from google.protobuf.json_format import ParseDict, ParseError

from yunsong.conversation.v1 import message_pb2
from yunsong_common.errors import InvalidArgument
from yunsong_plugin_api import Attachment, InboundMessage

_MAX_TEXT = 10_000
_PASSED_ON = frozenset({"location", "card", "buttons", "form"})


def content_of(item: InboundMessage) -> message_pb2.Content:
    """The content. A file that the outside system keeps becomes a card that links to it.

    Raises `InvalidArgument` (CONTENT_REFUSED) for a kind whose details do not fit.
    """
    if item.kind in _PASSED_ON:
        try:
            return ParseDict(
                {item.kind: dict(item.details)}, message_pb2.Content(), ignore_unknown_fields=True
            )
        except ParseError as error:
            raise InvalidArgument(
                reason="CONTENT_REFUSED", message=f"the {item.kind} cannot be read: {error}"
            ) from error
    if item.attachment is not None:
        return message_pb2.Content(card=_card(item.attachment, item.text))
    # A person must see that something came, also where it cannot be shown.
    text = item.text or f"[{item.kind}]"
    return message_pb2.Content(text=message_pb2.TextContent(text=text[:_MAX_TEXT]))


def _card(attachment: Attachment, text: str) -> message_pb2.CardContent:
    name = attachment.name or attachment.mime_type or attachment.url
    return message_pb2.CardContent(title=name[:200], description=text[:1000], url=attachment.url[:2000])
