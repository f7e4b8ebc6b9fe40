"""Where backups go and what seals them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from obstore.store import LocalStore
from pydantic import Field, SecretStr, field_validator

from yunsong_common.settings import ServiceSettings, load
from yunsong_gateway.files.store import open_store
from yunsong_standalone.backup.errors import BackupError
from yunsong_standalone.backup.sealing import BackupKey

_KEY_LENGTH = 32


class BackupSettings(ServiceSettings):
    """Read from `YUNSONG_BACKUP_<NAME>`."""

    service: ClassVar[str] = "backup"

    # Encrypts the backup. Whoever loses it has no backup, so it is kept elsewhere than the backup and the cluster.
    key: SecretStr = SecretStr("")
    # Of an object store, such as endpoint and region; as the gateway's FILES_OPTIONS.
    options: dict[str, str] = Field(default_factory=dict)
    access_key_id: SecretStr = SecretStr("")
    secret_access_key: SecretStr = SecretStr("")

    @field_validator("key")
    @classmethod
    def _key_is_long(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < _KEY_LENGTH:
            raise ValueError("must have at least 32 characters; `openssl rand -hex 32` makes one")
        return value

    def backup_key(self) -> BackupKey | None:
        text = self.key.get_secret_value()
        return BackupKey(text) if text else None

    def open(self, url: str) -> Any:
        """The store at file:///path or s3://bucket/prefix."""
        parts = urlsplit(url)
        if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
            # Without the clean-up a removed backup would leave folders that look like an unfinished one.
            return LocalStore(Path(unquote(parts.path)), mkdir=True, automatic_cleanup=True)
        if parts.scheme == "s3" and parts.netloc:
            return open_store(
                url,
                self.options,
                self.access_key_id.get_secret_value(),
                self.secret_access_key.get_secret_value(),
            )
        raise BackupError(f"{url} is no place for backups: give file:///absolute/path or s3://bucket/prefix")


def settings_alone() -> BackupSettings:
    """For what only looks at backups, on a machine that knows no copy."""
    return load(BackupSettings, database_url="postgresql://nobody", release_key="-" * 32)
