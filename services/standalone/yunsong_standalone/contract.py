"""What the contract says as a whole: every permission that it names."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from google.protobuf.descriptor import FileDescriptor

from yunsong.options.v1 import options_pb2
from yunsong_standalone.catalogue import SERVICES


def files_of(package: str) -> Iterator[FileDescriptor]:
    """The descriptors of one proto package, such as "yunsong.router.v1"."""
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if module.name.endswith("_pb2"):
            yield importlib.import_module(f"{package}.{module.name}").DESCRIPTOR


# Asked for beside the one that an operation names: whoever lacks them sees and changes what is their own alone.
_BESIDE = frozenset(("conversation.read_all", "quick_reply.write", "saved_view.write"))


def all_permissions() -> list[str]:
    """Every permission there is, by name."""
    found = set(_BESIDE)
    for entry in SERVICES:
        for file in files_of(f"yunsong.{entry.package}.v1"):
            for service in file.services_by_name.values():
                for method in service.methods:
                    found.add(method.GetOptions().Extensions[options_pb2.access].permission)
    return sorted(found - {""})
