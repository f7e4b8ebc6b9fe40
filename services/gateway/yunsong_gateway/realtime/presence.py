"""The lease of this gateway process on its agents: one renewal covers all of them."""

from __future__ import annotations

import asyncio
import logging
import time

from yunsong.router.v1 import router_pb2, router_pb2_grpc
from yunsong_common.errors import YunsongError
from yunsong_common.grpc import Channels
from yunsong_common.ids import new_id
from yunsong_gateway.realtime.hub import Hub

log = logging.getLogger(__name__)

_RENEW_S = 5.0
_RETRY_S = 1.0
_SIGN_OUT_S = 5.0


class PresenceLease:
    """Tells the router which agents have a socket here."""

    def __init__(self, hub: Hub, channels: Channels) -> None:
        self._hub = hub
        self._agents = router_pb2_grpc.AgentServiceStub(channels.router)
        self._gateway_id = new_id()
        self._changed = asyncio.Event()
        self._signed_out: dict[str, float] = {}  # agent -> until when it counts
        hub.on_sign_out(self.signed_out)

    def changed(self) -> None:
        """An agent came or left: the router hears of it at once."""
        self._changed.set()

    def signed_out(self, agent_id: str) -> None:
        """The agent ended the session: no grace."""
        self._signed_out[agent_id] = time.monotonic() + _SIGN_OUT_S
        self._changed.set()

    async def run(self) -> None:
        """Renews until cancelled."""
        while True:
            self._changed.clear()
            pause = await self._renew()
            try:
                async with asyncio.timeout(pause):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _renew(self) -> float:
        connected = self._hub.agents()
        now = time.monotonic()
        # The socket closes a moment after the sign-out; a later end of another session is no sign-out.
        self._signed_out = {agent: until for agent, until in self._signed_out.items() if until > now}
        gone = self._signed_out.keys() - connected.keys()
        # Also with nobody connected: a gateway that says nothing is an outage to the router, in which no agent is lost.
        leases = [
            router_pb2.AgentLease(agent_id=agent, connections=count) for agent, count in connected.items()
        ] + [router_pb2.AgentLease(agent_id=agent, connections=0) for agent in gone]
        try:
            answer = await self._agents.RenewLeases(
                router_pb2.RenewLeasesRequest(gateway_id=self._gateway_id, leases=leases), timeout=5.0
            )
        except YunsongError as error:
            log.warning("the agents' leases are not renewed yet", extra={"reason": error.reason})
            return _RETRY_S
        for agent in gone:
            self._signed_out.pop(agent, None)
        for head in answer.heads:
            self._hub.note_feed_head(head.agent_id, head.rev)
        return float(answer.renew_after_s or _RENEW_S)
