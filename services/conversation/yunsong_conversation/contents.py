"""What a message's content says: its kind, its text for search and preview, and whether it can be stored."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable

from google.protobuf.json_format import MessageToJson

from yunsong.conversation.v1 import message_pb2
from yunsong_common.errors import InvalidArgument, Violation
from yunsong_conversation.domain.messages import PREVIEW_LENGTH

_BLANK = " \t\r\n　"


def checked_kind(content: message_pb2.Content, *, system: bool = False) -> str:
    """The kind of content, such as "text". Raises INVALID_ARGUMENT / CONTENT_EMPTY, CONTENT_INVALID, CONTENT_SYSTEM."""
    kind = content.WhichOneof("kind")
    if kind is None:
        raise InvalidArgument(reason="CONTENT_EMPTY", message="the message has no content")
    if kind == "system" and not system:
        raise InvalidArgument(reason="CONTENT_SYSTEM", message="only the product writes system lines")
    if kind == "text" and not content.text.text.strip(_BLANK):
        raise InvalidArgument(reason="CONTENT_EMPTY", message="the message's text is empty")
    if kind == "location":
        _check_location(content.location)
    if kind == "form":
        _check_form(content.form)
    return str(kind)


def _check_location(location: message_pb2.LocationContent) -> None:
    missing = [name for name in ("latitude", "longitude") if not location.HasField(name)]
    if missing:
        raise InvalidArgument(
            reason="CONTENT_INVALID",
            message=f"a location needs {' and '.join(missing)}",
            violations=[
                Violation(f"content.location.{name}", "must be given", "REQUIRED") for name in missing
            ],
        )


def _check_form(form: message_pb2.FormContent) -> None:
    counts = Counter(field.name for field in form.fields)
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        raise InvalidArgument(
            reason="CONTENT_INVALID",
            message=f"form fields need different names; {', '.join(repeated)} comes more than once",
            violations=[
                Violation(f"content.form.fields[{place}].name", "is used by another field", "DUPLICATE")
                for place, field in enumerate(form.fields)
                if field.name in repeated
            ],
        )


def serialised(content: message_pb2.Content) -> bytes:
    """The bytes to store; the same content always gives the same. Raises INVALID_ARGUMENT / CONTENT_INVALID for NUL."""
    stored = content.SerializeToString(deterministic=True)
    # A NUL byte is also part of a length or a number, so only a suspicion is looked into.
    if b"\0" in stored and "\\u0000" in MessageToJson(content, ensure_ascii=True):
        raise InvalidArgument(reason="CONTENT_INVALID", message="a text cannot hold the character U+0000")
    return stored


def text_of(content: message_pb2.Content) -> str:
    """Everything in it that a person reads, for search."""
    return "\n".join(piece for piece in _texts(content) if piece)


def preview_of(kind: str, content: message_pb2.Content) -> str:
    """One line of it for lists, at most 200 characters. Kinds without words give an empty text; clients show the kind."""
    line = next((piece for piece in _texts(content) if piece.strip(_BLANK)), "") if kind != "system" else ""
    return " ".join(line.split())[:PREVIEW_LENGTH]


def digest_of(stored: bytes, *parts: str | bool | Iterable[str]) -> bytes:
    """Sixteen bytes that tell two entries apart."""
    digest = hashlib.blake2b(stored, digest_size=16)
    for part in parts:
        text = part if isinstance(part, str) else str(part) if isinstance(part, bool) else ",".join(part)
        digest.update(b"\0" + text.encode())
    return digest.digest()


def text_content(text: str) -> message_pb2.Content:
    """Plain text."""
    return message_pb2.Content(text=message_pb2.TextContent(text=text))


def system_content(code: str, **params: str) -> message_pb2.Content:
    """A line of the product."""
    return message_pb2.Content(system=message_pb2.SystemContent(code=code, params=params))


_WORDS: dict[str, Callable[[message_pb2.Content], list[str]]] = {
    "text": lambda c: [c.text.text],
    "image": lambda c: [c.image.name],
    "file": lambda c: [c.file.name],
    "audio": lambda c: [c.audio.name],
    "video": lambda c: [c.video.name],
    "location": lambda c: [c.location.label],
    "card": lambda c: [c.card.title, c.card.description],
    "buttons": lambda c: [c.buttons.text, *(button.label for button in c.buttons.buttons)],
    "form": lambda c: [
        c.form.title,
        *(field.label for field in c.form.fields),
        *_values(c.form.answers.values()),
    ],
}


def _texts(content: message_pb2.Content) -> list[str]:
    words = _WORDS.get(content.WhichOneof("kind") or "")
    return words(content) if words else []


def _values(values: Iterable[object]) -> list[str]:
    return [value for value in values if isinstance(value, str)]
