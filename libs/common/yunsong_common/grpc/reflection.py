"""Server reflection that keeps the contract's comments, so that whoever reads it can document the service.

Generated code has no comments; `make proto` leaves them beside it, in `yunsong/contract.binpb`. Without that file the service is
described as the standard servicer would.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import lru_cache
from importlib import resources
from typing import Any

from google.protobuf import descriptor_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

SERVICE_NAME = reflection.SERVICE_NAME
_CONTRACT = "contract.binpb"


class DocumentedReflection(reflection.aio.ReflectionServicer):
    """Describes services of the default descriptor pool."""

    async def ServerReflectionInfo(  # type: ignore[override] # the stubs miss that it is a generator
        self, request_iterator: Any, unused_context: Any
    ) -> AsyncIterator[reflection_pb2.ServerReflectionResponse]:
        known = documented_files()
        responses: Any = super().ServerReflectionInfo(request_iterator, unused_context)
        async for response in responses:
            if response.HasField("file_descriptor_response"):
                files = response.file_descriptor_response.file_descriptor_proto
                for index, data in enumerate(files):
                    name = descriptor_pb2.FileDescriptorProto.FromString(data).name
                    files[index] = known.get(name, data)
            yield response


@lru_cache(maxsize=1)
def documented_files() -> dict[str, bytes]:
    """The contract's own files with their comments, by name."""
    source = resources.files("yunsong") / _CONTRACT
    if not source.is_file():
        return {}
    files = descriptor_pb2.FileDescriptorSet.FromString(source.read_bytes()).file
    return {file.name: file.SerializeToString() for file in files if file.name.startswith("yunsong/")}
