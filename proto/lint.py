"""Checks of the contract that buf has no rule for: who may call an operation, and what an event is about."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from google.protobuf import descriptor_pb2

from yunsong.options.v1 import options_pb2

Messages = dict[str, descriptor_pb2.DescriptorProto]  # by full name with a leading dot

CONTRACT = Path(__file__).resolve().parent.parent / "build" / "contract.binpb"


def main() -> None:
    files = descriptor_pb2.FileDescriptorSet.FromString(CONTRACT.read_bytes()).file
    ours = [file for file in files if file.package.startswith("yunsong.")]
    messages = {f".{file.package}.{message.name}": message for file in ours for message in file.message_type}
    problems = [problem for file in ours for problem in _check(file, messages)]
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


def _check(file: descriptor_pb2.FileDescriptorProto, messages: Messages) -> Iterator[str]:
    for service in file.service:
        for method in service.method:
            access = method.options.Extensions[options_pb2.access]
            name = f"{file.name}: {service.name}.{method.name}"
            if not (
                access.permission or access.services or access.staff or access.contact or access.anonymous
            ):
                yield f"{name} says nobody may call it: add option (yunsong.options.v1.access)"
    for message in file.message_type:
        if not message.options.HasExtension(options_pb2.event):
            continue
        path = message.options.Extensions[options_pb2.event].entity_field
        if not _leads_to_text(f".{file.package}.{message.name}", path, messages):
            yield f"{file.name}: {message.name} needs an entity_field that leads to a text, has {path!r}"


def _leads_to_text(message: str, path: str, messages: Messages) -> bool:
    """Whether the dotted `path` ends at a text field; its value is the last part of the event's subject."""
    name, _, rest = path.partition(".")
    for field in messages[message].field:
        if field.name == name:
            if rest:
                return field.type_name in messages and _leads_to_text(field.type_name, rest, messages)
            return field.type == descriptor_pb2.FieldDescriptorProto.TYPE_STRING
    return False


if __name__ == "__main__":
    main()
