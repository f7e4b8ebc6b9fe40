"""The bot's RPCs."""

from yunsong_bot.grpc_api.assist import AssistServicer
from yunsong_bot.grpc_api.knowledge import KnowledgeServicer

__all__ = ["AssistServicer", "KnowledgeServicer"]
