"""What an assignment changes once it is accepted, for many at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from yunsong_common.db import Transaction
from yunsong_router.domain.model import WorkItem


async def save_assigned(tx: Transaction, items: Sequence[WorkItem], now: dt.datetime) -> None:
    """Writes items that agents have now, remembers the contacts' last agents, and drops the intents that are answered."""
    ids = [item.id for item in items]
    holders = [item.agent_id for item in items]
    await tx.raw.execute(
        "UPDATE work_items w SET state = 'assigned', agent_id = n.agent_id, next_agent_id = NULL, assigned_at = $4, moving = false, "
        "conversation_rev = n.rev, required_agent_id = NULL, preferred_agent_id = NULL, prefer_until = NULL, due_at = NULL, "
        "at_head = false, offer_expires_at = NULL, updated_at = clock_timestamp() "
        "FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS n(id, agent_id, rev) WHERE w.id = n.id",
        ids, holders, [item.conversation_rev for item in items], now,
    )  # fmt: skip
    await tx.raw.execute(
        "UPDATE promises p SET agent_id = n.agent_id, running = true "
        "FROM unnest($1::uuid[], $2::uuid[]) AS n(conversation_id, agent_id) WHERE p.conversation_id = n.conversation_id",
        [item.conversation_id for item in items], holders,
    )  # fmt: skip
    contacts = {item.contact_id: item.agent_id for item in items if item.contact_id}
    await tx.raw.execute(
        "INSERT INTO last_agents (contact_id, agent_id, at) SELECT n.contact_id, n.agent_id, $3 "
        "FROM unnest($1::text[], $2::uuid[]) AS n(contact_id, agent_id) ORDER BY 1 "
        "ON CONFLICT (contact_id) DO UPDATE SET agent_id = excluded.agent_id, at = excluded.at",
        list(contacts), list(contacts.values()), now,
    )  # fmt: skip
    await tx.raw.execute("DELETE FROM commands WHERE work_item_id = ANY($1)", ids)
    await tx.raw.execute("DELETE FROM exclusions WHERE work_item_id = ANY($1)", ids)
