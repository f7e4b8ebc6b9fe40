"""The channels that are installed: `web` and `api`, and those of plugins."""

from yunsong_channel_adapter.channels.api import ApiChannel
from yunsong_channel_adapter.channels.catalogue import Catalogue
from yunsong_channel_adapter.channels.web import WebChannel

__all__ = ["ApiChannel", "Catalogue", "WebChannel"]
