"""Who is there: leases of gateway processes, what agents say, and what happens to the work of those who are lost.

A lease ends when it is not renewed for the grace. That alone loses nobody: the clock that judges leases stands still while renewals cannot
arrive. It does so when no replica of the router lived for some seconds (its own outage, or the database's), and when all gateways are
silent; after either everybody has a fresh grace. Only when the gateways stay silent longer than any outage should last are agents lost.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from yunsong_common.db import Transaction
from yunsong_common.errors import NotFound
from yunsong_router.domain.model import Agent, ItemState, Presence
from yunsong_router.handlers import feed, transitions
from yunsong_router.handlers.policy import Policy
from yunsong_router.repository import agents, items, triggers, watch

# So many renewals or beats in a row are missing before it counts as an interruption.
_MISSED = 3


async def renew(
    tx: Transaction, gateway_id: str, connections: Mapping[str, int], policy: Policy
) -> dict[str, int]:
    """Renews the leases of one gateway process. Gives the heads of the feeds of the agents it names."""
    now = await tx.now()
    closed = [agent_id for agent_id, count in connections.items() if count == 0]
    open_ = {agent_id: count for agent_id, count in connections.items() if count > 0}
    await agents.renew(tx, gateway_id, open_, now + dt.timedelta(seconds=policy.lease_grace_s))
    appeared = await agents.not_connected(tx, list(open_))
    if appeared:
        await agents.set_connected(tx, appeared, True)
        await feed.agent_changed(tx, appeared, {}, "connected")
        await triggers.raise_for_agents(tx, appeared)
    if closed:
        await agents.end_leases(tx, gateway_id, closed)
        await lose(tx, await agents.without_lease(tx, closed), "signed_out")
    heads = await agents.feed_heads(tx, list(connections))
    await watch.renewed(tx, now, _silence_s(policy), policy.lease_grace_s)
    return heads


async def sweep(tx: Transaction, policy: Policy) -> list[str]:
    """Loses the agents whose last lease ended, unless renewals could not arrive. Gives their ids."""
    now = await tx.now()
    state = await watch.lock(tx)
    grace_until = state.grace_until
    if now - state.beat_at > dt.timedelta(seconds=_silence_s(policy)):
        grace_until = max(grace_until, now + dt.timedelta(seconds=policy.lease_grace_s))
    await watch.beat(tx, now, grace_until)
    silent_for = (now - state.renewed_at).total_seconds()
    if now < grace_until or _silence_s(policy) < silent_for < policy.outage_limit_s:
        return []
    await agents.expire_leases(tx, now)
    lost = await agents.without_lease(tx)
    await lose(tx, lost, "lost")
    return lost


async def lose(tx: Transaction, agent_ids: Sequence[str], reason: str) -> None:
    """These agents are gone: offers wait again, and what they hold goes back to the head of its queue."""
    if not agent_ids:
        return
    entries, queue_ids = [], set()
    for item in await items.lock_held_by(tx, agent_ids):
        if item.state is ItemState.OFFERED:
            ended, _ = await transitions.wait_again(tx, item, reason, pause_s=0)
            entries += ended
            queue_ids.add(item.queue_id)
        elif item.state is ItemState.ASSIGNED and not item.moving:
            # The conversation moves first; its event then takes the item from the agent.
            await transitions.ask_move(tx, item, "queued", "agent_lost")
            await items.save(tx, item)
    before = {agent.id: agent.presence for agent in (await agents.get_many(tx, agent_ids)).values()}
    await agents.set_connected(tx, agent_ids, False)
    await agents.set_presence(tx, agent_ids, Presence.OFFLINE, reason, await tx.now())
    await feed.write(tx, entries)
    await feed.agent_changed(tx, agent_ids, before, reason)
    await triggers.raise_for_queues(tx, queue_ids)


async def say(tx: Transaction, agent_id: str, presence: Presence, reason: str) -> Agent:
    """What an agent says of being there. Work that is held stays; offers go on to others when the agent takes none."""
    entries, queue_ids = [], set()
    if presence is not Presence.ONLINE:
        for item in await items.lock_held_by(tx, [agent_id]):
            if item.state is ItemState.OFFERED:
                ended, _ = await transitions.wait_again(tx, item, "presence", pause_s=0)
                entries += ended
                queue_ids.add(item.queue_id)
    known = await agents.lock(tx, agent_id)
    if known is None:
        raise NotFound(
            reason="AGENT_UNKNOWN", message=f"{agent_id} is no agent; an administrator can make it one"
        )
    await agents.set_presence(tx, [agent_id], presence, reason, await tx.now())
    await feed.write(tx, entries)
    now = (await feed.agent_changed(tx, [agent_id], {agent_id: known.presence}, "presence"))[0]
    if now.takes_work:
        await triggers.raise_for_agents(tx, [agent_id])
    await triggers.raise_for_queues(tx, queue_ids)
    return now


def _silence_s(policy: Policy) -> float:
    return _MISSED * policy.lease_renew_s
