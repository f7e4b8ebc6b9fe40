"""Small schemas of the custom resources that are used: the fields that stand here and no others, so a misspelt one is found.

They hold what these manifests use, as the projects' own references name it; they are no copy of the projects' schemas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string", "minLength": 1}
_NUMBER: Schema = {"type": "integer"}
_FLAG: Schema = {"type": "boolean"}
_ANY: Schema = {"type": "object"}
_TEXTS: Schema = {"type": "array", "items": _TEXT, "minItems": 1}
_LABELS: Schema = {"type": "object", "additionalProperties": _TEXT, "minProperties": 1}


def _object(required: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": list(required),
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items, "minItems": 1}


def _one(*values: str) -> Schema:
    return {"enum": list(values)}


_DURATION = {"type": "string", "pattern": r"^([0-9]+(ms|s|m|h))+$"}
_PARENT = _object(
    ("name",), name=_TEXT, namespace=_TEXT, sectionName=_TEXT, port=_NUMBER, group=_TEXT, kind=_TEXT
)
_ROUTE_RULE = _object(
    matches=_list(_object(path=_object(("type", "value"), type=_one("PathPrefix", "Exact"), value=_TEXT))),
    filters=_list(
        _object(
            ("type", "requestRedirect"),
            type=_one("RequestRedirect"),
            requestRedirect=_object(scheme=_one("http", "https"), statusCode={"enum": [301, 302]}),
        )
    ),
    timeouts=_object(request=_DURATION, backendRequest=_DURATION),
    backendRefs=_list(_object(("name", "port"), name=_TEXT, port=_NUMBER)),
)
_LISTENER = _object(
    ("name", "port", "protocol"),
    name=_TEXT,
    hostname=_TEXT,
    port=_NUMBER,
    protocol=_one("HTTP", "HTTPS"),
    tls=_object(
        ("certificateRefs",), mode=_one("Terminate"), certificateRefs=_list(_object(("name",), name=_TEXT))
    ),
    allowedRoutes=_object(namespaces=_object((), **{"from": _one("Same", "All", "Selector")})),
)
_ALERT = _object(
    ("alert", "expr", "labels", "annotations"),
    alert={"type": "string", "pattern": "^Yunsong[A-Za-z]+$"},
    expr=_TEXT,
    labels=_object(("severity",), severity=_one("info", "warning", "critical")),
    annotations=_object(("summary", "description"), summary=_TEXT, description=_TEXT),
    **{"for": _DURATION},
)
_METADATA = _object(("name",), name=_TEXT, namespace=_TEXT, labels=_LABELS, annotations=_LABELS)
_TARGET = _object(("name",), apiVersion=_TEXT, kind=_TEXT, name=_TEXT, namespace=_TEXT)

# By API version and kind: the schema of what stands beside apiVersion, kind and metadata.
SCHEMAS: Mapping[tuple[str, str], Schema] = {
    ("gateway.networking.k8s.io/v1", "Gateway"): _object(
        ("gatewayClassName", "listeners"), gatewayClassName=_TEXT, listeners=_list(_LISTENER)
    ),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): _object(
        ("parentRefs", "rules"), parentRefs=_list(_PARENT), hostnames=_TEXTS, rules=_list(_ROUTE_RULE)
    ),
    ("monitoring.coreos.com/v1", "ServiceMonitor"): _object(
        ("selector", "endpoints"),
        selector=_object(("matchLabels",), matchLabels=_LABELS),
        namespaceSelector=_object(("matchNames",), matchNames=_TEXTS),
        endpoints=_list(_object(("port",), port=_TEXT, path=_TEXT, interval=_DURATION, honorLabels=_FLAG)),
        podTargetLabels=_TEXTS,
    ),
    ("monitoring.coreos.com/v1", "PrometheusRule"): _object(
        ("groups",), groups=_list(_object(("name", "rules"), name=_TEXT, rules=_list(_ALERT)))
    ),
    ("postgresql.cnpg.io/v1", "Cluster"): _object(
        ("instances", "storage"),
        instances=_NUMBER,
        imageName=_TEXT,
        description=_TEXT,
        storage=_object(("size",), size=_TEXT, storageClass=_TEXT),
        walStorage=_object(("size",), size=_TEXT),
        resources=_ANY,
        enableSuperuserAccess=_FLAG,
        postgresql=_object(parameters=_LABELS),
        bootstrap=_object(initdb=_object(database=_TEXT, owner=_TEXT, encoding=_TEXT, dataChecksums=_FLAG)),
        monitoring=_object(enablePodMonitor=_FLAG),
        affinity=_object(enablePodAntiAffinity=_FLAG, topologyKey=_TEXT, podAntiAffinityType=_TEXT),
        managed=_object(
            roles=_list(
                _object(
                    ("name", "login", "passwordSecret"),
                    name=_TEXT,
                    ensure=_one("present", "absent"),
                    login=_FLAG,
                    passwordSecret=_object(("name",), name=_TEXT),
                    inRoles=_TEXTS,
                    connectionLimit=_NUMBER,
                )
            )
        ),
    ),
    ("postgresql.cnpg.io/v1", "Database"): _object(
        ("name", "owner", "cluster"),
        name=_TEXT,
        owner=_TEXT,
        cluster=_object(("name",), name=_TEXT),
        databaseReclaimPolicy=_one("retain", "delete"),
        schemas=_list(_object(("name", "owner"), name=_TEXT, owner=_TEXT, ensure=_one("present"))),
    ),
    ("argoproj.io/v1alpha1", "ApplicationSet"): _object(
        ("generators", "template"),
        goTemplate=_FLAG,
        goTemplateOptions=_TEXTS,
        generators=_list(
            _object(
                ("git",),
                git=_object(
                    ("repoURL", "revision", "files"),
                    repoURL=_TEXT,
                    revision=_TEXT,
                    files=_list(_object(("path",), path=_TEXT)),
                ),
            )
        ),
        syncPolicy=_object(preserveResourcesOnDeletion=_FLAG, applicationsSync=_TEXT),
        template=_object(
            ("metadata", "spec"),
            metadata=_object(("name",), name=_TEXT, namespace=_TEXT, labels=_LABELS, finalizers=_TEXTS),
            spec=_object(
                ("project", "source", "destination"),
                project=_TEXT,
                source=_object(
                    ("repoURL", "targetRevision", "path", "helm"),
                    repoURL=_TEXT,
                    targetRevision=_TEXT,
                    path=_TEXT,
                    helm=_object(releaseName=_TEXT, values=_TEXT),
                ),
                destination=_object(("server", "namespace"), server=_TEXT, namespace=_TEXT),
                syncPolicy=_object(
                    automated=_object(prune=_FLAG, selfHeal=_FLAG),
                    syncOptions=_TEXTS,
                    retry=_object(
                        limit=_NUMBER, backoff=_object(duration=_TEXT, factor=_NUMBER, maxDuration=_TEXT)
                    ),
                    managedNamespaceMetadata=_object(labels=_LABELS),
                ),
            ),
        ),
        templatePatch=_TEXT,
    ),
    ("fluxcd.controlplane.io/v1", "ResourceSetInputProvider"): _object(
        ("type", "defaultValues"), type=_one("Static"), defaultValues=_ANY
    ),
    ("fluxcd.controlplane.io/v1", "ResourceSet"): _object(
        ("inputsFrom",),
        inputsFrom=_list(
            _object(
                ("kind", "selector"),
                apiVersion=_TEXT,
                kind=_one("ResourceSetInputProvider"),
                selector=_object(("matchLabels",), matchLabels=_LABELS),
            )
        ),
        resources=_list(_ANY),
        resourcesTemplate=_TEXT,
        serviceAccountName=_TEXT,
        wait=_FLAG,
    ),
    ("source.toolkit.fluxcd.io/v1", "GitRepository"): _object(
        ("url", "interval", "ref"),
        url=_TEXT,
        interval=_DURATION,
        ref=_object(branch=_TEXT, tag=_TEXT, semver=_TEXT),
        ignore=_TEXT,
    ),
    ("kustomize.toolkit.fluxcd.io/v1", "Kustomization"): _object(
        ("interval", "path", "prune", "sourceRef"),
        interval=_DURATION,
        path=_TEXT,
        prune=_FLAG,
        wait=_FLAG,
        timeout=_DURATION,
        sourceRef=_TARGET,
    ),
    ("helm.toolkit.fluxcd.io/v2", "HelmRelease"): _object(
        ("interval", "chart"),
        interval=_DURATION,
        releaseName=_TEXT,
        targetNamespace=_TEXT,
        chart=_object(
            ("spec",),
            spec=_object(
                ("chart", "sourceRef"),
                chart=_TEXT,
                reconcileStrategy=_one("Revision", "ChartVersion"),
                sourceRef=_TARGET,
            ),
        ),
        install=_object(remediation=_object(retries=_NUMBER), createNamespace=_FLAG),
        upgrade=_object(
            remediation=_object(retries=_NUMBER, strategy=_one("rollback"), remediateLastFailure=_FLAG)
        ),
        test=_object(enable=_FLAG),
        timeout=_DURATION,
        values=_ANY,
    ),
}


def is_custom(each: Mapping[str, Any]) -> bool:
    """Whether an object is none of Kubernetes' own."""
    return (each["apiVersion"], each["kind"]) in SCHEMAS


def validate(each: Mapping[str, Any]) -> None:
    """Raises jsonschema.ValidationError for what the schema does not know."""
    metadata = {name: value for name, value in each["metadata"].items() if value is not None}
    jsonschema.validate(metadata, _METADATA)
    jsonschema.validate(each["spec"], SCHEMAS[each["apiVersion"], each["kind"]])
    assert set(each) == {"apiVersion", "kind", "metadata", "spec"}, sorted(each)
