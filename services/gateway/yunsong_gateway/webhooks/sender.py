"""Sends webhooks: signed (Standard Webhooks), with growing pauses, until taken or given up."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import random
from collections.abc import Callable, Sequence
from typing import Any

import httpx
from google.protobuf.message import Message
from standardwebhooks import Webhook as Signature

from yunsong_common.bus import Subscription
from yunsong_common.bus.subscription import Delivery
from yunsong_common.db import Database, Transaction
from yunsong_common.errors import YunsongError
from yunsong_gateway.identity.vault import Vault
from yunsong_gateway.webhooks import events, repository
from yunsong_gateway.webhooks.known import KnownWebhooks, wants
from yunsong_gateway.webhooks.repository import DEAD, PENDING, SENT, Due
from yunsong_gateway.webhooks.targets import TargetRefused, resolve

log = logging.getLogger(__name__)

_AT_ONCE = 20
_TIMEOUT_S = 15.0
_LEASE_S = 60.0
_POLL_S = 1.0
_PAUSES_S = (5, 30, 120, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600)
_GONE = 410


class WebhookSender:
    """Makes deliveries of events and sends what is due."""

    def __init__(
        self, database: Database, vault: Vault, known: KnownWebhooks, *, allow_private: bool, attempts: int
    ) -> None:
        self._database = database
        self._known = known
        self._vault = vault
        self._allow_private = allow_private
        self._attempts = attempts
        self._wake = asyncio.Event()

    def subscriptions(self) -> list[Subscription[Any]]:
        """One for each type of event that can go out; one that no webhook wants costs next to nothing."""
        return [
            Subscription(
                event_type=kind,
                handler=self.on_events,
                consumer="gateway-webhooks",
                start="new",
                many=True,
                concerns=self._concerns(name),
            )
            for name, kind in events.TYPES.items()
        ]

    def _concerns(self, event_type: str) -> Callable[[Message], bool]:
        return lambda _event: self._known.may_want(event_type)

    async def on_events(self, tx: Transaction, deliveries: Sequence[Delivery[Any]]) -> None:
        """Writes a delivery for every webhook that wants an event."""
        hooks = await self._known.enabled(tx)
        rows: list[tuple[str, str, str, bytes]] = []
        for delivery in deliveries if hooks else ():
            name = events.type_of(delivery.meta.subject)
            wanting = [hook for hook in hooks if wants(hook, name)]
            if wanting:
                meta = delivery.meta
                body = events.cloud_event(meta.event_id, meta.subject, meta.occurred_at, delivery.event)
                rows += [(hook.id, meta.event_id, name, body) for hook in wanting]
        if rows:
            await repository.enqueue(tx, rows)
            self._wake.set()

    async def changed(self) -> None:
        """A webhook was made or changed here: returns once every replica goes by it. What is due is looked for at once."""
        self._wake.set()
        await self._known.spread()

    def look(self) -> None:
        """Looks for what is due at once."""
        self._wake.set()

    async def run(self) -> None:
        """Sends until cancelled."""
        async with httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False, trust_env=False) as client:
            while True:
                self._wake.clear()
                if await self._send_due(client) == _AT_ONCE:
                    continue
                try:
                    async with asyncio.timeout(_POLL_S):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    async def _send_due(self, client: httpx.AsyncClient) -> int:
        try:
            async with self._database.transaction() as tx:
                due = await repository.take_due(tx, limit=_AT_ONCE, lease_s=_LEASE_S)
        except YunsongError as error:
            log.warning("webhooks wait for the database", extra={"reason": error.reason})
            return 0
        async with asyncio.TaskGroup() as group:
            for one in due:
                group.create_task(self._send(client, one))
        return len(due)

    async def _send(self, client: httpx.AsyncClient, due: Due) -> None:
        status, error = 0, ""
        try:
            target = await resolve(due.url, allow_private=self._allow_private)
            response = await client.post(
                target.url,
                content=due.body,
                headers={**self._headers(due), "host": target.host_header},
                extensions={"sni_hostname": target.host},
            )
            status = response.status_code
            if not response.is_success:
                error = f"HTTP {status}"
        except (httpx.HTTPError, TargetRefused) as failure:
            error = f"{type(failure).__name__}: {failure}"
        try:
            async with self._database.transaction() as tx:
                await self._note(tx, due, status, error)
        except YunsongError as failure:
            # The lease ends and it is sent again; the receiver knows it by its webhook-id.
            log.warning("a webhook's outcome is not noted", extra={"reason": failure.reason})

    def _headers(self, due: Due) -> dict[str, str]:
        now = dt.datetime.now(dt.UTC)
        signature = Signature(self._vault.unlock(due.secret)).sign(due.event_id, now, due.body.decode())
        return {
            "content-type": "application/cloudevents+json; charset=utf-8",
            "user-agent": "Yunsong-Webhooks/1",
            "webhook-id": due.event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature,
        }

    async def _note(self, tx: Transaction, due: Due, response_status: int, error: str) -> None:
        outcome, retry_at = SENT, None
        if error:
            outcome = DEAD if due.attempts >= self._attempts or response_status == _GONE else PENDING
            if outcome == PENDING:
                pause = _PAUSES_S[min(due.attempts, len(_PAUSES_S)) - 1] * random.uniform(0.8, 1.2)  # noqa: S311
                retry_at = await tx.now() + dt.timedelta(seconds=pause)
            else:
                log.warning(
                    "a webhook's delivery was given up", extra={"webhook": due.webhook_id, "error": error}
                )
        await repository.finish(
            tx, due.id, status=outcome, response_status=response_status, error=error, next_attempt_at=retry_at
        )
        if response_status == _GONE:
            # Standard Webhooks: the receiver wants no more of it.
            await repository.update(tx, due.webhook_id, {"enabled": False})
