"""What the gateway reads out of a learned contract: options, field rules and comments.

The options are read from `FileDescriptorProto`s with the gateway's own copy of `options.proto`, so a service
that was built against a newer one is still understood: what is new to us is simply not seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2

from yunsong.options.v1 import options_pb2

FileProto = descriptor_pb2.FileDescriptorProto


@dataclass(slots=True)
class Contract:
    """The options and comments of a set of files, by full name."""

    rules: dict[str, options_pb2.FieldRules] = field(default_factory=dict)
    access: dict[str, options_pb2.Access] = field(default_factory=dict)
    http: dict[str, http_pb2.HttpRule] = field(default_factory=dict)
    events: dict[str, options_pb2.EventRules] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)
    deprecated: set[str] = field(default_factory=set)

    def add_file(self, file: FileProto) -> None:
        prefix = f"{file.package}." if file.package else ""
        for message in file.message_type:
            self._add_message(prefix + message.name, message)
        for service in file.service:
            for method in service.method:
                self._add_method(f"{prefix}{service.name}.{method.name}", method)
        self._add_comments(file, prefix)

    def _add_message(self, name: str, message: descriptor_pb2.DescriptorProto) -> None:
        if message.options.HasExtension(options_pb2.event):
            self.events[name] = message.options.Extensions[options_pb2.event]
        for member in message.field:
            if member.options.HasExtension(options_pb2.field):
                self.rules[f"{name}.{member.name}"] = member.options.Extensions[options_pb2.field]
            if member.options.deprecated:
                self.deprecated.add(f"{name}.{member.name}")
        for nested in message.nested_type:
            self._add_message(f"{name}.{nested.name}", nested)

    def _add_method(self, name: str, method: descriptor_pb2.MethodDescriptorProto) -> None:
        options = method.options
        if options.HasExtension(options_pb2.access):
            self.access[name] = options.Extensions[options_pb2.access]
        http: Any = annotations_pb2.http  # its stubs do not say that it is an extension
        if options.HasExtension(http):
            self.http[name] = options.Extensions[http]
        if options.deprecated:
            self.deprecated.add(name)

    def _add_comments(self, file: FileProto, prefix: str) -> None:
        for location in file.source_code_info.location:
            text = location.leading_comments or location.trailing_comments
            if not text:
                continue
            name = _element_name(file, prefix, list(location.path))
            if name:
                self.comments[name] = _unwrap(text)


def _element_name(file: FileProto, prefix: str, path: list[int]) -> str | None:
    """The full name of the element that a source location's path points to (see descriptor.proto)."""
    if not path or len(path) % 2:
        return None
    kind, index = path[0], path[1]
    if kind == FileProto.SERVICE_FIELD_NUMBER:
        service = file.service[index]
        if len(path) == 2:
            return prefix + service.name
        if len(path) == 4 and path[2] == descriptor_pb2.ServiceDescriptorProto.METHOD_FIELD_NUMBER:
            return f"{prefix}{service.name}.{service.method[path[3]].name}"
        return None
    if kind == FileProto.ENUM_TYPE_FIELD_NUMBER:
        return _enum_element(prefix, file.enum_type[index], path[2:])
    if kind == FileProto.MESSAGE_TYPE_FIELD_NUMBER:
        return _message_element(prefix, file.message_type[index], path[2:])
    return None


def _message_element(prefix: str, message: descriptor_pb2.DescriptorProto, path: list[int]) -> str | None:
    name = prefix + message.name
    if not path:
        return name
    kind, index = path[0], path[1]
    if kind == descriptor_pb2.DescriptorProto.FIELD_FIELD_NUMBER and len(path) == 2:
        return f"{name}.{message.field[index].name}"
    if kind == descriptor_pb2.DescriptorProto.NESTED_TYPE_FIELD_NUMBER:
        return _message_element(f"{name}.", message.nested_type[index], path[2:])
    if kind == descriptor_pb2.DescriptorProto.ENUM_TYPE_FIELD_NUMBER:
        return _enum_element(f"{name}.", message.enum_type[index], path[2:])
    return None


def _enum_element(prefix: str, enum: descriptor_pb2.EnumDescriptorProto, path: list[int]) -> str | None:
    name = prefix + enum.name
    if not path:
        return name
    if path[0] == descriptor_pb2.EnumDescriptorProto.VALUE_FIELD_NUMBER and len(path) == 2:
        return f"{name}.{enum.value[path[1]].name}"
    return None


def _unwrap(comment: str) -> str:
    """Joins the lines of one paragraph; keeps blank lines and list entries apart."""
    paragraphs: list[str] = []
    for line in comment.strip().splitlines():
        text = line.strip()
        if paragraphs and paragraphs[-1] and text and not text.startswith(("- ", "* ")):
            paragraphs[-1] += " " + text
        else:
            paragraphs.append(text)
    return "\n".join(paragraphs)
