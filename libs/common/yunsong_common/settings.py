"""Configuration from the environment: `YUNSONG_<SERVICE>_<NAME>`, shared values from `YUNSONG_<NAME>`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

SERVICES = ("gateway", "channel-adapter", "conversation", "router", "bot", "qa")
_GRPC_PORT = {name: 9100 + index for index, name in enumerate(SERVICES)}
_OPS_PORT = {name: 9200 + index for index, name in enumerate(SERVICES)}

S = TypeVar("S", bound="ServiceSettings")


class SettingsError(Exception):
    """Every setting that is missing or wrong, by the name of its variable."""

    def __init__(self, problems: dict[str, str]) -> None:
        lines = [f"  {variable}: {problem}" for variable, problem in problems.items()]
        super().__init__("The configuration is not usable:\n" + "\n".join(lines))
        self.problems = problems


class ServiceSettings(BaseSettings):
    """What every service can be told. A service subclasses it, sets `service` and adds its own fields.

    A field `max_wait_s` of the router is read from `YUNSONG_ROUTER_MAX_WAIT_S`, then from `YUNSONG_MAX_WAIT_S`.
    A `SecretStr` field can come from a file instead: `..._<NAME>_FILE` holds its path.
    """

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    service: ClassVar[str] = ""

    database_url: SecretStr
    nats_url: SecretStr = SecretStr("nats://127.0.0.1:4222")
    # Signs the principals that services send each other; the same in all of them.
    release_key: SecretStr
    log_level: str = "INFO"
    # The gRPC endpoint of an OpenTelemetry collector, such as "http://collector:4317"; empty switches tracing off.
    otlp_endpoint: str = ""

    grpc_host: str = "0.0.0.0"  # noqa: S104 - a pod serves its network; policy bounds who reaches it
    grpc_port: int = Field(default=0, ge=0, le=65535)
    ops_host: str = "0.0.0.0"  # noqa: S104 - probes come from outside the pod
    ops_port: int = Field(default=0, ge=0, le=65535)
    http_host: str = "0.0.0.0"  # noqa: S104 - the public door
    http_port: int = Field(default=8080, ge=0, le=65535)

    gateway_address: str = "127.0.0.1:9100"
    channel_adapter_address: str = "127.0.0.1:9101"
    conversation_address: str = "127.0.0.1:9102"
    router_address: str = "127.0.0.1:9103"
    bot_address: str = "127.0.0.1:9104"
    qa_address: str = "127.0.0.1:9105"

    database_pool: int = Field(default=10, ge=1, le=200)
    # How many calls one process works on before it answers RESOURCE_EXHAUSTED.
    grpc_max_calls: int = Field(default=1000, ge=1, le=100_000)
    # How many days outbox rows stay as the change log.
    outbox_days: int = Field(default=7, ge=1, le=90)
    # Seconds between SIGTERM and the end of the process, at most.
    grace_s: float = Field(default=20.0, ge=1, le=300)
    # Moves `Transaction.now()`; for tests of what waits for days.
    clock_offset_s: float = 0.0

    @field_validator("database_url")
    @classmethod
    def _database_url_is_postgresql(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must start with postgresql://")
        return value

    @field_validator("release_key")
    @classmethod
    def _release_key_is_long(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < 32:
            raise ValueError("must have at least 32 characters; `openssl rand -hex 32` makes one")
        return value

    @field_validator("log_level")
    @classmethod
    def _log_level_is_known(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return value.upper()

    def model_post_init(self, _context: Any, /) -> None:
        """Gives ports that were not set the service's own."""
        if "grpc_port" not in self.model_fields_set:
            object.__setattr__(self, "grpc_port", _GRPC_PORT.get(self.service, 0))
        if "ops_port" not in self.model_fields_set:
            object.__setattr__(self, "ops_port", _OPS_PORT.get(self.service, 0))

    def address_of(self, service: str) -> str:
        """Where a service's gRPC listens, as host:port. `service` is a name such as "channel-adapter"."""
        return str(getattr(self, f"{service.replace('-', '_')}_address"))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Explicit arguments first, then the environment; nothing else."""
        del env_settings, dotenv_settings, file_secret_settings
        return init_settings, _EnvironmentSource(settings_cls)


def load(settings: type[S], **overrides: Any) -> S:
    """Reads the settings of a service.

    Raises `SettingsError` that names every variable that is missing or wrong, all at once. `overrides` win over the environment;
    tests and the compact topology use them.
    """
    problems: dict[str, str] = {}
    try:
        return settings(**overrides)
    except _UnreadableFile as error:
        problems[error.variable] = str(error)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            name = str(item["loc"][0]) if item["loc"] else ""
            missing = item["type"] == "missing"
            problems[variable_of(settings, name)] = "is not set" if missing else _plain(item["msg"])
    raise SettingsError(problems)


def variable_of(settings: type[ServiceSettings], name: str) -> str:
    """The variable a field is read from: the shared name for shared fields, else the service's own."""
    if name in ServiceSettings.model_fields:
        return f"YUNSONG_{name.upper()}"
    return f"YUNSONG_{_prefix(settings)}{name.upper()}"


class _UnreadableFile(Exception):
    def __init__(self, variable: str, path: str, cause: OSError) -> None:
        super().__init__(f"names the file {path}, which cannot be read: {cause.strerror}")
        self.variable = variable


class _EnvironmentSource(PydanticBaseSettingsSource):
    """Reads each field from the service's variable or the shared one, and secrets from files too."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Part of pydantic's interface."""
        value = self._read(field_name, os.environ, _is_secret(field.annotation))
        return value, field_name, False

    def __call__(self) -> dict[str, Any]:
        """All values that are set, by field name."""
        values: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            value, _, _ = self.get_field_value(field, name)
            if value is not None:
                values[name] = self.prepare_field_value(name, field, value, self._is_complex(field))
        return values

    def _is_complex(self, field: Any) -> bool:
        return self.field_is_complex(field)

    def prepare_field_value(self, field_name: str, field: Any, value: Any, value_is_complex: bool) -> Any:
        """Lists and mappings are written as JSON; a list may also be written with commas."""
        if not value_is_complex or not isinstance(value, str):
            return value
        text = value.strip()
        if text.startswith(("[", "{")):
            return self.decode_complex_value(field_name, field, text)
        return [part.strip() for part in text.split(",") if part.strip()]

    def _read(self, name: str, env: Mapping[str, str], secret: bool) -> str | None:
        prefix = _prefix(self.settings_cls)
        for variable in dict.fromkeys((f"YUNSONG_{prefix}{name.upper()}", f"YUNSONG_{name.upper()}")):
            if secret and (path := env.get(f"{variable}_FILE")):
                try:
                    return Path(path).read_text(encoding="utf-8").strip()
                except OSError as error:
                    raise _UnreadableFile(f"{variable}_FILE", path, error) from error
            if (value := env.get(variable)) is not None and value != "":
                return value
        return None


def _prefix(settings: type[BaseSettings]) -> str:
    service = str(getattr(settings, "service", ""))
    return f"{service.replace('-', '_').upper()}_" if service else ""


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or SecretStr in getattr(annotation, "__args__", ())


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ")
