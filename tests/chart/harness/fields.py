"""What the harness understands of each object: a field that stands nowhere here is refused, by its path.

`OBEYED` is represented by the code of this package; `NO_EFFECT` is known to change nothing in a run on one machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

OBEYED = "obeyed"
NO_EFFECT = "no effect here"


class Refused(Exception):
    """The rendered objects hold what the harness does not represent; `paths` names each."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths
        super().__init__(
            "The harness does not represent these, and would test something else:\n  " + "\n  ".join(paths)
        )


@dataclass(frozen=True, slots=True)
class Each:
    """A list whose items look like this."""

    item: Any


@dataclass(frozen=True, slots=True)
class Named:
    """A mapping with names of one's own."""

    value: Any


@dataclass(frozen=True, slots=True)
class OneOf:
    """Only these values."""

    values: tuple[object, ...]


METADATA = {
    "name": OBEYED,
    "namespace": OBEYED,
    "labels": Named(OBEYED),
    "annotations": Named(OBEYED),
}
_SELECTOR = {
    "matchLabels": Named(OBEYED),
    "matchExpressions": Each({"key": OBEYED, "operator": OBEYED, "values": Each(OBEYED)}),
}
_PROBE = {
    "httpGet": {
        "path": OBEYED,
        "port": OBEYED,
        "scheme": OneOf(("HTTP",)),
        "httpHeaders": Each({"name": OBEYED, "value": OBEYED}),
    },
    "tcpSocket": {"port": OBEYED},
    "grpc": {"port": OBEYED, "service": OBEYED},
    "exec": {"command": Each(OBEYED)},
    **dict.fromkeys(
        ("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "successThreshold", "failureThreshold"),
        OBEYED,
    ),
}
_KEY = {"name": OBEYED, "key": OBEYED, "optional": OBEYED}
_VARIABLE = {
    "name": OBEYED,
    "value": OBEYED,
    "valueFrom": {
        "secretKeyRef": _KEY,
        "configMapKeyRef": _KEY,
        "fieldRef": {"fieldPath": OBEYED, "apiVersion": OneOf(("v1",))},
    },
}
_SOURCE = {
    "prefix": OBEYED,
    "configMapRef": {"name": OBEYED, "optional": OBEYED},
    "secretRef": {"name": OBEYED, "optional": OBEYED},
}
_CONTAINER = {
    "name": OBEYED,
    "image": OBEYED,
    "imagePullPolicy": NO_EFFECT,
    "command": Each(OBEYED),
    "args": Each(OBEYED),
    "workingDir": OBEYED,
    "env": Each(_VARIABLE),
    "envFrom": Each(_SOURCE),
    "ports": Each({"name": OBEYED, "containerPort": OBEYED, "protocol": OBEYED}),
    "startupProbe": _PROBE,
    "livenessProbe": _PROBE,
    "readinessProbe": _PROBE,
    "lifecycle": {"preStop": {"sleep": {"seconds": OBEYED}, "exec": {"command": Each(OBEYED)}}},
    # One machine without limits of its own: nothing is scheduled, throttled or killed for its size.
    "resources": {"requests": Named(NO_EFFECT), "limits": Named(NO_EFFECT)},
    "volumeMounts": Each({"name": OBEYED, "mountPath": OBEYED, "subPath": OBEYED, "readOnly": OBEYED}),
    "securityContext": {
        "allowPrivilegeEscalation": OBEYED,
        "readOnlyRootFilesystem": OBEYED,
        "runAsUser": OBEYED,
        "runAsGroup": OBEYED,
        "runAsNonRoot": OBEYED,
        "privileged": OneOf((False,)),
        "capabilities": {"drop": Each(OneOf(("ALL",)))},
        "seccompProfile": NO_EFFECT,
    },
}
_ITEMS = Each({"key": OBEYED, "path": OBEYED, "mode": OBEYED})
_VOLUME = {
    "name": OBEYED,
    "emptyDir": {"medium": NO_EFFECT, "sizeLimit": NO_EFFECT},
    "configMap": {"name": OBEYED, "items": _ITEMS, "defaultMode": OBEYED, "optional": OBEYED},
    "secret": {"secretName": OBEYED, "items": _ITEMS, "defaultMode": OBEYED, "optional": OBEYED},
    "persistentVolumeClaim": {"claimName": OBEYED, "readOnly": OBEYED},
}
POD_SPEC = {
    "containers": Each(_CONTAINER),
    "initContainers": Each(_CONTAINER),
    "restartPolicy": OBEYED,
    "volumes": Each(_VOLUME),
    "serviceAccountName": OBEYED,
    "automountServiceAccountToken": OBEYED,
    "enableServiceLinks": OneOf((False,)),
    "terminationGracePeriodSeconds": OBEYED,
    "activeDeadlineSeconds": OBEYED,
    "hostname": OBEYED,
    "subdomain": OBEYED,
    "securityContext": {
        "runAsNonRoot": OBEYED,
        "runAsUser": OBEYED,
        "runAsGroup": OBEYED,
        "fsGroup": OBEYED,
        "fsGroupChangePolicy": NO_EFFECT,
        "supplementalGroups": Each(OBEYED),
        "seccompProfile": NO_EFFECT,
    },
    # There is one node, and images are here already.
    **dict.fromkeys(
        ("imagePullSecrets", "priorityClassName", "nodeSelector", "tolerations", "affinity", "topologySpreadConstraints"),
        NO_EFFECT,
    ),
}  # fmt: skip
_TEMPLATE = {"metadata": METADATA, "spec": POD_SPEC}
_CLAIM_SPEC = {
    "accessModes": Each(NO_EFFECT),
    "storageClassName": NO_EFFECT,
    "resources": {"requests": {"storage": NO_EFFECT}},
}
_JOB_SPEC = {
    "backoffLimit": OBEYED,
    "activeDeadlineSeconds": OBEYED,
    "ttlSecondsAfterFinished": NO_EFFECT,
    "completions": OneOf((1,)),
    "parallelism": OneOf((1,)),
    "template": _TEMPLATE,
}
_PORTS = Each({"port": OBEYED, "endPort": OBEYED, "protocol": OBEYED})
_PEERS = Each(
    {
        "podSelector": _SELECTOR,
        "namespaceSelector": _SELECTOR,
        "ipBlock": {"cidr": OBEYED, "except": Each(OBEYED)},
    }
)
_BACKEND = {"service": {"name": OBEYED, "port": {"name": OBEYED, "number": OBEYED}}}
_ROUTE_RULE = {
    "matches": Each({"path": {"type": OneOf(("PathPrefix",)), "value": OBEYED}}),
    "backendRefs": Each({"name": OBEYED, "port": OBEYED, "weight": OneOf((1,))}),
    "timeouts": Named(NO_EFFECT),
}

KINDS: dict[str, Any] = {
    "Namespace": {},
    "Deployment": {
        "spec": {
            "replicas": OBEYED,
            "revisionHistoryLimit": NO_EFFECT,
            "progressDeadlineSeconds": OBEYED,
            "minReadySeconds": OBEYED,
            "strategy": {
                "type": OneOf(("RollingUpdate", "Recreate")),
                "rollingUpdate": {"maxSurge": OBEYED, "maxUnavailable": OBEYED},
            },
            "selector": _SELECTOR,
            "template": _TEMPLATE,
        }
    },
    "StatefulSet": {
        "spec": {
            "replicas": OBEYED,
            "serviceName": OBEYED,
            "revisionHistoryLimit": NO_EFFECT,
            "minReadySeconds": OBEYED,
            "podManagementPolicy": OneOf(("OrderedReady", "Parallel")),
            "updateStrategy": {"type": OneOf(("RollingUpdate",))},
            "persistentVolumeClaimRetentionPolicy": NO_EFFECT,
            "selector": _SELECTOR,
            "template": _TEMPLATE,
            "volumeClaimTemplates": Each({
                "apiVersion": NO_EFFECT, "kind": NO_EFFECT, "metadata": METADATA, "spec": _CLAIM_SPEC,
            }),
        }
    },
    "Job": {"spec": _JOB_SPEC},
    "CronJob": {
        # Nothing runs by the clock here: a test asks for a run.
        "spec": {
            **dict.fromkeys(
                ("schedule", "timeZone", "suspend", "concurrencyPolicy", "startingDeadlineSeconds",
                 "successfulJobsHistoryLimit", "failedJobsHistoryLimit"), NO_EFFECT),
            "jobTemplate": {"metadata": METADATA, "spec": _JOB_SPEC},
        }
    },
    "Pod": {"spec": POD_SPEC},
    "Service": {
        "spec": {
            "type": OneOf(("ClusterIP",)),
            "clusterIP": OneOf(("None",)),
            "selector": Named(OBEYED),
            "publishNotReadyAddresses": OBEYED,
            "ports": Each({
                "name": OBEYED, "port": OBEYED, "targetPort": OBEYED, "protocol": OBEYED, "appProtocol": NO_EFFECT,
            }),
        }
    },
    "ConfigMap": {"data": Named(OBEYED), "binaryData": Named(OBEYED), "immutable": NO_EFFECT},
    "Secret": {"type": NO_EFFECT, "data": Named(OBEYED), "stringData": Named(OBEYED), "immutable": OBEYED},
    "PersistentVolumeClaim": {"spec": _CLAIM_SPEC},
    "ServiceAccount": {"automountServiceAccountToken": OBEYED, "imagePullSecrets": NO_EFFECT},
    "Role": {
        "rules": Each({
            "apiGroups": Each(OBEYED), "resources": Each(OBEYED), "verbs": Each(OBEYED), "resourceNames": Each(OBEYED),
        })
    },
    "RoleBinding": {
        "roleRef": {"apiGroup": OBEYED, "kind": OneOf(("Role",)), "name": OBEYED},
        "subjects": Each({"kind": OneOf(("ServiceAccount",)), "name": OBEYED, "namespace": OBEYED}),
    },
    "Ingress": {
        "spec": {
            "ingressClassName": NO_EFFECT,
            "tls": Each({"hosts": Each(OBEYED), "secretName": OBEYED}),
            "rules": Each({
                "host": OBEYED,
                "http": {"paths": Each({"path": OBEYED, "pathType": OneOf(("Prefix",)), "backend": _BACKEND})},
            }),
        }
    },
    "HTTPRoute": {
        "spec": {
            "parentRefs": NO_EFFECT,
            "hostnames": Each(OBEYED),
            "rules": Each(_ROUTE_RULE),
        }
    },
    "NetworkPolicy": {
        "spec": {
            "podSelector": _SELECTOR,
            "policyTypes": Each(OBEYED),
            "ingress": Each({"from": _PEERS, "ports": _PORTS}),
            "egress": Each({"to": _PEERS, "ports": _PORTS}),
        }
    },
    # An autoscaler's least is obeyed; nothing is measured.
    "HorizontalPodAutoscaler": {
        "spec": {
            "scaleTargetRef": {"apiVersion": NO_EFFECT, "kind": OneOf(("Deployment",)), "name": OBEYED},
            "minReplicas": OBEYED,
            "maxReplicas": NO_EFFECT,
            "metrics": NO_EFFECT,
            "behavior": NO_EFFECT,
        }
    },
    # Nothing drains the node; nothing scrapes.
    "PodDisruptionBudget": {"spec": NO_EFFECT},
    "ServiceMonitor": {"spec": NO_EFFECT},
    "PodMonitor": {"spec": NO_EFFECT},
    "PrometheusRule": {"spec": NO_EFFECT},
}  # fmt: skip


def check(objects: list[dict[str, Any]]) -> None:
    """Raises Refused with every path that is not represented."""
    paths = [path for each in objects for path in _unknown_object(each)]
    if paths:
        raise Refused(paths)


def _unknown_object(found: Mapping[str, Any]) -> Iterator[str]:
    kind = found.get("kind", "?")
    name = f"{kind}/{found.get('metadata', {}).get('name', '?')}"
    if kind not in KINDS:
        yield name
        return
    yield from _unknown(
        found, {"apiVersion": OBEYED, "kind": OBEYED, "metadata": METADATA, **KINDS[kind]}, name
    )


def _unknown(found: Any, known: Any, path: str) -> Iterator[str]:
    """The paths below `path` that `known` has nothing to say about; None is Kubernetes' "not set"."""
    if found is None or known in (OBEYED, NO_EFFECT):
        return
    match known:
        case OneOf():
            if found not in known.values:
                yield f"{path}: {found!r}"
        case Each():
            for number, item in enumerate(found):
                yield from _unknown(item, known.item, f"{path}[{number}]")
        case Named():
            for name, value in found.items():
                yield from _unknown(value, known.value, f"{path}.{name}")
        case _:
            for name, value in found.items():
                if name in known:
                    yield from _unknown(value, known[name], f"{path}.{name}")
                else:
                    yield f"{path}.{name}"
