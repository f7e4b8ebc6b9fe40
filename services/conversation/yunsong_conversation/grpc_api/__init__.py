"""The contract's services: proto to domain and back, no rules."""

from yunsong_conversation.grpc_api.contact import ContactServicer
from yunsong_conversation.grpc_api.contact_door import ContactConversationServicer
from yunsong_conversation.grpc_api.conversation import ConversationServicer
from yunsong_conversation.grpc_api.desk import QuickReplyServicer, SavedViewServicer
from yunsong_conversation.grpc_api.internal import InternalServicer
from yunsong_conversation.grpc_api.taxonomy import TaxonomyServicer

__all__ = [
    "ContactConversationServicer",
    "ContactServicer",
    "ConversationServicer",
    "InternalServicer",
    "QuickReplyServicer",
    "SavedViewServicer",
    "TaxonomyServicer",
]
