"""Which messages hold a file."""

from __future__ import annotations

from yunsong_common.db import Transaction
from yunsong_conversation.domain.access import Viewer

# As the index `messages_file` has it, to the letter.
_FILE = (
    "lower(encode(substring(m.content FROM position('\\x0a24'::bytea IN m.content) + 2 FOR 36), 'escape'))"
)
HOLDING = (
    "FROM messages m JOIN conversations c ON c.id = m.conversation_id "
    f"WHERE {_FILE} = lower($1) AND m.kind IN ('image', 'file', 'audio', 'video') AND m.content IS NOT NULL "
)


async def contact_sees(tx: Transaction, file_id: str, contact_id: str, inbox_id: str) -> bool:
    """Whether a message that holds the file is public in a conversation that the contact has on the inbox."""
    found = await tx.raw.fetchval(
        f"SELECT 1 {HOLDING} AND m.public_rev > 0 AND c.contact_id = $2 AND c.inbox_id = $3 LIMIT 1",
        file_id, contact_id, inbox_id,
    )  # fmt: skip
    return found is not None


async def viewer_sees(tx: Transaction, file_id: str, viewer: Viewer) -> bool:
    """Whether a message that holds the file is in a conversation that the viewer may see; its queues must be known."""
    if viewer.sees_all:
        return await tx.raw.fetchval(f"SELECT 1 {HOLDING} LIMIT 1", file_id) is not None
    found = await tx.raw.fetchval(
        f"SELECT 1 {HOLDING} AND (c.assignee_id = $2 OR c.participant_ids @> ARRAY[$2::uuid] "
        "OR c.mentioned_ids @> ARRAY[$2::uuid] OR (c.state IN (2, 3) AND c.queue_id = ANY($3::uuid[]))) LIMIT 1",
        file_id, viewer.actor.id, sorted(viewer.queue_ids),
    )  # fmt: skip
    return found is not None
