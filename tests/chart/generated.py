"""What stands in the tree but is made from something else: `python -m tests.chart.generated` writes it, a test checks that it is fresh."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.chart import tenants
from tests.chart.chart import CHART, ROOT, objects_of, run
from yunsong_standalone.catalogue import SERVICES
from yunsong_standalone.permissions import publishable_subjects

SHARED = ROOT / "deploy" / "k8s" / "shared" / "tenants"
PLAIN = ROOT / "deploy" / "k8s" / "plain"
_BEGIN, _END = "<!-- values -->\n", "<!-- end of values -->\n"
_LONGEST_DEFAULT = 60
_JOBS_STAY_S = 600


class _Dumper(yaml.SafeDumper):
    """Texts of several lines stay readable."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def outputs() -> dict[Path, str]:
    """Every generated file and its text."""
    return {
        CHART / "charts" / "nats" / "files" / "users.json": nats_users(),
        CHART / "README.md": readme(),
        SHARED / "accounts.conf": tenants.accounts(),
        SHARED / "nats-passwords.yaml": tenants.nats_passwords(),
        SHARED / "tenants.yaml": tenants.objects(),
        **{
            PLAIN / topology / "yunsong.yaml": plain(PLAIN / topology / "values.yaml")
            for topology in ("compact", "distributed")
        },
    }


def nats_users() -> str:
    """What each service's user may publish, by the contract."""
    subjects = {service.name: list(publishable_subjects(service)) for service in SERVICES}
    return json.dumps(subjects, indent=2) + "\n"


def plain(values: Path) -> str:
    """The chart as Helm renders it, for those without Helm. Hooks become plain objects: a pod waits for its secret.

    Finished jobs go by themselves, because one cannot be changed: the next version's could not be applied over it.
    """
    text = run("template", "yunsong", str(CHART), "--namespace", "yunsong", "--values", str(values))
    kept = []
    for each in objects_of(text):
        if each["kind"] == "Pod":  # helm's test
            continue
        annotations = each["metadata"].get("annotations", {})
        for name in [name for name in annotations if name.startswith("helm.sh/")]:
            del annotations[name]
        if not annotations:
            each["metadata"].pop("annotations", None)
        if each["kind"] == "Job":
            each["spec"]["ttlSecondsAfterFinished"] = _JOBS_STAY_S
        for subject in each.get("subjects", []):
            subject["namespace"] = "default"  # the name of none: kustomize puts its own in
        for labels in _labels(each):
            labels.pop("helm.sh/chart", None)
            if "app.kubernetes.io/managed-by" in labels:
                labels["app.kubernetes.io/managed-by"] = "kustomize"
        kept.append(yaml.dump(each, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000))
    head = f"# Made from deploy/helm/yunsong with {values.name} by `python -m tests.chart.generated`; change those instead.\n"
    return head + "---\n".join(kept)


def _labels(each: Any) -> Iterator[dict[str, str]]:
    """Every mapping of labels below an object."""
    if isinstance(each, dict):
        for key, value in each.items():
            if key == "labels" and isinstance(value, dict):
                yield value
            yield from _labels(value)
    elif isinstance(each, list):
        for value in each:
            yield from _labels(value)


def readme() -> str:
    """The chart's page with the table of values in its place."""
    text = (CHART / "README.md").read_text("utf-8")
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    rows = "".join(
        f"| `{path}` | {default} | {description} |\n"
        for path, default, description in documented(schema, values)
    )
    return f"{before}{_BEGIN}| Value | Default | Meaning |\n|---|---|---|\n{rows}{_END}{after}"


def documented(schema: dict[str, Any], values: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Path, default and meaning of every value, from the schema; components only where they differ from `defaults`."""

    def walk(node: dict[str, Any], value: Any, path: str) -> Iterator[tuple[str, str, str]]:
        name = node.get("$ref", "").rpartition("/")[2]
        target = schema["$defs"][name] if name else node
        properties = target.get("properties")
        description = node.get("description") or target.get("description", "")
        if not properties or name in ("resources", "component"):
            yield path, _default(value, name), description.replace("|", "\\|")
            return
        if path:
            yield path, "", f"**{description}**"
        for key, child in properties.items():
            if path and key == "global":
                continue
            yield from walk(child, (value or {}).get(key), f"{path}.{key}" if path else key)

    yield from walk(schema, values, "")


def _default(value: Any, kind: str) -> str:
    if kind == "component":
        return "see `values.yaml`"
    if value in ("", None, [], {}):
        return ""
    if kind == "resources":
        asked, bound = value.get("requests", {}), value.get("limits", {})
        return f"{asked.get('cpu')}, {asked.get('memory')}; at most {bound.get('memory')}"
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return f"`{text}`" if len(text) <= _LONGEST_DEFAULT else "see `values.yaml`"


def main() -> None:
    for path, text in outputs().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            sys.stdout.write(f"written: {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
