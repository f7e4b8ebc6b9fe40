"""Finds a channel by its name, built-in or from a plugin."""

from __future__ import annotations

from yunsong_channel_adapter.channels.api import ApiChannel
from yunsong_channel_adapter.channels.web import WebChannel
from yunsong_common.errors import InvalidArgument
from yunsong_plugin_api import API_VERSION, CHANNELS, Channel, LoadedPlugin, PluginError, load_plugins


class Catalogue:
    """All channels of this process, by name."""

    def __init__(self, channels: dict[str, LoadedPlugin[Channel]] | None = None) -> None:
        self._channels = _installed() if channels is None else channels
        for name, loaded in self._channels.items():
            if loaded.plugin.kind != name:
                raise PluginError(
                    f"the channel plugin {name!r} serves {loaded.plugin.kind!r}; the names must agree"
                )

    def find(self, name: str) -> Channel | None:
        """The channel, or None when it is not installed here."""
        loaded = self._channels.get(name)
        return None if loaded is None else loaded.plugin

    def get(self, name: str) -> Channel:
        """The channel. Raises `InvalidArgument` (CHANNEL_UNKNOWN) that names those that there are."""
        channel = self.find(name)
        if channel is None:
            raise InvalidArgument(
                reason="CHANNEL_UNKNOWN",
                message=f'there is no channel "{name}"; installed are {", ".join(sorted(self._channels))}',
                channel=name,
            )
        return channel

    def all(self) -> list[tuple[Channel, str]]:
        """Every channel by name, with where it comes from: "built-in", or a distribution and its version."""
        return [
            (loaded.plugin, loaded.distribution or "built-in") for _, loaded in sorted(self._channels.items())
        ]


def _installed() -> dict[str, LoadedPlugin[Channel]]:
    builtin: dict[str, Channel] = {"web": WebChannel(), "api": ApiChannel()}
    # The abstract type is what a plugin must offer; nothing is instantiated from it.
    return load_plugins(CHANNELS, Channel, builtin=builtin, api_version=API_VERSION)  # type: ignore[type-abstract]
