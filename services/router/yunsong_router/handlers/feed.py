"""Agents' feeds: each entry takes the next revision of its agent's feed, in the transaction of what it tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from yunsong.router.v1 import events_pb2
from yunsong_common.db import Transaction
from yunsong_router import wire
from yunsong_router.domain.model import Agent, Presence, WorkItem
from yunsong_router.domain.promises import Clock
from yunsong_router.repository import agents

OFFERED = events_pb2.FEED_KIND_OFFERED
OFFER_ENDED = events_pb2.FEED_KIND_OFFER_ENDED
ASSIGNED = events_pb2.FEED_KIND_ASSIGNED
UNASSIGNED = events_pb2.FEED_KIND_UNASSIGNED


def about_item(
    agent_id: str, kind: events_pb2.FeedKind.ValueType, item: WorkItem, reason: str
) -> events_pb2.AgentFeedChanged:
    """An entry that tells an agent of a work item."""
    return events_pb2.AgentFeedChanged(
        agent_id=agent_id, kind=kind, work_item=wire.work_item(item), reason=reason
    )


def about_promise(agent_id: str, conversation_id: str, clock: Clock) -> events_pb2.AgentFeedChanged:
    """An entry that tells an agent of a promise that is about to break, or broke."""
    entry = events_pb2.AgentFeedChanged(
        agent_id=agent_id, kind=events_pb2.FEED_KIND_SLA, reason=clock.status.value, sla=wire.sla_state(clock)
    )
    entry.work_item.conversation_id = conversation_id
    return entry


async def write(tx: Transaction, entries: Sequence[events_pb2.AgentFeedChanged]) -> None:
    """Writes entries. Locks the agents: whoever also locks work items does that before."""
    if not entries:
        return
    now = await tx.now()
    revs = await agents.next_feed_revs(tx, Counter(entry.agent_id for entry in entries))
    for entry in entries:
        rev = revs.get(entry.agent_id)
        if rev is None:
            continue  # no agent of ours: a conversation that was given to somebody who never was one
        entry.rev = rev
        revs[entry.agent_id] = rev + 1
        entry.occurred_at.FromDatetime(now)
        tx.emit(entry, rev=rev)


async def agent_changed(
    tx: Transaction, agent_ids: Sequence[str], previous: dict[str, Presence], reason: str
) -> list[Agent]:
    """Tells everyone, and each of them, that these agents changed. Gives them as they are now."""
    occurred_at = wire.timestamp(await tx.now())
    now = await agents.get_many(tx, agent_ids)
    for agent_id in sorted(now):
        agent = now[agent_id]
        before = previous.get(agent_id, agent.presence)
        tx.emit(
            events_pb2.AgentChanged(
                agent=wire.agent(agent), previous_presence=wire.PRESENCES[before], occurred_at=occurred_at
            )
        )
    entries = [
        events_pb2.AgentFeedChanged(
            agent_id=agent_id, kind=events_pb2.FEED_KIND_AGENT, agent=wire.agent(now[agent_id]), reason=reason
        )
        for agent_id in sorted(now)
    ]
    await write(tx, entries)
    return [now[agent_id] for agent_id in sorted(now)]
