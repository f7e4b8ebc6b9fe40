"""From a message's type to its subject.

`yunsong.conversation.v1.MessagePosted` about conversation X travels on `yunsong.conversation.v1.message_posted.X`; a live
message `Typing` about X on `yunsong.live.v1.typing.X`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

from google.protobuf.message import Message

from yunsong.options.v1 import options_pb2

_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_UNSAFE = re.compile(r"[\s.*>]")


@dataclass(frozen=True, slots=True)
class Route:
    """How events of one type travel."""

    name: str  # the message's full name
    prefix: str  # the subject up to and with the last dot
    live: bool
    entity_of: Callable[[Message], object]

    def entity_id(self, message: Message) -> str:
        """The id of the entity that the event is about. Raises `ValueError` when it cannot be part of a subject."""
        entity_id = str(self.entity_of(message))
        if not entity_id or _UNSAFE.search(entity_id):
            raise ValueError(f"{self.name}: {entity_id!r} is no entity id")
        return entity_id


_routes: dict[type[Message], Route] = {}


def route_of(message_type: type[Message]) -> Route:
    """The route of a message type. Raises `TypeError` when the type has no `event` option."""
    route = _routes.get(message_type)
    if route is None:
        route = _routes[message_type] = _make_route(message_type)
    return route


def _make_route(message_type: type[Message]) -> Route:
    descriptor = message_type.DESCRIPTOR
    options = descriptor.GetOptions()
    if not options.HasExtension(options_pb2.event):
        raise TypeError(f"{descriptor.full_name} has no (yunsong.options.v1.event) option, so it is no event")
    rules = options.Extensions[options_pb2.event]
    snake = _BOUNDARY.sub("_", descriptor.name).lower()
    package = "yunsong.live.v1" if rules.live else descriptor.file.package
    return Route(
        name=descriptor.full_name,
        prefix=f"{package}.{snake}.",
        live=rules.live,
        entity_of=attrgetter(rules.entity_field),
    )


def subject_of(message: Message) -> str:
    """The subject that an event or a live message goes out on."""
    route = route_of(type(message))
    return route.prefix + route.entity_id(message)


def live_subject(message_type: type[Message], entity_id: str = "*") -> str:
    """The subject to subscribe to for one entity, or for all."""
    return route_of(message_type).prefix + entity_id
