"""What a user's client keeps for itself, such as the theme: any JSON object of a bounded size."""

from __future__ import annotations

from uuid import UUID

import orjson
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from yunsong_common.db import Transaction
from yunsong_common.errors import InvalidArgument, NotFound, Violation

MAX_BYTES = 16_000


def to_json(preferences: Struct) -> str:
    """As it is stored. Raises InvalidArgument when it is no JSON or larger than MAX_BYTES."""
    try:
        text = orjson.dumps(json_format.MessageToDict(preferences)).decode()
    except (json_format.SerializeToJsonError, TypeError, ValueError) as error:
        raise _refused("INVALID_VALUE", "holds what JSON cannot say, such as NaN") from error
    if len(text.encode()) > MAX_BYTES:
        raise _refused("TOO_LONG", f"takes {len(text.encode())} bytes as JSON; at most {MAX_BYTES} are kept")
    return text


async def of(tx: Transaction, user_id: str) -> Struct:
    """Raises NotFound / USER_UNKNOWN."""
    text = await tx.raw.fetchval("SELECT preferences::text FROM users WHERE id = $1", UUID(user_id))
    if text is None:
        raise NotFound(reason="USER_UNKNOWN", message=f"There is no user {user_id}.", user_id=user_id)
    return json_format.ParseDict(orjson.loads(text), Struct())


async def put(tx: Transaction, user_id: str, text: str) -> None:
    """Replaces what was kept by what `to_json` made."""
    await tx.raw.execute("UPDATE users SET preferences = $2::json WHERE id = $1", UUID(user_id), text)


def _refused(reason: str, description: str) -> InvalidArgument:
    return InvalidArgument(
        reason="INVALID_REQUEST",
        message=f"preferences: {description}",
        violations=[Violation("preferences", description, reason)],
    )
