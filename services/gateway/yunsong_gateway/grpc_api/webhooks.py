"""WebhookService: where events are sent, and how it goes."""

from __future__ import annotations

import base64
import secrets
from typing import Any, cast

from yunsong.gateway.v1 import gateway_pb2, gateway_pb2_grpc, model_pb2
from yunsong_common.db import Database
from yunsong_common.errors import InvalidArgument, Violation
from yunsong_gateway.grpc_api import pages
from yunsong_gateway.identity.vault import Vault
from yunsong_gateway.times import stamp
from yunsong_gateway.webhooks import events, repository, targets
from yunsong_gateway.webhooks.sender import WebhookSender

_UPDATABLE = ("url", "event_types", "enabled", "description")


def _message(hook: repository.Webhook) -> model_pb2.Webhook:
    return model_pb2.Webhook(
        id=hook.id,
        url=hook.url,
        event_types=hook.event_types,
        enabled=hook.enabled,
        description=hook.description,
        created_at=stamp(hook.created_at),
    )


def _delivery_message(delivery: repository.WebhookDelivery) -> model_pb2.WebhookDelivery:
    return model_pb2.WebhookDelivery(
        id=delivery.id,
        webhook_id=delivery.webhook_id,
        event_id=delivery.event_id,
        event_type=delivery.event_type,
        status=cast("Any", delivery.status),
        attempts=delivery.attempts,
        response_status=delivery.response_status,
        error=delivery.error,
        next_attempt_at=stamp(delivery.next_attempt_at),
        created_at=stamp(delivery.created_at),
    )


class WebhookApi(gateway_pb2_grpc.WebhookServiceServicer):
    """See gateway.proto."""

    def __init__(
        self, database: Database, vault: Vault, sender: WebhookSender, *, allow_private: bool
    ) -> None:
        self._database = database
        self._vault = vault
        self._sender = sender
        self._allow_private = allow_private

    async def ListWebhooks(
        self, request: gateway_pb2.ListWebhooksRequest, context: Any
    ) -> gateway_pb2.ListWebhooksResponse:
        async with self._database.read() as tx:
            hooks = await repository.all_hooks(tx)
        return gateway_pb2.ListWebhooksResponse(webhooks=[_message(hook) for hook in hooks])

    async def CreateWebhook(
        self, request: gateway_pb2.CreateWebhookRequest, context: Any
    ) -> gateway_pb2.CreateWebhookResponse:
        wanted = request.webhook
        events.check_types(wanted.event_types)
        await targets.check(wanted.url, allow_private=self._allow_private)
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        async with self._database.transaction() as tx:
            hook = await repository.create(
                tx,
                url=wanted.url,
                event_types=wanted.event_types,
                enabled=True,
                description=wanted.description,
                secret=self._vault.lock(secret),
            )
        await self._sender.changed()
        return gateway_pb2.CreateWebhookResponse(webhook=_message(hook), secret=secret)

    async def UpdateWebhook(
        self, request: gateway_pb2.UpdateWebhookRequest, context: Any
    ) -> model_pb2.Webhook:
        names = list(dict.fromkeys(request.update_mask.paths))
        for name in names:
            if name not in _UPDATABLE:
                raise InvalidArgument(
                    reason="INVALID_REQUEST",
                    message=f"The field {name} cannot be changed.",
                    violations=[
                        Violation(
                            field="update_mask",
                            reason="UNKNOWN_FIELD",
                            description=f"{name} cannot be changed",
                        )
                    ],
                )
        if "event_types" in names:
            events.check_types(request.webhook.event_types)
        if "url" in names:
            await targets.check(request.webhook.url, allow_private=self._allow_private)
        changes = {name: getattr(request.webhook, name) for name in names}
        if "event_types" in changes:
            changes["event_types"] = sorted(set(changes["event_types"]))
        async with self._database.transaction() as tx:
            hook = await repository.update(tx, request.webhook_id, changes)
        await self._sender.changed()
        return _message(hook)

    async def DeleteWebhook(
        self, request: gateway_pb2.DeleteWebhookRequest, context: Any
    ) -> gateway_pb2.DeleteWebhookResponse:
        async with self._database.transaction() as tx:
            await repository.delete(tx, request.webhook_id)
        await self._sender.changed()
        return gateway_pb2.DeleteWebhookResponse()

    async def ListWebhookDeliveries(
        self, request: gateway_pb2.ListWebhookDeliveriesRequest, context: Any
    ) -> gateway_pb2.ListWebhookDeliveriesResponse:
        size = request.page_size or pages.DEFAULT_SIZE
        async with self._database.read() as tx:
            found = await repository.page(
                tx, request.webhook_id, before=pages.after(request.page_token) or None, size=size + 1
            )
        return gateway_pb2.ListWebhookDeliveriesResponse(
            deliveries=[_delivery_message(one) for one in found[:size]],
            next_page_token=pages.token(found[size - 1].id) if len(found) > size else "",
        )

    async def ReplayWebhookDelivery(
        self, request: gateway_pb2.ReplayWebhookDeliveryRequest, context: Any
    ) -> model_pb2.WebhookDelivery:
        async with self._database.transaction() as tx:
            delivery = await repository.replay(tx, request.webhook_id, request.delivery_id)
        self._sender.look()
        return _delivery_message(delivery)
