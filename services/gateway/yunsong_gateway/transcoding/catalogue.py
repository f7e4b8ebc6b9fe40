"""The services behind the door, and the routes that they add up to.

Follows a redeployed, changed, added or removed service without a restart: every upstream is asked again when its
connection comes back, when it answers UNIMPLEMENTED, and at an interval. What was learned stays in use while an
upstream is away, so its clients see 503 and not 404.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from yunsong_gateway.transcoding.binding import Binding, bindings_of
from yunsong_gateway.transcoding.decode import Decoders
from yunsong_gateway.transcoding.encode import Encoders
from yunsong_gateway.transcoding.reflection import Learned, fetch, fingerprint_of, learn
from yunsong_gateway.transcoding.template import RouteTable

log = logging.getLogger(__name__)

_CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", 32 * 1024 * 1024),
    ("grpc.max_send_message_length", 32 * 1024 * 1024),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # When a server's last pod goes, its successor's address is in the names already: half a minute of waiting to look, which is
    # the library's own limit, would be half a minute of refusals.
    ("grpc.dns_min_time_between_resolutions_ms", 500),
    ("grpc.use_local_subchannel_pool", 1),
    (
        "grpc.service_config",
        json.dumps({"loadBalancingConfig": [{"round_robin": {}}]}),
    ),
)


@dataclass(slots=True)
class Upstream:
    """One server behind the door."""

    name: str
    address: str
    channel: grpc.aio.Channel
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    learned: Learned | None = None


@dataclass(frozen=True, slots=True)
class Routes:
    """What all upstreams offer at one moment."""

    table: RouteTable[Binding]
    bindings: tuple[Binding, ...]
    version: int


class Catalogue:
    """Keeps `routes` up to date while `run` runs.

    `upstreams` gives name -> host:port when it runs; the file, a JSON object of the same form, adds to it and is read
    again when it changes.
    """

    def __init__(
        self,
        upstreams: Callable[[], Mapping[str, str]],
        *,
        file: Path | None = None,
        recheck_s: float = 15.0,
        timeout_s: float = 5.0,
    ) -> None:
        self._configured = upstreams
        self._file = file
        self._recheck_s = recheck_s
        self._timeout_s = timeout_s
        self._upstreams: dict[str, Upstream] = {}
        self._followers: dict[str, asyncio.Task[None]] = {}
        self.routes = Routes(RouteTable(), (), 0)

    def channel(self, upstream: str) -> grpc.aio.Channel | None:
        found = self._upstreams.get(upstream)
        return found.channel if found else None

    def unlearned(self) -> list[str]:
        """The upstreams that have never been reached."""
        return sorted(name for name, upstream in self._upstreams.items() if upstream.learned is None)

    def suspect(self, upstream: str) -> None:
        """Says that an upstream seems to have changed: it is asked again at once."""
        found = self._upstreams.get(upstream)
        if found:
            found.wake.set()

    async def run(self) -> None:
        """Follows the upstreams until cancelled."""
        seen: float | None = None
        try:
            async with asyncio.TaskGroup() as group:
                await self._reconcile(group, self._wanted())
                while True:
                    changed = self._file_changed_at()
                    if changed != seen:
                        seen = changed
                        await self._reconcile(group, self._wanted())
                    await asyncio.sleep(min(1.0, self._recheck_s))
        finally:
            for upstream in self._upstreams.values():
                await upstream.channel.close()

    def _file_changed_at(self) -> float | None:
        try:
            return self._file.stat().st_mtime_ns if self._file else None
        except FileNotFoundError:
            return None

    def _wanted(self) -> dict[str, str]:
        wanted = dict(self._configured())
        if self._file is None:
            return wanted
        try:
            added = json.loads(self._file.read_text())
        except FileNotFoundError:
            return wanted
        except ValueError:
            log.exception("the upstreams file is not JSON; what was known stays")
            return {name: upstream.address for name, upstream in self._upstreams.items()} or wanted
        if isinstance(added, dict):
            wanted.update({str(name): str(address) for name, address in added.items()})
        return wanted

    async def _reconcile(self, group: asyncio.TaskGroup, wanted: dict[str, str]) -> None:
        for name, upstream in list(self._upstreams.items()):
            if wanted.get(name) == upstream.address:
                continue
            self._followers.pop(name).cancel()
            del self._upstreams[name]
            await upstream.channel.close()
            log.info("an upstream left", extra={"upstream": name, "address": upstream.address})
            self._rebuild()
        for name, address in wanted.items():
            if name not in self._upstreams:
                channel = grpc.aio.insecure_channel(address, options=_CHANNEL_OPTIONS)
                upstream = self._upstreams[name] = Upstream(name, address, channel)
                self._followers[name] = group.create_task(self._follow(upstream))

    async def _follow(self, upstream: Upstream) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_connection(upstream))
            while True:
                upstream.wake.clear()
                await self._learn(upstream)
                retry = self._recheck_s if upstream.learned else min(0.5, self._recheck_s)
                try:
                    async with asyncio.timeout(retry):
                        await upstream.wake.wait()
                    await asyncio.sleep(0.1)  # a burst of suspicions is one question
                except TimeoutError:
                    pass

    async def _watch_connection(self, upstream: Upstream) -> None:
        state = upstream.channel.get_state(try_to_connect=True)
        while True:
            await upstream.channel.wait_for_state_change(state)
            before, state = state, upstream.channel.get_state(try_to_connect=True)
            if state is grpc.ChannelConnectivity.READY and before is not state:
                upstream.wake.set()

    async def _learn(self, upstream: Upstream) -> None:
        try:
            files = await fetch(upstream.channel, self._timeout_s)
            if upstream.learned and upstream.learned.fingerprint == fingerprint_of(files):
                return
            learned = learn(files)
        except grpc.aio.AioRpcError as error:
            log.debug(
                "an upstream did not answer reflection",
                extra={"upstream": upstream.name, "status": error.code().name},
            )
            return
        except (ValueError, TypeError, KeyError):
            log.exception(
                "an upstream's contract cannot be read; what was known stays",
                extra={"upstream": upstream.name},
            )
            return
        upstream.learned = learned
        self._rebuild()
        log.info(
            "learned an upstream",
            extra={"upstream": upstream.name, "services": [one.full_name for one in learned.services]},
        )

    def _rebuild(self) -> None:
        table: RouteTable[Binding] = RouteTable()
        kept: list[Binding] = []
        for name in sorted(self._upstreams):
            learned = self._upstreams[name].learned
            if learned is None:
                continue
            try:
                bindings = list(
                    bindings_of(name, learned, Decoders(learned.contract), Encoders(learned.contract))
                )
            except ValueError:
                log.exception("a contract's routes are wrong", extra={"upstream": name})
                continue
            for binding in bindings:
                holder = table.add(binding.http_method, binding.template, binding)
                if holder is not None and holder is not binding:
                    log.error(
                        "two operations want one route",
                        extra={"route": binding.template.text, "kept": holder.rpc, "left": binding.rpc},
                    )
                else:
                    kept.append(binding)
        self.routes = Routes(table, tuple(kept), self.routes.version + 1)
