"""A real PostgreSQL and a real nats-server out of Python wheels, for a laptop, a small tenant, the tests."""

from yunsong_standalone.embedded.nats import EmbeddedNats, NatsUser
from yunsong_standalone.embedded.postgres import EmbeddedPostgres
from yunsong_standalone.embedded.process import ServerFailed, free_port

__all__ = ["EmbeddedNats", "EmbeddedPostgres", "NatsUser", "ServerFailed", "free_port"]
