"""The `api` channel's webhook: signed, and its answers read as they are meant."""

from __future__ import annotations

import datetime as dt
import email.utils
import json
from collections.abc import Mapping
from typing import Any

import pytest
from standardwebhooks import Webhook

from yunsong_channel_adapter.channels import ApiChannel, Catalogue
from yunsong_channel_adapter.domain.inbox import new_secret
from yunsong_common.errors import InvalidArgument
from yunsong_plugin_api import ChannelError, ChannelInbox, HttpReply, LoadedPlugin, Outbound, PluginError

NEW, OLD = new_secret("standard_webhooks"), new_secret("standard_webhooks")
URL = "https://shop.example/hook"


def inbox(*, previous: bool = False) -> ChannelInbox:
    return ChannelInbox(
        id="i",
        key="k",
        config={"url": URL},
        credentials={"webhook_secret": NEW},
        previous_credentials=({"webhook_secret": OLD},) if previous else (),
    )


def message() -> Outbound:
    return Outbound(
        message_id="m-1",
        conversation_id="c-1",
        rev=7,
        identity="u-1",
        kind="text",
        text="您好",
        details={"text": "您好"},
    )


class Receiver:
    """Takes what is posted, and answers as told."""

    def __init__(self, reply: HttpReply) -> None:
        self.reply = reply
        self.calls: list[tuple[str, dict[str, str], bytes]] = []

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> HttpReply:
        assert method == "POST"
        self.calls.append((url, dict(headers), body))
        return self.reply


@pytest.mark.parametrize("secret", [NEW, OLD])
def test_the_signature_fits_every_secret_that_works(secret: str) -> None:
    receiver = Receiver(HttpReply(204))
    ApiChannel().send(message(), inbox(previous=True), receiver)
    [(url, headers, body)] = receiver.calls
    assert url == URL
    assert headers["webhook-id"] == "m-1"
    event = Webhook(secret).verify(body, headers)
    assert event["specversion"] == "1.0"
    assert event["data"]["content"] == {"text": {"text": "您好"}}
    assert event["data"]["identity"] == "u-1"
    assert event["data"]["rev"] == 7


def refusal(reply: HttpReply) -> ChannelError:
    with pytest.raises(ChannelError) as refused:
        ApiChannel().send(message(), inbox(), Receiver(reply))
    return refused.value


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_a_refusal_is_final(status: int) -> None:
    assert refusal(HttpReply(status)).permanent


@pytest.mark.parametrize("status", [301, 307, 408, 429, 500, 502, 503, 504])
def test_everything_else_is_tried_again(status: int) -> None:
    assert not refusal(HttpReply(status)).permanent


def test_the_pause_that_the_receiver_asks_for_is_read() -> None:
    assert refusal(HttpReply(429, {"retry-after": "17"})).retry_after_s == 17
    later = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=90)
    asked = refusal(
        HttpReply(503, {"retry-after": email.utils.format_datetime(later, usegmt=True)})
    ).retry_after_s
    assert asked is not None
    assert 85 < asked <= 90
    for nonsense in ("soon", "-5", "", "1e9"):
        assert refusal(HttpReply(503, {"retry-after": nonsense})).retry_after_s is None


@pytest.mark.parametrize(
    ("config", "credentials", "path"),
    [
        ({}, {}, "config.url"),
        ({"url": URL, "colour": "red"}, {}, "config.colour"),
        ({"url": URL}, {"webhook_secret": "secret"}, "credentials.webhook_secret"),
        ({"url": URL}, {"webhook_secret": "whsec_c2hvcnQ="}, "credentials.webhook_secret"),
        ({"url": URL}, {"identity_secret": "short"}, "credentials.identity_secret"),
        ({"url": URL}, {"token": "x"}, "credentials.token"),
    ],
)
def test_what_is_wrong_is_named(config: dict[str, Any], credentials: dict[str, str], path: str) -> None:
    assert [found for found, _ in ApiChannel().check(config, credentials)] == [path]


def test_what_is_made_passes_its_own_check() -> None:
    made = {name: new_secret(form) for name, form in ApiChannel().secrets.items()}
    assert ApiChannel().check({"url": URL}, made) == []


def test_an_unknown_channel_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidArgument, match="api, web"):
        Catalogue().get("fax")


def test_a_plugin_under_another_name_does_not_start() -> None:
    with pytest.raises(PluginError):
        Catalogue({"fax": LoadedPlugin("fax", "acme 1.0", ApiChannel())})


def test_schemas_are_json() -> None:
    for channel, source in Catalogue().all():
        assert source == "built-in"
        json.dumps([channel.config_schema, channel.credentials_schema])
