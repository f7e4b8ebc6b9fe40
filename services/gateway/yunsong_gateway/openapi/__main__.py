"""Writes the documents of the door without a running product: `python -m yunsong_gateway.openapi openapi|asyncapi`.

They come from the compiled contract, as the running gateway builds them from what its upstreams say of themselves.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import version
from importlib.resources import files

import orjson
from google.protobuf import descriptor_pb2

from yunsong_gateway.openapi.document import build
from yunsong_gateway.realtime.asyncapi import asyncapi
from yunsong_gateway.transcoding.binding import bindings_of
from yunsong_gateway.transcoding.catalogue import Routes
from yunsong_gateway.transcoding.decode import Decoders
from yunsong_gateway.transcoding.encode import Encoders
from yunsong_gateway.transcoding.reflection import learn
from yunsong_gateway.transcoding.template import RouteTable

_VERSION = version("yunsong-gateway")


def openapi() -> bytes:
    """The OpenAPI document of the whole contract as JSON."""
    contract = descriptor_pb2.FileDescriptorSet.FromString(
        files("yunsong").joinpath("contract.binpb").read_bytes()
    )
    services = [f"{file.package}.{one.name}" for file in contract.file for one in file.service]
    served = {file.name: file.SerializeToString() for file in contract.file}
    learned = learn({"": "\n".join(sorted(services)).encode(), **served})
    bindings = tuple(bindings_of("contract", learned, Decoders(learned.contract), Encoders(learned.contract)))
    return orjson.dumps(build(Routes(RouteTable(), bindings, 1), _VERSION))


_DOCUMENTS: dict[str, Callable[[], bytes]] = {"openapi": openapi, "asyncapi": lambda: asyncapi(_VERSION)}


def main() -> None:
    wanted = sys.argv[1] if len(sys.argv) == 2 else ""
    if wanted not in _DOCUMENTS:
        sys.exit(f"Say which document: {', '.join(_DOCUMENTS)}.")
    sys.stdout.buffer.write(_DOCUMENTS[wanted]())


if __name__ == "__main__":
    main()
