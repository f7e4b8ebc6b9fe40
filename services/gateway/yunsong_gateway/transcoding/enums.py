"""Names of enum values in JSON: lower snake case without the type's prefix.

`ConversationState.CONVERSATION_STATE_QUEUED` is `"queued"` in and out; `Format.TIME_ZONE` is `"time_zone"`.
"""

from __future__ import annotations

import re

from google.protobuf.descriptor import EnumDescriptor

_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake_case(name: str) -> str:
    """`QueueBoard` -> `queue_board`."""
    return _BOUNDARY.sub("_", name).lower()


def json_names(enum: EnumDescriptor) -> dict[int, str]:
    """Number -> JSON name; of aliases the first one counts."""
    prefix = snake_case(enum.name).upper() + "_"
    strip = len(prefix) if all(value.name.startswith(prefix) for value in enum.values) else 0
    names: dict[int, str] = {}
    for value in enum.values:
        names.setdefault(value.number, value.name[strip:].lower())
    return names
