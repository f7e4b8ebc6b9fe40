"""Runs the images themselves, as a hardened cluster would, against a real PostgreSQL and NATS, and plays the main job through them.

    make try-images                                    after `make images`; needs podman or docker, and `make setup`
    .venv/bin/python -m tests.images.run --topology compact --tag 0.1.0

Each container has a read-only root, no capability, no way to new privileges and the image's own user. Both topologies: migrate, start,
`yunsong demo`, a backup that is checked, an orderly end. Takes a few minutes, so it is no part of `make test`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from tests.support.polling import eventually
from yunsong_standalone.catalogue import SERVICES
from yunsong_standalone.embedded import EmbeddedNats, EmbeddedPostgres, NatsUser, free_port
from yunsong_standalone.readiness import readiness

_READY_WITHIN_S = 60
_STOP_S = 30


class Containers:
    """The containers of one run; all share the machine's network, and are gone afterwards."""

    def __init__(self, engine: str, registry: str, tag: str, environment: dict[str, str], work: Path) -> None:
        self._engine = engine
        self._image = f"{registry}yunsong-{{}}:{tag}"
        self._environment = environment
        self._work = work
        self._mark = f"yunsong-try-{secrets.token_hex(3)}"
        self.names: list[str] = []

    def once(self, *command: str, module: str = "yunsong_standalone", **environment: str) -> str:
        """A command in the image that has all six services; its output."""
        name = f"{self._mark}-once-{secrets.token_hex(2)}"
        image = self._image.format("standalone")
        program = ["--entrypoint", "python", image, "-m", module, *command]
        done = subprocess.run(
            [self._engine, "run", "--rm", *self._hardened(name, environment), *program],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def start(self, image: str) -> None:
        name = f"{self._mark}-{image}"
        self.names.append(name)
        _run([self._engine, "run", "--detach", *self._hardened(name, {}), self._image.format(image)])

    def stop(self) -> dict[str, int]:
        """SIGTERM to all; how each ended."""
        codes = {}
        for name in self.names:
            _run([self._engine, "stop", "--time", str(_STOP_S), name])
            codes[name] = int(_run([self._engine, "inspect", "--format", "{{.State.ExitCode}}", name]))
        return codes

    def logs(self) -> str:
        return "\n".join(
            subprocess.run(
                [self._engine, "logs", "--tail", "40", name], capture_output=True, text=True, check=False
            ).stdout
            for name in self.names
        )

    def remove(self) -> None:
        for name in self.names:
            subprocess.run([self._engine, "rm", "--force", name], capture_output=True, check=False)

    def _hardened(self, name: str, environment: dict[str, str]) -> list[str]:
        values = {**self._environment, **environment}
        return [
            *("--name", name, "--network", "host", "--read-only", "--cap-drop", "ALL"),
            *("--security-opt", "no-new-privileges", "--tmpfs", "/tmp:mode=1777"),
            *("--volume", f"{self._work}:/var/lib/yunsong"),
            *shlex.split(os.environ.get("ENGINE_RUN_ARGS", "")),
            *(part for key, value in values.items() for part in ("--env", f"{key}={value}")),
        ]


async def play(topology: str, options: argparse.Namespace, work: Path) -> None:
    postgres = EmbeddedPostgres(work / "postgres", password=secrets.token_hex(8))
    nats = EmbeddedNats(work / "nats", users=[NatsUser("yunsong", secrets.token_hex(8))])
    volume = work / "volume"
    volume.mkdir()
    volume.chmod(0o777)  # the images' user is nobody here
    http = free_port()
    ports = {service.name: (free_port(), free_port()) for service in SERVICES}
    postgres.start()
    nats.start()
    containers = Containers(
        options.engine, options.registry, options.tag, _environment(postgres, nats, http, ports), volume
    )
    try:
        _say("migrate", lambda: containers.once("migrate"))
        began = time.monotonic()
        for image in ["standalone"] if topology == "compact" else [service.name for service in SERVICES]:
            containers.start(image)
        asked = [ports["gateway"][1]] if topology == "compact" else [ops for _, ops in ports.values()]
        for port in asked:
            await eventually(partial(_ready, port), within_s=_READY_WITHIN_S, what=f"readiness at {port}")
        print(f"  ready      {time.monotonic() - began:.1f} s")
        _say(
            "first start", lambda: containers.once("--no-demo-data", module="yunsong_standalone.first_start")
        )
        key = (volume / "home/demo-key").read_text().strip()
        url = f"http://127.0.0.1:{http}"
        played = _say("demo", lambda: containers.once("demo", "--url", url, YUNSONG_API_KEY=key))
        assert "Everything was as it must be." in played, played
        place = "file:///var/lib/yunsong/backups"
        _say("backup", lambda: containers.once("backup", "--to", place))
        _say("check", lambda: containers.once("restore", "--from", place, "--check"))
        codes = containers.stop()
        assert not any(codes.values()), f"not every container ended in order: {codes}"
        print(f"  stopped    {len(codes)} containers, all with exit code 0")
    except BaseException:
        print(containers.logs(), file=sys.stderr)
        raise
    finally:
        containers.remove()
        nats.stop()
        postgres.stop()


def _environment(
    postgres: EmbeddedPostgres, nats: EmbeddedNats, http: int, ports: dict[str, tuple[int, int]]
) -> dict[str, str]:
    values = {
        "YUNSONG_DATABASE_URL": postgres.url(),
        "YUNSONG_NATS_URL": nats.url(),
        "YUNSONG_RELEASE_KEY": secrets.token_hex(32),
        "YUNSONG_CHANNEL_ADAPTER_ENCRYPTION_KEY": secrets.token_hex(32),
        "YUNSONG_BACKUP_KEY": secrets.token_hex(32),
        "YUNSONG_GATEWAY_HTTP_PORT": str(http),
        "YUNSONG_GATEWAY_HTTP_HOST": "127.0.0.1",
        "YUNSONG_GRPC_HOST": "127.0.0.1",
        "YUNSONG_OPS_HOST": "127.0.0.1",
        "YUNSONG_GATEWAY_FILES_URL": "/var/lib/yunsong/files",
        "YUNSONG_HOME": "/var/lib/yunsong/home",
    }
    for service in SERVICES:
        grpc, ops = ports[service.name]
        values[service.variable("GRPC_PORT")] = str(grpc)
        values[service.variable("OPS_PORT")] = str(ops)
        values[service.variable("ADDRESS")] = f"127.0.0.1:{grpc}"
    return values


async def _ready(port: int) -> bool:
    problem = await readiness(port)
    assert not problem, problem
    return True


def _say(step: str, work: object) -> str:
    assert callable(work)
    began = time.monotonic()
    output = str(work())
    print(f"  {step:<11}{time.monotonic() - began:.1f} s", flush=True)
    return output


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{shlex.join(command)}: {done.stderr}")
    return done.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--topology", choices=["compact", "distributed"])
    parser.add_argument(
        "--engine", default=next((name for name in ("podman", "docker") if shutil.which(name)), "docker")
    )
    parser.add_argument("--registry", default=os.environ.get("REGISTRY", "localhost/"))
    parser.add_argument("--tag", default=os.environ.get("TAG", "0.1.0"))
    options = parser.parse_args()
    for topology in [options.topology] if options.topology else ["compact", "distributed"]:
        print(topology, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            asyncio.run(play(topology, options, Path(folder)))


if __name__ == "__main__":
    main()
