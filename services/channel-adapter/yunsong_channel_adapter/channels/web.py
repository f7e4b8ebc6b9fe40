"""The `web` channel: a widget on a page.

Its messages go over the gateway's sockets, so nothing is sent from here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from yunsong_channel_adapter.channels.checks import identity_secret_problems
from yunsong_plugin_api import (
    ChannelError,
    ChannelInbox,
    Credentials,
    HttpCall,
    HttpRequest,
    Outbound,
    SecretFormat,
    Sent,
    WebhookResult,
)


class WebChannel:
    """A widget on a page, or a page of one's own that speaks the socket's protocol."""

    api_version = "1.0"
    kind = "web"
    sends: frozenset[str] = frozenset()
    idempotent = True
    rest_inbound = False
    config_schema: Mapping[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
    credentials_schema: Mapping[str, Any] = {
        "type": "object",
        "properties": {
            "identity_secret": {
                "type": "string",
                "minLength": 32,
                "description": "Proves who a page's user is; made when it is left out.",
            }
        },
        "additionalProperties": False,
    }
    secrets: Mapping[str, SecretFormat] = {"identity_secret": "hex"}

    def check(self, config: Mapping[str, Any], credentials: Credentials) -> Sequence[tuple[str, str]]:
        """There is nothing to configure but the identity secret."""
        problems = [(f"config.{name}", "the web channel has no such setting") for name in config]
        return [*problems, *identity_secret_problems(credentials, {"identity_secret"})]

    def receive(self, request: HttpRequest, inbox: ChannelInbox) -> WebhookResult:
        """Refuses: contacts come by the socket and by REST."""
        del request, inbox
        raise ChannelError("a web inbox has no webhook; its contacts use the socket", permanent=True)

    def send(self, message: Outbound, inbox: ChannelInbox, http: HttpCall) -> Sent:
        """Never called: `sends` is empty."""
        del message, inbox, http
        raise ChannelError("a web inbox sends nothing; its contacts read from the socket", permanent=True)
