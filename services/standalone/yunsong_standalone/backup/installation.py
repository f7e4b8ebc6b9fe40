"""The copy that is backed up or restored: in a cluster by its settings, on a machine by its folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yunsong_common.settings import load
from yunsong_gateway.files.store import open_store
from yunsong_gateway.settings import GatewaySettings
from yunsong_standalone.backends import start_servers
from yunsong_standalone.backup.errors import BackupError
from yunsong_standalone.backup.sealing import fingerprint
from yunsong_standalone.backup.settings import BackupSettings
from yunsong_standalone.catalogue import SERVICES
from yunsong_standalone.home import AlreadyRunning, Home
from yunsong_standalone.topology import Topology

RELEASE_KEY = "YUNSONG_RELEASE_KEY"
ENCRYPTION_KEY = "YUNSONG_CHANNEL_ADAPTER_ENCRYPTION_KEY"
PREVIOUS_KEYS = "YUNSONG_CHANNEL_ADAPTER_PREVIOUS_ENCRYPTION_KEYS"
_HOME_SECRETS = {RELEASE_KEY: "release_key", ENCRYPTION_KEY: "encryption_key"}


@dataclass(frozen=True, slots=True)
class Installation:
    """Where a copy keeps what a backup holds."""

    database_urls: Mapping[str, str]  # by service
    nats_url: str
    files: Any
    keys: dict[str, str]  # by the name of the setting; empty ones are not set yet
    backup: BackupSettings
    home: Home | None  # of a copy on this machine

    def fingerprints(self) -> dict[str, str]:
        """Of the keys that what is stored needs."""
        return {
            name: fingerprint(self.keys[name]) for name in (RELEASE_KEY, ENCRYPTION_KEY) if self.keys[name]
        }


@contextmanager
def installation(home: Home, environment: Mapping[str, str], *, alone: bool) -> Iterator[Installation]:
    """Find the copy, starting its own servers when it does not run. With `alone` it must not run. Raises BackupError."""
    if any(_read(environment, name) for name in _database_variables()):
        yield _external(environment)
        return
    try:
        with home.locked():
            if not alone and not home.postgres.is_dir():
                raise BackupError(
                    f"there is no copy in {home.folder}: set YUNSONG_HOME, or YUNSONG_DATABASE_URL"
                )
            servers = start_servers(home, Topology.COMPACT, environment)
            try:
                backends = servers.backends
                yield _local(home, environment, backends.database_urls, backends.nats_urls[""])
            finally:
                servers.stop()
    except AlreadyRunning as error:
        running = home.running()
        if alone or not running:
            raise BackupError(f"{error}") from None
        yield _local(home, environment, {"": running["database_url"]}, running["nats_url"])


def keep_keys(home: Home, keys: Mapping[str, str]) -> None:
    """Make restored keys those of the copy in `home`."""
    for name, secret in _HOME_SECRETS.items():
        if keys.get(name):
            home.set_secret(secret, keys[name])


def _local(
    home: Home, environment: Mapping[str, str], urls: Mapping[str, str], nats_url: str
) -> Installation:
    keys = {
        name: _read(environment, name) or (home.secret(secret) if home.has_secret(secret) else "")
        for name, secret in _HOME_SECRETS.items()
    }
    files_url = _read(environment, "YUNSONG_GATEWAY_FILES_URL") or str(home.files)
    # Each service owns its tables, so a restore makes them with its role.
    by_service = {service.name: urls.get(service.name) or urls[""] for service in SERVICES}
    return _installation(by_service, nats_url, keys, home, files_url=files_url)


def _external(environment: Mapping[str, str]) -> Installation:
    shared = _read(environment, "YUNSONG_DATABASE_URL")
    urls = {
        service.name: _read(environment, service.variable("DATABASE_URL")) or shared for service in SERVICES
    }
    lacking = [service.variable("DATABASE_URL") for service in SERVICES if not urls[service.name]]
    nats_url = _read(environment, "YUNSONG_NATS_URL")
    if not nats_url:
        lacking.append("YUNSONG_NATS_URL")
    if lacking:
        raise BackupError(f"not set: {', '.join(lacking)}")
    keys = {name: _read(environment, name) for name in (RELEASE_KEY, ENCRYPTION_KEY, PREVIOUS_KEYS)}
    return _installation(urls, nats_url, keys, None)


def _installation(
    urls: dict[str, str], nats_url: str, keys: dict[str, str], home: Home | None, **files: str
) -> Installation:
    # Settings that a command does not need may be missing where it runs.
    enough = {
        "database_url": urls["gateway"],
        "nats_url": nats_url,
        "release_key": keys[RELEASE_KEY] or "-" * 32,
    }
    gateway = load(GatewaySettings, **enough, **files)
    backup = load(BackupSettings, **enough)
    store = open_store(
        gateway.files_url,
        gateway.files_options,
        gateway.files_access_key_id.get_secret_value(),
        gateway.files_secret_access_key.get_secret_value(),
    )
    return Installation(urls, nats_url, store, keys, backup, home)


def _database_variables() -> list[str]:
    return ["YUNSONG_DATABASE_URL", *(service.variable("DATABASE_URL") for service in SERVICES)]


def _read(environment: Mapping[str, str], variable: str) -> str:
    """A setting, or the file that it names."""
    if path := environment.get(f"{variable}_FILE"):
        return Path(path).read_text("utf-8").strip()
    return environment.get(variable, "")
