"""The context that gRPC hands every operation; who calls comes from yunsong_common instead."""

from __future__ import annotations

from typing import Any, TypeAlias

import grpc

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
