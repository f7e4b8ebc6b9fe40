"""Events between services over NATS: durable ones through JetStream, live ones through core NATS."""

from yunsong_common.bus.connection import Bus, LiveMessage, LiveSubscription
from yunsong_common.bus.dead_letters import DeadLetter, list_dead_letters, replay_dead_letter
from yunsong_common.bus.streams import declare_streams, stream_of
from yunsong_common.bus.subscription import Delivery, EventMeta, Subscription
from yunsong_common.bus.tables import bus_tables
from yunsong_common.outbox.subjects import live_subject, route_of, subject_of

__all__ = [
    "Bus",
    "DeadLetter",
    "Delivery",
    "EventMeta",
    "LiveMessage",
    "LiveSubscription",
    "Subscription",
    "bus_tables",
    "declare_streams",
    "list_dead_letters",
    "live_subject",
    "replay_dead_letter",
    "route_of",
    "stream_of",
    "subject_of",
]
