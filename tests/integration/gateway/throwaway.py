# ruff: noqa: N802 - the names are the contract's
"""Services that no code knows: compiled from proto text while a test runs, each in a descriptor pool of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import google.api
import grpc
import grpc_tools
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_tools import protoc

PROTO = Path(__file__).resolve().parents[3] / "proto"


def compile_proto(folder: Path, name: str, text: str) -> descriptor_pb2.FileDescriptorSet:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    out = folder / f"{name}.binpb"
    status = protoc.main(
        [
            "protoc",
            f"--proto_path={folder}",
            f"--proto_path={PROTO}",
            f"--proto_path={Path(next(iter(google.api.__path__))).parent.parent}",
            f"--proto_path={Path(grpc_tools.__file__).parent / '_proto'}",
            f"--descriptor_set_out={out}",
            "--include_imports",
            "--include_source_info",
            name,
        ]
    )
    assert status == 0
    return descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())


Handler = Callable[[Any, type[Any]], Any]


class ThrowAway:
    """A gRPC server out of a descriptor set, with reflection that keeps the comments."""

    def __init__(
        self, files: descriptor_pb2.FileDescriptorSet, handlers: dict[str, Handler], port: int = 0
    ) -> None:
        self._pool = descriptor_pool.DescriptorPool()
        for file in files.file:
            self._pool.Add(file)
        self._files = {file.name: file.SerializeToString() for file in files.file}
        self.metadata: list[dict[str, str]] = []
        self.server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        services: dict[str, dict[str, Any]] = {}
        for full_name, handler in handlers.items():
            service, _, method = full_name.rpartition(".")
            services.setdefault(service, {})[method] = self._handler(service, method, handler)
        self._names = list(services)
        for service, methods in services.items():
            self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
        add_reflection: Any = reflection_pb2_grpc.add_ServerReflectionServicer_to_server
        add_reflection(self, self.server)
        self.port = self.server.add_insecure_port(f"127.0.0.1:{port}")

    def _handler(self, service: str, method: str, handler: Handler) -> Any:
        descriptor = self._pool.FindServiceByName(service).methods_by_name[method]
        request_type = message_factory.GetMessageClass(descriptor.input_type)
        response_type = message_factory.GetMessageClass(descriptor.output_type)

        async def serve(request: Any, context: Any) -> Any:
            self.metadata.append({key: str(value) for key, value in context.invocation_metadata()})
            return handler(request, response_type)

        return grpc.unary_unary_rpc_method_handler(
            serve, request_type.FromString, lambda message: message.SerializeToString()
        )

    async def ServerReflectionInfo(self, requests: Any, context: Any) -> Any:
        async for request in requests:
            if request.HasField("list_services"):
                yield reflection_pb2.ServerReflectionResponse(
                    list_services_response=reflection_pb2.ListServiceResponse(
                        service=[reflection_pb2.ServiceResponse(name=name) for name in self._names]
                    )
                )
            else:
                yield reflection_pb2.ServerReflectionResponse(
                    file_descriptor_response=reflection_pb2.FileDescriptorResponse(
                        file_descriptor_proto=list(self._files.values())
                    )
                )
