"""The strategies that come with the router. They have the interface of a plugin."""

from __future__ import annotations

from yunsong_plugin_api import AgentView, Preference, WorkItemView


class LeastLoaded:
    """The smallest share of capacity in use first, then the longest without new work."""

    api_version = "1.0"
    name = "least_loaded"
    depends_on_item = False

    def preference(self, agent: AgentView, item: WorkItemView) -> Preference:
        """Share of capacity, then the time of the last work."""
        del item
        return (agent.load / agent.capacity, agent.last_assigned_at)


class LongestIdle:
    """The longest without a new assignment first."""

    api_version = "1.0"
    name = "longest_idle"
    depends_on_item = False

    def preference(self, agent: AgentView, item: WorkItemView) -> Preference:
        """The time of the last work."""
        del item
        return (agent.last_assigned_at,)


class RoundRobin:
    """One after the other in a fixed order, from the agent after the last one served."""

    api_version = "1.0"
    name = "round_robin"
    depends_on_item = False

    def preference(self, agent: AgentView, item: WorkItemView) -> Preference:
        """The place in the order."""
        del item
        return (agent.turn,)
