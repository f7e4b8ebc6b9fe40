"""The contract's services: proto to domain and back. No rules."""

from yunsong_router.grpc_api.agents import AgentService
from yunsong_router.grpc_api.contact_wait import ContactWaitService
from yunsong_router.grpc_api.dispatch import DispatchService
from yunsong_router.grpc_api.queues import QueueService

__all__ = ["AgentService", "ContactWaitService", "DispatchService", "QueueService"]
