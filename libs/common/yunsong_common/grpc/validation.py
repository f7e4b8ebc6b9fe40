"""Field rules of the contract: compiled once per message type, then a few checks per message, every violation at once."""

from __future__ import annotations

from google.protobuf.message import Message

from yunsong_common.errors import Violation


def violations_of(message: Message) -> list[Violation]:
    """Everything that the message's field options refuse, by path. With a non-empty `update_mask`, only what the mask names."""
    raise NotImplementedError


def validate(message: Message) -> None:
    """Raises `InvalidArgument` (INVALID_FIELDS) with every violation."""
    raise NotImplementedError


def clear_output_only(message: Message) -> None:
    """Clears the fields that only the server sets, at every depth; for requests from outside."""
    raise NotImplementedError
