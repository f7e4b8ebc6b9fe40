"""Builds the product's images with whichever engine there is, checks them, and packs a bundle for a place without network.

    python deploy/images/build.py build                     all images for this machine; prints sizes and checks them
    python deploy/images/build.py build gateway router      these alone
    python deploy/images/build.py build --platforms linux/amd64,linux/arm64 --push --registry registry.example/yunsong
    python deploy/images/build.py check                     what `build` checks, for images that are there
    python deploy/images/build.py bundle                    images, chart and how-to in one archive

`make images` and `make bundle` call it. BASE and NODE in the environment name other base images than the Dockerfile's;
ENGINE names docker, podman or buildah; ENGINE_BUILD_ARGS and ENGINE_RUN_ARGS are passed to it.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("gateway", "channel-adapter", "conversation", "router", "bot", "qa")
IMAGES = (*SERVICES, "standalone")
CHART = ROOT / "deploy/helm/yunsong"

_MB = 1_000_000
# What comes on top of the base image, unpacked. Measured: 163 MB that all share, 0.3 to 1 MB of one service, 7 MB with the pages.
_SHARED_AT_MOST = 190 * _MB
_OWN_AT_MOST = 15 * _MB
# Nothing in the image may be able to install or build.
_FORBIDDEN = ("pip", "pip3", "npm", "node", "gcc", "cc", "g++", "make", "ld", "curl", "wget", "git")


class Failed(Exception):
    """What is wrong with an image or the machine, for whoever builds."""


@dataclass(frozen=True)
class Engine:
    """docker, podman or buildah, as far as they differ."""

    name: str

    @property
    def runs(self) -> str:
        """buildah builds, podman looks and runs."""
        return "podman" if self.name == "buildah" else self.name

    def build(self, tag: str, arguments: dict[str, str], platforms: str, *, push: bool) -> None:
        command = [self.name, "build"]
        extra = shlex.split(os.environ.get("ENGINE_BUILD_ARGS", ""))
        if self.name == "docker":
            command = ["docker", "buildx", "build"]
            if push:
                extra += ["--push", "--sbom=true", "--provenance=true"]
            elif not platforms:
                extra += ["--load"]
            extra += ["--platform", platforms] if platforms else []
        else:
            extra += ["--layers"] if self.name == "buildah" else []
            # Several platforms become one manifest list.
            extra += ["--platform", platforms, "--manifest", tag] if platforms else []
        values = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
        named = [] if platforms and self.name != "docker" else ["--tag", tag]
        _run([*command, *extra, *values, *named, "--file", "services/Dockerfile", "."])
        if push and self.name != "docker":
            _run(
                [self.runs, "manifest", "push", "--all", tag, f"docker://{tag}"]
                if platforms
                else [self.runs, "push", tag]
            )

    def layers(self, tag: str) -> list[str]:
        inspected = json.loads(_output([self.runs, "image", "inspect", tag]))[0]
        layers: list[str] = inspected["RootFS"]["Layers"]
        return layers

    def user(self, tag: str) -> str:
        config = json.loads(_output([self.runs, "image", "inspect", tag]))[0]["Config"]
        return str(config.get("User") or "")

    def layer_sizes(self, tag: str) -> list[int]:
        """Of the layers that hold files, the newest first."""
        if self.runs == "podman":  # it knows no plain numbers but in JSON
            sizes = [
                entry["size"] for entry in json.loads(_output(["podman", "history", "--format", "json", tag]))
            ]
        else:
            listed = _output(["docker", "history", "--human=false", "--format", "{{.Size}}", tag])
            sizes = [int(line) for line in listed.split()]
        return [size for size in sizes if size > 0]

    def run(self, tag: str, *arguments: str, entrypoint: str) -> str:
        """As a hardened pod would: nothing to write to, no rights."""
        extra = shlex.split(os.environ.get("ENGINE_RUN_ARGS", ""))
        hardened = [
            "--rm",
            "--read-only",
            "--cap-drop",
            "ALL",
            "--security-opt",
            "no-new-privileges",
            "--network",
            "none",
        ]
        return _output([self.runs, "run", *extra, *hardened, "--entrypoint", entrypoint, tag, *arguments])

    def save(self, tags: list[str], path: Path) -> None:
        several = ["--multi-image-archive"] if self.runs == "podman" else []
        _run([self.runs, "save", *several, "--output", str(path), *tags])


def find_engine() -> Engine:
    """The one that ENGINE names, else the first that works."""
    wanted = os.environ.get("ENGINE", "")
    for name in (wanted,) if wanted else ("docker", "podman", "buildah"):
        if shutil.which(name) is None:
            continue
        asks = (
            ["docker", "version", "--format", "{{.Server.Version}}"]
            if name == "docker"
            else [name, "--version"]
        )
        if subprocess.run(asks, capture_output=True, check=False).returncode == 0:
            return Engine(name)
    raise Failed("no engine works here: install docker, podman or buildah (and start docker's daemon)")


def reference(options: argparse.Namespace, image: str) -> str:
    prefix = f"{options.registry.rstrip('/')}/" if options.registry else "localhost/"
    return f"{prefix}yunsong-{image}:{options.tag}"


def build(engine: Engine, options: argparse.Namespace) -> None:
    for image in options.images or IMAGES:
        arguments = {"SERVICE": image, "VERSION": options.tag, "REVISION": _revision()}
        arguments |= {name: os.environ[name] for name in ("BASE", "NODE") if os.environ.get(name)}
        print(f"image: {image}", flush=True)
        engine.build(reference(options, image), arguments, options.platforms, push=options.push)
    if not options.platforms:
        check(engine, options)


def check(engine: Engine, options: argparse.Namespace) -> None:
    """Print what each image costs; raise Failed for one that is too large, shares too little or can do too much."""
    images = options.images or IMAGES
    problems: list[str] = []
    stacks = {image: engine.layers(reference(options, image)) for image in images}
    shared = {tuple(stack[:-1]) for stack in stacks.values()}
    if len(shared) != 1:
        problems.append(
            "the images differ in more than their last layer: build them all on one machine, from one commit"
        )
    total = 0
    print(f"{'image':<18}{'unpacked':>10}{'of its own':>12}")
    for image in images:
        own, *rest = engine.layer_sizes(reference(options, image))
        ours = sum(rest[:-1])  # the oldest layer is the base image's, or the first of several
        total = max(total, sum(rest))
        print(f"{image:<18}{(own + sum(rest)) / _MB:>8.1f} MB{own / _MB:>9.1f} MB")
        if own > _OWN_AT_MOST:
            problems.append(f"{image}: {own / _MB:.0f} MB of its own, {_OWN_AT_MOST / _MB:.0f} are allowed")
        if len(rest) <= 4 and ours > _SHARED_AT_MOST:
            problems.append(
                f"{image}: {ours / _MB:.0f} MB over the base, {_SHARED_AT_MOST / _MB:.0f} are allowed"
            )
        problems += _contents(engine, reference(options, image), image)
    owns = sum(engine.layer_sizes(reference(options, image))[0] for image in images)
    print(f"{'a node with all':<18}{(total + owns) / _MB:>8.1f} MB")
    if problems:
        raise Failed("\n".join(problems))


def _contents(engine: Engine, tag: str, image: str) -> list[str]:
    user = engine.user(tag).partition(":")[0]
    problems = (
        [] if user.isdigit() and int(user) > 0 else [f"{image}: the user is {user!r}, not a number above 0"]
    )
    look = (
        "import importlib.util, os, shutil, json;"
        f"names = {_FORBIDDEN!r};"
        "print(json.dumps({'tools': [n for n in names if shutil.which(n)], 'pip': importlib.util.find_spec('pip') is not None,"
        "'uid': os.getuid(), 'writable': os.access('/opt/yunsong', os.W_OK)}))"
    )
    found = json.loads(engine.run(tag, "-c", look, entrypoint="python"))
    problems += [f"{image}: {tool} is in it" for tool in found["tools"]]
    problems += [f"{image}: pip is in it"] if found["pip"] else []
    problems += [f"{image}: its own files can be written"] if found["writable"] else []
    return problems


def bundle(engine: Engine, options: argparse.Namespace) -> None:
    """One archive for a cluster without a way out: the images, the chart, the manifests, how to install them."""
    tags = [reference(options, image) for image in options.images or IMAGES]
    out = ROOT / "build" / f"yunsong-{options.tag}-bundle.tar"
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
        images = Path(folder) / "images.tar"
        engine.save(tags, images)
        subprocess.run(["gzip", "-6", str(images)], check=True)
        sbom = ROOT / "build" / "sbom"
        with tarfile.open(out, "w") as archive:
            archive.add(f"{images}.gz", "yunsong/images.tar.gz")
            archive.add(CHART, "yunsong/chart")
            if (ROOT / "deploy/k8s").is_dir():
                archive.add(ROOT / "deploy/k8s", "yunsong/k8s")
            if sbom.is_dir():
                archive.add(sbom, "yunsong/sbom")
            archive.add(ROOT / "deploy/images/AIR-GAPPED.md", "yunsong/README.md")
            archive.add(ROOT / "LICENSE", "yunsong/LICENSE")
    print(f"{out.relative_to(ROOT)}: {out.stat().st_size / _MB:.0f} MB")


def _revision() -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode != 0:
        raise Failed(f"{shlex.join(command)} ended with {done.returncode}")


def _output(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{shlex.join(command)}: {done.stderr.strip()}")
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["build", "check", "bundle"])
    parser.add_argument(
        "images", nargs="*", metavar="IMAGE", help=f"some of {', '.join(IMAGES)}; all when none is named"
    )
    parser.add_argument(
        "--registry", default=os.environ.get("REGISTRY", ""), help="put before the images' names"
    )
    parser.add_argument("--tag", default=os.environ.get("TAG") or _version())
    parser.add_argument(
        "--platforms", default=os.environ.get("PLATFORMS", ""), help="such as linux/amd64,linux/arm64"
    )
    parser.add_argument("--push", action="store_true")
    options = parser.parse_args()
    unknown = set(options.images) - set(IMAGES)
    if unknown:
        parser.error(f"no such image: {', '.join(sorted(unknown))}")
    try:
        {"build": build, "check": check, "bundle": bundle}[options.action](find_engine(), options)
    except Failed as error:
        sys.exit(str(error))


def _version() -> str:
    """The chart's appVersion: what it installs when nothing else is said."""
    for line in (CHART / "Chart.yaml").read_text("utf-8").splitlines():
        name, _, value = line.partition(":")
        if name == "appVersion":
            return value.strip().strip('"')
    raise Failed("the chart names no appVersion")


if __name__ == "__main__":
    main()
