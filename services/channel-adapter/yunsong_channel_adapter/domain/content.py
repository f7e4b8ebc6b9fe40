"""The content of an outgoing message as a channel gets it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FILES = ("image", "file", "audio", "video")


def kind_of(content: Mapping[str, Any]) -> str:
    """The kind of a content in its JSON form, {"text": {"text": "..."}}; "unsupported" for an empty one."""
    return next(iter(content), "unsupported")


def file_id_of(content: Mapping[str, Any]) -> str:
    """The stored file that a content holds; empty for other kinds."""
    kind = kind_of(content)
    return str(content[kind].get("file_id", "")) if kind in FILES else ""


def fit(content: Mapping[str, Any], sends: frozenset[str]) -> dict[str, Any] | None:
    """The content as a channel that carries only `sends` can take it; None where it gets nothing at all.

    Lines of the product are dropped where they are not understood: their codes are no sentences for a person.
    """
    kind = kind_of(content)
    if kind in sends:
        return dict(content)
    if kind in ("system", "unsupported"):
        return None
    return {"text": {"text": as_text(content)}}


def as_text(content: Mapping[str, Any]) -> str:
    """The content in words; for channels without cards and buttons."""
    kind = kind_of(content)
    fields: Mapping[str, Any] = content.get(kind, {})
    if kind == "text":
        return str(fields.get("text", ""))
    if kind in FILES:
        name = fields.get("name") or fields.get("media_type") or fields.get("file_id", "")
        return _lines(name, fields.get("url"))
    if kind == "location":
        return _lines(fields.get("label"), f"{fields.get('latitude', 0)}, {fields.get('longitude', 0)}")
    if kind == "card":
        return _lines(fields.get("title"), fields.get("description"), fields.get("url"))
    if kind == "buttons":
        labels = (button.get("label", "") for button in fields.get("buttons", []))
        return _lines(fields.get("text"), *(f"{number}. {label}" for number, label in enumerate(labels, 1)))
    if kind == "form":
        return _lines(
            fields.get("title"), *(f"- {each.get('label', '')}" for each in fields.get("fields", []))
        )
    return ""


def _lines(*parts: object) -> str:
    return "\n".join(str(part) for part in parts if part)
