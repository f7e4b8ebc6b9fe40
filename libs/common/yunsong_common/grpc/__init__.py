"""gRPC between services: signed principals, access and field rules from the contract, errors with details."""

from yunsong_common.grpc.client import Channels, as_principal, as_service
from yunsong_common.grpc.principal import Signer, sign, verify
from yunsong_common.grpc.server import Call, GrpcServer, current_call, current_principal
from yunsong_common.grpc.validation import clear_output_only, validate, violations_of

__all__ = [
    "Call",
    "Channels",
    "GrpcServer",
    "Signer",
    "as_principal",
    "as_service",
    "clear_output_only",
    "current_call",
    "current_principal",
    "sign",
    "validate",
    "verify",
    "violations_of",
]
