"""Settings come from the service's variables, then the shared ones; every wrong one is named at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field, SecretStr

from yunsong_common.settings import ServiceSettings, SettingsError, load

URL = "postgresql://u:p@h/d"


class RouterSettings(ServiceSettings):
    service: ClassVar[str] = "router"

    offer_s: int = Field(default=30, ge=5)
    domains: list[str] = Field(default_factory=list)
    webhook_secret: SecretStr | None = None


class AdapterSettings(ServiceSettings):
    service: ClassVar[str] = "channel-adapter"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in list(os.environ):
        if name.startswith("YUNSONG_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("YUNSONG_DATABASE_URL", URL)
    monkeypatch.setenv("YUNSONG_RELEASE_KEY", "k" * 32)
    return monkeypatch


def test_the_services_own_variable_wins_over_the_shared_one(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("YUNSONG_LOG_LEVEL", "warning")
    environment.setenv("YUNSONG_ROUTER_LOG_LEVEL", "debug")
    environment.setenv("YUNSONG_CONVERSATION_ADDRESS", "conversation:9102")
    settings = load(RouterSettings)
    assert settings.log_level == "DEBUG"
    assert load(AdapterSettings).log_level == "WARNING"
    assert settings.address_of("conversation") == "conversation:9102"
    assert settings.address_of("channel-adapter") == "127.0.0.1:9101"


def test_ports_are_the_services_own_unless_set(environment: pytest.MonkeyPatch) -> None:
    assert (load(RouterSettings).grpc_port, load(RouterSettings).ops_port) == (9103, 9203)
    environment.setenv("YUNSONG_CHANNEL_ADAPTER_GRPC_PORT", "5")
    assert load(AdapterSettings).grpc_port == 5


def test_secrets_can_come_from_files_and_do_not_show(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("f" * 40 + "\n")
    environment.setenv("YUNSONG_RELEASE_KEY_FILE", str(file))
    settings = load(RouterSettings)
    assert settings.release_key.get_secret_value() == "f" * 40
    assert "f" * 40 not in repr(settings)
    assert URL not in repr(settings)


def test_lists_are_written_with_commas_or_as_json(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("YUNSONG_ROUTER_DOMAINS", "a.example, b.example")
    assert load(RouterSettings).domains == ["a.example", "b.example"]
    environment.setenv("YUNSONG_ROUTER_DOMAINS", '["c.example"]')
    assert load(RouterSettings).domains == ["c.example"]


def test_every_wrong_setting_is_named_at_once(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("YUNSONG_DATABASE_URL")
    environment.setenv("YUNSONG_RELEASE_KEY", "short")
    environment.setenv("YUNSONG_ROUTER_OFFER_S", "1")
    environment.setenv("YUNSONG_ROUTER_GRPC_PORT", "many")
    with pytest.raises(SettingsError) as refused:
        load(RouterSettings)
    assert set(refused.value.problems) == {
        "YUNSONG_DATABASE_URL",
        "YUNSONG_RELEASE_KEY",
        "YUNSONG_ROUTER_OFFER_S",
        "YUNSONG_GRPC_PORT",
    }
    assert "short" not in str(refused.value)


def test_a_missing_file_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("YUNSONG_DATABASE_URL_FILE", "/nowhere/url")
    with pytest.raises(SettingsError, match="YUNSONG_DATABASE_URL_FILE"):
        load(RouterSettings)
