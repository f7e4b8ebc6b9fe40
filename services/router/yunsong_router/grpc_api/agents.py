"""`AgentService`."""

from __future__ import annotations

from dataclasses import dataclass

from yunsong.auth.v1 import principal_pb2
from yunsong.router.v1 import events_pb2, model_pb2, router_pb2, router_pb2_grpc
from yunsong_common.bus import route_of
from yunsong_common.db import Database, Transaction
from yunsong_common.errors import InvalidArgument, NotFound, Violation
from yunsong_common.grpc import current_principal
from yunsong_common.outbox import read_changes
from yunsong_router import wire
from yunsong_router.domain.model import Agent
from yunsong_router.grpc_api import parsing
from yunsong_router.handlers import configuring, presence
from yunsong_router.handlers.policy import Policy
from yunsong_router.neighbours import Neighbours
from yunsong_router.repository import agents, items, queues, reasons

_FEED_PAGE = 200
_FEED_ENTRY = route_of(events_pb2.AgentFeedChanged).name


@dataclass
class AgentService(router_pb2_grpc.AgentServiceServicer):
    """Agents: capacity, skills, presence, feed."""

    database: Database
    policy: Policy
    neighbours: Neighbours

    async def ListAgents(
        self, request: router_pb2.ListAgentsRequest, context: object
    ) -> router_pb2.ListAgentsResponse:
        """Agents by name."""
        size = request.page_size or parsing.DEFAULT_PAGE
        key = parsing.page_key(request.page_token, 2)
        async with self.database.read() as tx:
            found = await agents.page(
                tx, (key[0], key[1]) if key else None, size + 1, request.queue_id or None
            )
        token = parsing.page_token(found[size - 1].name, found[size - 1].id) if len(found) > size else ""
        return router_pb2.ListAgentsResponse(agents=map(wire.agent, found[:size]), next_page_token=token)

    async def GetAgent(self, request: router_pb2.GetAgentRequest, context: object) -> model_pb2.Agent:
        """One agent."""
        async with self.database.read() as tx:
            return wire.agent(await _known(tx, request.agent_id))

    async def ConfigureAgent(
        self, request: router_pb2.ConfigureAgentRequest, context: object
    ) -> model_pb2.Agent:
        """Creates or changes an agent."""
        users_name = await self._name_of_new(request.agent_id)
        name = request.name if request.HasField("name") else users_name
        changed = await self.database.run(
            lambda tx: configuring.configure_agent(
                tx,
                request.agent_id,
                name=name,
                capacity=request.capacity if request.HasField("capacity") else None,
                skills=dict(request.skills.levels) if request.HasField("skills") else None,
                enabled=request.enabled if request.HasField("enabled") else None,
            )
        )
        return wire.agent(changed)

    async def ListSkills(
        self, request: router_pb2.ListSkillsRequest, context: object
    ) -> router_pb2.ListSkillsResponse:
        """All skills."""
        async with self.database.read() as tx:
            found = await queues.skills(tx)
        return router_pb2.ListSkillsResponse(
            skills=[model_pb2.Skill(name=name, description=description) for name, description in found]
        )

    async def SetSkill(self, request: router_pb2.SetSkillRequest, context: object) -> model_pb2.Skill:
        """Creates or changes a skill."""
        await self.database.run(lambda tx: queues.set_skill(tx, request.name, request.description))
        return model_pb2.Skill(name=request.name, description=request.description)

    async def DeleteSkill(
        self, request: router_pb2.DeleteSkillRequest, context: object
    ) -> router_pb2.DeleteSkillResponse:
        """Deletes a skill."""
        await self.database.run(lambda tx: configuring.delete_skill(tx, request.name))
        return router_pb2.DeleteSkillResponse()

    async def GetChannelWeights(
        self, request: router_pb2.GetChannelWeightsRequest, context: object
    ) -> router_pb2.ChannelWeights:
        """What each conversation of a channel counts."""
        async with self.database.read() as tx:
            return router_pb2.ChannelWeights(weights=await queues.weights(tx))

    async def SetChannelWeights(
        self, request: router_pb2.SetChannelWeightsRequest, context: object
    ) -> router_pb2.ChannelWeights:
        """Replaces the weights."""
        weights = dict(request.weights)
        wrong = [
            Violation(f"weights[{channel}]", f"{weight} is not 1 to 100", "OUT_OF_RANGE")
            for channel, weight in weights.items()
            if not 1 <= weight <= 100
        ]
        if wrong:
            raise InvalidArgument(reason="INVALID_REQUEST", message="a weight is 1 to 100", violations=wrong)
        await self.database.run(lambda tx: queues.set_weights(tx, weights))
        return router_pb2.ChannelWeights(weights=weights)

    async def SetMyPresence(
        self, request: router_pb2.SetMyPresenceRequest, context: object
    ) -> model_pb2.Agent:
        """What the caller says of being there."""
        return await self._say(current_principal().actor_id, request.presence, request.reason)

    async def ListPresenceReasons(
        self, request: router_pb2.ListPresenceReasonsRequest, context: object
    ) -> router_pb2.PresenceReasons:
        """What agents choose from."""
        async with self.database.read() as tx:
            return wire.presence_reasons(await reasons.all_reasons(tx))

    async def SetPresenceReasons(
        self, request: router_pb2.SetPresenceReasonsRequest, context: object
    ) -> router_pb2.PresenceReasons:
        """Replaces what agents choose from."""
        wanted = parsing.presence_reasons(request.reasons)
        await self.database.run(lambda tx: reasons.replace(tx, wanted))
        return wire.presence_reasons(wanted)

    async def SetAgentPresence(
        self, request: router_pb2.SetAgentPresenceRequest, context: object
    ) -> model_pb2.Agent:
        """What a supervisor says of an agent's being there."""
        return await self._say(request.agent_id, request.presence, request.reason)

    async def GetMyAgent(self, request: router_pb2.GetMyAgentRequest, context: object) -> model_pb2.Agent:
        """The caller as an agent."""
        async with self.database.read() as tx:
            return wire.agent(await _known(tx, current_principal().actor_id))

    async def ReadMyFeed(
        self, request: router_pb2.ReadMyFeedRequest, context: object
    ) -> router_pb2.ReadMyFeedResponse:
        """What changed for the caller after a revision."""
        agent_id = current_principal().actor_id
        async with self.database.read(snapshot=True) as tx:
            agent = await _known(tx, agent_id)
            changes = await read_changes(tx.raw, agent_id, request.after_rev, request.page_size or _FEED_PAGE)
            offers = await items.offers_to(tx, agent_id)
        # An agent's other events have no revision and are not part of the feed.
        entries = [
            events_pb2.AgentFeedChanged.FromString(change.payload)
            for change in changes
            if change.type == _FEED_ENTRY
        ]
        gap = agent.feed_rev > request.after_rev and (not entries or entries[0].rev != request.after_rev + 1)
        ahead = request.after_rev > agent.feed_rev
        return router_pb2.ReadMyFeedResponse(
            entries=[] if gap else entries,
            head_rev=agent.feed_rev,
            snapshot_required=gap or ahead,
            offers=[wire.work_item(item) for item in offers],
        )

    async def RenewLeases(
        self, request: router_pb2.RenewLeasesRequest, context: object
    ) -> router_pb2.RenewLeasesResponse:
        """A gateway process says who is connected to it."""
        connections = {lease.agent_id: lease.connections for lease in request.leases}
        heads = await self.database.run(
            lambda tx: presence.renew(tx, request.gateway_id, connections, self.policy)
        )
        return router_pb2.RenewLeasesResponse(
            heads=[router_pb2.FeedHead(agent_id=agent_id, rev=rev) for agent_id, rev in heads.items()],
            renew_after_s=self.policy.lease_renew_s,
        )

    async def _name_of_new(self, agent_id: str) -> str | None:
        """The user's name when this would be a new agent, else None. Only users become agents; the gateway, which has them, is believed."""
        if current_principal().kind == principal_pb2.ACTOR_KIND_SERVICE:
            return None
        async with self.database.read() as tx:
            if await agents.get(tx, agent_id) is not None:
                return None
        return await self.neighbours.user_name(agent_id)

    async def _say(
        self, agent_id: str, state: model_pb2.PresenceState.ValueType, reason: str
    ) -> model_pb2.Agent:
        changed = await self.database.run(
            lambda tx: presence.say(tx, agent_id, parsing.presence(state), reason)
        )
        return wire.agent(changed)


async def _known(tx: Transaction, agent_id: str) -> Agent:
    agent = await agents.get(tx, agent_id)
    if agent is None:
        raise NotFound(
            reason="AGENT_UNKNOWN", message=f"{agent_id} is no agent; an administrator can make it one"
        )
    return agent
