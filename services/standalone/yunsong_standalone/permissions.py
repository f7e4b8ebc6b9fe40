"""What each service's own NATS user may publish: its events, its live messages, and its consumers' requests."""

from __future__ import annotations

import re
from collections.abc import Iterator

from yunsong.options.v1 import options_pb2
from yunsong_standalone.catalogue import ServiceEntry
from yunsong_standalone.contract import files_of

# Sockets end at the gateway, so it is where typing is heard of; nothing of it is stored.
_RELAYED = {"gateway": ("yunsong.live.v1.typing.>",)}

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def publishable_subjects(service: ServiceEntry) -> tuple[str, ...]:
    """The subjects that a service's user may publish, by the contract.

    It may make its own stream again where NATS lost it, and consumers on any; it may not delete or purge a stream.
    """
    stream = f"YUNSONG_{service.package.upper()}"
    return (
        f"yunsong.{service.package}.>",
        *sorted(_live_subjects(service)),
        *_RELAYED.get(service.name, ()),
        "$JS.API.INFO",
        "$JS.API.STREAM.INFO.*",
        "$JS.API.STREAM.NAMES",
        f"$JS.API.STREAM.CREATE.{stream}",
        f"$JS.API.STREAM.UPDATE.{stream}",
        "$JS.API.CONSUMER.>",
        "$JS.API.DIRECT.GET.>",
        "$JS.ACK.>",
        "_INBOX.>",
    )


def _live_subjects(service: ServiceEntry) -> Iterator[str]:
    for file in files_of(f"yunsong.{service.package}.v1"):
        for message in file.message_types_by_name.values():
            if message.GetOptions().Extensions[options_pb2.event].live:
                yield f"yunsong.live.v1.{_WORD.sub('_', message.name).lower()}.>"
