"""Which processes there are, and what each is told."""

from __future__ import annotations

import socket

from yunsong_standalone import topology
from yunsong_standalone.catalogue import SERVICES
from yunsong_standalone.permissions import publishable_subjects
from yunsong_standalone.topology import Backends, Ports, Topology, parts_of

BACKENDS = Backends(
    "k" * 32,
    {"": "postgresql://all", **{service.name: f"postgresql://{service.role}" for service in SERVICES}},
    {"": "nats://all", **{service.name: f"nats://{service.name}" for service in SERVICES}},
)


def test_compact_is_one_process_with_one_pool() -> None:
    (part,) = parts_of(Topology.COMPACT, BACKENDS, Ports.choose(8080, {}), {}, {})

    assert part.environment["YUNSONG_DATABASE_URL"] == "postgresql://all"
    assert set(part.services) == {service.name for service in SERVICES}


def test_distributed_gives_each_service_its_own_credentials_and_no_others() -> None:
    parts = parts_of(Topology.DISTRIBUTED, BACKENDS, Ports.choose(8080, {}), {}, {})

    assert [part.name for part in parts] == [service.name for service in SERVICES]
    for part in parts:
        values = set(part.environment.values())
        assert part.environment["YUNSONG_NATS_URL"] == f"nats://{part.name}"
        assert not values & {f"nats://{other.name}" for other in parts if other is not part}
        assert "postgresql://all" not in values


def test_what_the_operator_sets_wins() -> None:
    ports = Ports.choose(8080, {"YUNSONG_ROUTER_GRPC_PORT": "7777"})
    inherited = {"YUNSONG_LOG_LEVEL": "DEBUG", "YUNSONG_ROUTER_GRPC_PORT": "7777"}

    own = {"bot": {"YUNSONG_LOG_LEVEL": "INFO"}}
    part = parts_of(Topology.COMPACT, BACKENDS, ports, own, inherited)[0]

    assert part.environment["YUNSONG_LOG_LEVEL"] == "DEBUG"
    assert part.environment["YUNSONG_ROUTER_ADDRESS"] == "127.0.0.1:7777"


def test_a_setting_of_one_service_reaches_no_other_process() -> None:
    own = {"channel-adapter": {"YUNSONG_CHANNEL_ADAPTER_ENCRYPTION_KEY": "secret"}}
    parts = parts_of(Topology.DISTRIBUTED, BACKENDS, Ports.choose(8080, {}), own, {})

    assert [part.name for part in parts if "secret" in part.environment.values()] == ["channel-adapter"]


def test_a_port_in_use_is_avoided() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        usual = other.getsockname()[1]
        router = next(service for service in SERVICES if service.name == "router")
        taken = type(router)(router.name, router.package, usual, router.ops_port)

        assert topology._port(taken, "GRPC_PORT", usual, {}, set()) != usual


def test_a_service_may_publish_its_own_events_and_live_messages_and_change_no_other_stream() -> None:
    by_name = {service.name: publishable_subjects(service) for service in SERVICES}

    assert "yunsong.router.>" in by_name["router"]
    assert "yunsong.live.v1.queue_position.>" in by_name["router"]
    assert "yunsong.live.v1.queue_position.>" not in by_name["bot"]
    assert "yunsong.channel.>" in by_name["channel-adapter"]
    for subjects in by_name.values():
        assert ">" not in subjects
        assert not any(
            subject.startswith(("$JS.API.STREAM.DELETE", "$JS.API.STREAM.PURGE")) for subject in subjects
        )
