"""The harness' own pieces: what decides, without a single process."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import pytest

from tests.chart.harness.container import Identity, NotStartable
from tests.chart.harness.environment import Missing, command, environment, expand
from tests.chart.harness.fields import Refused, check
from tests.chart.harness.images import Image, Images, Reference, UnknownImage
from tests.chart.harness.ingress import Route
from tests.chart.harness.policy import Peer, filter_rules, matches
from tests.chart.harness.probes import Timing, until_started, watch
from tests.chart.harness.releases import BuildFailed, Dockerfile
from tests.chart.harness.resolver import answer
from tests.chart.harness.rollout import Plan, Replica, Step, step
from tests.chart.harness.store import Conflict, Store
from tests.support.polling import eventually
from yunsong_common.clock import ManualClock


def deployment(**pod: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"selector": {}, "template": {"metadata": {}, "spec": {"containers": [], **pod}}},
    }


# What it does not represent.


def test_a_field_that_is_not_represented_is_refused_by_its_path() -> None:
    container = {"name": "c", "image": "i", "stdin": True, "livenessProbe": {"httpGet": {"scheme": "HTTPS"}}}
    with pytest.raises(Refused) as refused:
        check(
            [
                deployment(containers=[container], hostNetwork=True),
                {"kind": "Lease", "metadata": {"name": "l"}},
            ]
        )
    assert refused.value.paths == [
        "Deployment/d.spec.template.spec.containers[0].stdin",
        "Deployment/d.spec.template.spec.containers[0].livenessProbe.httpGet.scheme: 'HTTPS'",
        "Deployment/d.spec.template.spec.hostNetwork",
        "Lease/l",
    ]


def test_what_means_nothing_on_one_machine_passes() -> None:
    check([deployment(nodeSelector={"a": "b"}, topologySpreadConstraints=[{"maxSkew": 1}])])


def test_an_image_that_cannot_be_had_is_named() -> None:
    images = Images({"1": {"yunsong-bot": Image([], [])}})
    assert images.get("registry.example/a/yunsong-bot:1@sha256:0") == Image([], [])
    with pytest.raises(UnknownImage, match="tags here"):
        images.get("yunsong-bot:2")
    with pytest.raises(UnknownImage, match="images here"):
        images.get("redis:1")
    assert Reference.parse("localhost:5000/redis") == Reference("redis", "latest")


# Environment.


def test_references_expand_as_the_kubelet_does() -> None:
    assert expand("$(A)-$(B)-$$(A)-$A", {"A": "1"}) == "1-$(B)-$(A)-$A"


def find(kind: str, name: str) -> dict[str, str] | None:
    known = {
        ("Secret", "s"): {"key": "secret", "x.y": "dotted"},
        ("ConfigMap", "m"): {"KEY": "map", "B": "map"},
    }
    return known.get((kind, name))


def test_variables_come_from_the_image_then_sources_then_names_in_order() -> None:
    container = {
        "envFrom": [{"configMapRef": {"name": "m"}}, {"secretRef": {"name": "no", "optional": True}}],
        "env": [
            {"name": "A", "value": "$(KEY)/$(PATH)"},
            {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "key"}}},
            {"name": "C", "value": "$(B)$(D)"},
            {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "E", "valueFrom": {"secretKeyRef": {"name": "s", "key": "none", "optional": True}}},
        ],
    }
    assert environment(container, {"PATH": "/bin"}, {"status.podIP": "1.2.3.4"}, find) == {
        "PATH": "/bin",
        "KEY": "map",
        "A": "map/$(PATH)",
        "B": "secret",
        "C": "secret$(D)",
        "D": "1.2.3.4",
    }


def test_a_secret_that_is_not_there_is_waited_for() -> None:
    for reference in ({"name": "s", "key": "none"}, {"name": "none", "key": "key"}):
        with pytest.raises(Missing, match="none"):
            environment({"env": [{"name": "A", "valueFrom": {"secretKeyRef": reference}}]}, {}, {}, find)


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({}, ["entry", "usual"]),
        ({"args": ["$(A)"]}, ["entry", "1"]),
        ({"command": ["own"]}, ["own"]),
        ({"command": ["own"], "args": ["x"]}, ["own", "x"]),
    ],
)
def test_command_and_args_replace_entrypoint_and_arguments(
    container: dict[str, Any], expected: list[str]
) -> None:
    assert command(container, ["entry"], ["usual"], {"A": "1"}) == expected


def test_a_container_never_runs_as_a_user_that_its_pod_forbids() -> None:
    image = Image([], [], user=10001, group=10001)
    assert Identity.of({"securityContext": {"fsGroup": 7}}, {"name": "c"}, image) == Identity(
        10001, 10001, (7, 10001)
    )
    with pytest.raises(NotStartable, match="root"):
        Identity.of({"securityContext": {"runAsNonRoot": True, "runAsUser": 0}}, {"name": "c"}, image)


# Probes.


class Answers:
    """A check that says what a test wants, and counts."""

    def __init__(self, *, passes: bool) -> None:
        self.passes = passes
        self.asked = 0

    async def __call__(self) -> bool:
        self.asked += 1
        return self.passes


async def asked(clock: ManualClock, answers: Answers, times: int) -> None:
    """Returns when the probe has asked so often and waits again."""
    await eventually(lambda: answers.asked == times and clock.sleepers == 1, what=f"{times} checks")


async def test_a_probe_waits_asks_each_period_and_reports_at_its_thresholds() -> None:
    clock, answers = ManualClock(), Answers(passes=True)
    reports: list[bool] = []
    timing = Timing(initial_delay=5, period=10, timeout=1, successes=2, failures=3)
    watching = asyncio.create_task(watch(timing, answers, clock, reports.append))
    await asked(clock, answers, 0)
    await clock.advance(4)
    assert answers.asked == 0
    await clock.advance(1)
    await asked(clock, answers, 1)
    assert reports == []
    await clock.advance(10)
    await asked(clock, answers, 2)
    assert reports == [True]
    answers.passes = False
    for number in (3, 4):
        await clock.advance(10)
        await asked(clock, answers, number)
    assert reports == [True]
    await clock.advance(9)
    assert answers.asked == 4
    await clock.advance(1)
    await asked(clock, answers, 5)
    assert reports == [True, False]
    watching.cancel()


async def test_a_success_between_failures_starts_the_count_again() -> None:
    clock, answers = ManualClock(), Answers(passes=False)
    reports: list[bool] = []
    watching = asyncio.create_task(watch(Timing(0, 1, 1, 1, 2), answers, clock, reports.append))
    for number, passes in enumerate((True, False, True, False, False), start=1):
        await asked(clock, answers, number)
        answers.passes = passes
        await clock.advance(1)
    await asked(clock, answers, 6)
    assert reports == [True, True, False]
    watching.cancel()


@pytest.mark.parametrize(("passes", "checks"), [(True, 1), (False, 3)])
async def test_a_startup_probe_ends_with_its_first_verdict(passes: bool, checks: int) -> None:
    clock, answers = ManualClock(), Answers(passes=passes)
    starting = asyncio.create_task(until_started(Timing(0, 2, 1, 1, 3), answers, clock))
    for number in range(1, checks):
        await asked(clock, answers, number)
        await clock.advance(2)
    assert await starting is passes
    assert answers.asked == checks


# Updates.


def pods(*states: str) -> list[Replica]:
    """ "new", "old", with a "!" where it is not available."""
    return [
        Replica(f"{number}", state.startswith("new"), not state.endswith("!"))
        for number, state in enumerate(states)
    ]


NO_GAP = Plan(2, surge=1, unavailable=0)


@pytest.mark.parametrize(
    ("plan", "now", "expected"),
    [
        (Plan(2), pods(), Step(create=2)),
        # One above the count at most, and none goes before another one serves.
        (NO_GAP, pods("old", "old"), Step(create=1)),
        (NO_GAP, pods("old", "old", "new!"), Step()),
        (NO_GAP, pods("old", "old", "new"), Step(delete=("0",))),
        (NO_GAP, pods("old", "new"), Step(create=1)),
        (NO_GAP, pods("old", "new", "new!"), Step()),
        (NO_GAP, pods("old", "new", "new"), Step(delete=("0",))),
        (NO_GAP, pods("new", "new"), Step()),
        # An old one that serves nobody goes as soon as enough others serve.
        (NO_GAP, pods("old!", "old", "new"), Step(delete=("0",))),
        (NO_GAP, pods("old!", "old"), Step(create=1)),
        (Plan(3, surge=0, unavailable=1), pods("old", "old", "old"), Step(delete=("0",))),
        (Plan(3, surge=0, unavailable=1), pods("old", "old"), Step(create=1)),
        # Fewer are wanted.
        (Plan(1), pods("new", "new!"), Step(delete=("1",))),
    ],
)
def test_an_update_goes_pod_by_pod(plan: Plan, now: list[Replica], expected: Step) -> None:
    assert step(plan, now) == expected


def test_recreate_waits_until_the_last_old_pod_is_gone() -> None:
    plan = Plan(1, recreate=True)
    assert step(plan, pods("old")) == Step(delete=("0",))
    assert step(plan, [], ending=1) == Step()
    assert step(plan, []) == Step(create=1)


def test_percentages_of_a_strategy_become_pods() -> None:
    assert Plan.of({}, 4) == Plan(4, surge=1, unavailable=1)
    assert Plan.of({}, 3) == Plan(3, surge=1, unavailable=0)
    rolling = {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "10%"}}}
    assert Plan.of(rolling, 3) == Plan(3, surge=0, unavailable=1)


# Network.


def test_selectors_select() -> None:
    labels = {"a": "1", "b": "2"}
    assert matches({}, labels)
    assert matches({"matchLabels": {"a": "1"}}, labels)
    assert not matches({"matchLabels": {"a": "2"}}, labels)
    for operator, values, expected in (("In", ["1"], True), ("NotIn", ["1"], False), ("Exists", [], True)):
        requirement = {"key": "a", "operator": operator, "values": values}
        assert matches({"matchExpressions": [requirement]}, labels) is expected
    assert matches({"matchExpressions": [{"key": "c", "operator": "DoesNotExist"}]}, labels)


def test_a_policy_lets_through_what_it_names_and_nothing_else() -> None:
    here = [
        Peer("door", "shop", {"app": "door"}, "10.0.0.1", {"http": 8080}),
        Peer("proxy", "ingress", {}, "10.0.0.2"),
    ]
    policy = {
        "metadata": {"namespace": "shop"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "door"}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {
                    "from": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}],
                    "ports": [{"port": "http"}],
                }
            ],
            "egress": [{"to": [{"ipBlock": {"cidr": "10.1.0.0/30", "except": ["10.1.0.0/31"]}}]}],
        },
    }
    rules = filter_rules([policy], here, {"shop": {"name": "shop"}, "ingress": {"name": "ingress"}})
    assert rules == [
        ":e10-0-0-1 - [0:0]",
        ":i10-0-0-1 - [0:0]",
        "-A policy -s 10.0.0.1/32 -j e10-0-0-1",
        "-A e10-0-0-1 -d 10.1.0.2/31 -j RETURN",
        "-A e10-0-0-1 -j REJECT --reject-with icmp-admin-prohibited",
        "-A policy -d 10.0.0.1/32 -j i10-0-0-1",
        "-A i10-0-0-1 -s 10.0.0.2/32 -p tcp --dport 8080 -j RETURN",
        "-A i10-0-0-1 -j REJECT --reject-with icmp-admin-prohibited",
    ]


def query(name: str, kind: int = 1) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def test_names_resolve_to_every_address_and_unknown_ones_to_none() -> None:
    known = {"db.shop.svc.cluster.local": ["10.0.0.1", "10.0.0.2"]}
    response = answer(query("DB.shop.svc.cluster.local"), known.get)
    number, flags, questions, answers = struct.unpack("!HHHH", response[:8])
    assert (number, flags & 15, questions, answers) == (7, 0, 1, 2)
    assert response.endswith(socket.inet_aton("10.0.0.2"))
    assert answer(query("db.shop"), known.get)[3] & 15 == 3
    # There is the name, and no IPv6 address of it.
    other = answer(query("db.shop.svc.cluster.local", kind=28), known.get)
    assert struct.unpack("!HHHH", other[:8])[1:] == (0x8580, 1, 0)


def test_an_ingress_rule_fits_whole_elements_of_a_path() -> None:
    route = Route("a.example", "/api", "s", 80)
    assert route.fits("a.example", "/api")
    assert route.fits("a.example", "/api/v1")
    assert not route.fits("a.example", "/apis")
    assert not route.fits("b.example", "/api")
    assert Route("*.example", "/", "s", 80).fits("b.example", "/")


# Objects and images.


def test_what_the_api_does_not_change_is_a_conflict() -> None:
    store = Store()
    store.put(deployment())
    changed = deployment()
    changed["spec"]["selector"] = {"matchLabels": {"a": "b"}}
    with pytest.raises(Conflict, match="selector"):
        store.put(changed)
    store.put({"kind": "Job", "metadata": {"name": "j"}, "spec": {"template": 1}})
    with pytest.raises(Conflict, match="template"):
        store.put({"kind": "Job", "metadata": {"name": "j"}, "spec": {"template": 2}})


def test_a_dockerfile_says_how_its_last_stage_starts() -> None:
    text = """
FROM base AS first
RUN build
FROM slim AS runtime
ENV PATH=/opt/bin:$PATH \\
    HOME=/tmp
# The user.
USER 10001:10002
ENTRYPOINT ["serve", "--now"]
FROM runtime
COPY --from=first /a /b
"""
    start = Dockerfile.read(text)
    assert start.entrypoint == ["serve", "--now"]
    assert (start.user, start.group) == (10001, 10002)
    assert start.environment["PATH"].startswith("/opt/bin:/usr/")
    with pytest.raises(BuildFailed, match="ONBUILD"):
        Dockerfile.read(text + "ONBUILD RUN x\n")
