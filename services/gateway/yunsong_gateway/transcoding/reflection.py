"""Learns a service's contract by gRPC server reflection.

Every learned service gets a descriptor pool of its own, so two services may be at different versions of one file and a
redeployed one replaces what was known of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any, cast

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from yunsong_gateway.transcoding.contract import Contract

_INFRASTRUCTURE = ("grpc.reflection.", "grpc.health.")


@dataclass(frozen=True, slots=True)
class Learned:
    """What reflection says about one server."""

    fingerprint: str
    pool: descriptor_pool.DescriptorPool
    contract: Contract
    services: tuple[ServiceDescriptor, ...]
    files: tuple[descriptor_pb2.FileDescriptorProto, ...]


async def fetch(channel: grpc.aio.Channel, timeout_s: float) -> dict[str, bytes]:
    """Reads the files of all services of a server: file name -> serialised FileDescriptorProto.

    The key "" holds the names of the services, one a line. Raises `grpc.aio.AioRpcError`.
    """
    stub = reflection_pb2_grpc.ServerReflectionStub(cast("Any", channel))
    names = await _list_services(stub, timeout_s)
    files: dict[str, bytes] = {"": "\n".join(names).encode()}
    for name in names:
        # One answer usually holds the files of all services of a server.
        if not any(name in _services_in(data) for file, data in files.items() if file):
            await _collect(
                stub, [reflection_pb2.ServerReflectionRequest(file_containing_symbol=name)], files, timeout_s
            )
    # A server may answer with the file alone; ask for what its imports still lack.
    while missing := _missing(files):
        requests = [reflection_pb2.ServerReflectionRequest(file_by_filename=name) for name in missing]
        before = len(files)
        await _collect(stub, requests, files, timeout_s)
        if len(files) == before:
            raise ValueError(f"the server does not serve the files {', '.join(sorted(missing))}")
    return files


def learn(files: dict[str, bytes]) -> Learned:
    """Builds descriptors out of fetched files. Raises ValueError or TypeError for files that don't fit together."""
    protos = {
        name: descriptor_pb2.FileDescriptorProto.FromString(data) for name, data in files.items() if name
    }
    pool = descriptor_pool.DescriptorPool()
    contract = Contract()
    ordered = _in_order(protos)
    for proto in ordered:
        contract.add_file(proto)
        pool.Add(proto)
    names = files[""].decode().split("\n") if files[""] else []
    services = tuple(pool.FindServiceByName(name) for name in names)
    return Learned(fingerprint_of(files), pool, contract, services, tuple(ordered))


def fingerprint_of(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + hashlib.sha256(files[name]).digest())
    return digest.hexdigest()


async def _list_services(stub: Any, timeout_s: float) -> list[str]:
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    async for response in stub.ServerReflectionInfo(_each([request]), timeout=timeout_s):
        names = (service.name for service in response.list_services_response.service)
        return sorted(name for name in names if not name.startswith(_INFRASTRUCTURE))
    raise ValueError("the server closed the reflection stream without an answer")


async def _collect(
    stub: Any,
    requests: list[reflection_pb2.ServerReflectionRequest],
    files: dict[str, bytes],
    timeout_s: float,
) -> None:
    async for response in stub.ServerReflectionInfo(_each(requests), timeout=timeout_s):
        for data in response.file_descriptor_response.file_descriptor_proto:
            name = descriptor_pb2.FileDescriptorProto.FromString(data).name
            files[name] = data


async def _each(
    requests: Iterable[reflection_pb2.ServerReflectionRequest],
) -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
    for request in requests:
        yield request


def _services_in(data: bytes) -> set[str]:
    file = descriptor_pb2.FileDescriptorProto.FromString(data)
    return {f"{file.package}.{service.name}" for service in file.service}


def _missing(files: dict[str, bytes]) -> set[str]:
    wanted: set[str] = set()
    for name, data in files.items():
        if name:
            wanted.update(descriptor_pb2.FileDescriptorProto.FromString(data).dependency)
    return wanted - files.keys()


def _in_order(
    protos: dict[str, descriptor_pb2.FileDescriptorProto],
) -> list[descriptor_pb2.FileDescriptorProto]:
    """Imports before importers."""
    ordered: dict[str, descriptor_pb2.FileDescriptorProto] = {}

    def visit(name: str) -> None:
        if name in ordered:
            return
        for dependency in protos[name].dependency:
            visit(dependency)
        ordered[name] = protos[name]

    for name in sorted(protos):
        visit(name)
    return list(ordered.values())
