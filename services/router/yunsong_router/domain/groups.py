"""Which queues are planned together, and where overflow leads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def routing_groups(queue_ids: Iterable[str], members: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Queue id to group id: queues that share agents, directly or through others, form one group.

    `members` are pairs of queue and agent. A group bears the smallest id of its queues.
    """
    parent = {queue_id: queue_id for queue_id in queue_ids}

    def root(queue_id: str) -> str:
        while parent[queue_id] != queue_id:
            parent[queue_id] = parent[parent[queue_id]]
            queue_id = parent[queue_id]
        return queue_id

    first_queue_of: dict[str, str] = {}
    for queue_id, agent_id in members:
        one, other = root(queue_id), root(first_queue_of.setdefault(agent_id, queue_id))
        if one != other:
            parent[max(one, other)] = min(one, other)
    return {queue_id: root(queue_id) for queue_id in parent}


def overflow_cycle(queue_id: str, overflow: Mapping[str, str | None]) -> list[str]:
    """The way of overflow from a queue back to one it already passed; empty when it ends somewhere."""
    way = [queue_id]
    following = overflow.get(queue_id)
    while following is not None:
        if following in way:
            return [*way, following]
        way.append(following)
        following = overflow.get(following)
    return []
