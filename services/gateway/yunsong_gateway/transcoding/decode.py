"""JSON values to protobuf: one compiled decoder per message type, which reports every violation at once.

The input is what `orjson` gives, with the path's and the query's values put in as `Text` (see `binding.py`), so one
pass checks all of a request. Differences from proto3 JSON: names are snake_case only, enum values are lower case
without the type's prefix, an unknown field is an error, and a 64-bit integer may be a number or text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from yunsong.options.v1 import options_pb2
from yunsong_common.errors import Violation
from yunsong_gateway.transcoding import wellknown
from yunsong_gateway.transcoding.contract import Contract
from yunsong_gateway.transcoding.fields import (
    MAX_VIOLATIONS,
    Reader,
    Report,
    list_reader,
    map_reader,
    message_reader,
    scalar_reader,
    well_known_reader,
)
from yunsong_gateway.transcoding.scalars import is_map, is_repeated, message_type_of
from yunsong_gateway.transcoding.wellknown import Text

MAX_DEPTH = 32
_NO_RULES = options_pb2.FieldRules()

__all__ = ["MAX_DEPTH", "MAX_VIOLATIONS", "Decoders", "PathText"]


class PathText(Text):
    """A value out of the path: it may set an `output_only` field such as an id."""


@dataclass(slots=True)
class _Field:
    name: str
    required: bool
    output_only: bool
    oneof: str | None
    implicit: bool  # a plain scalar: its default value counts as not set
    read: Reader


class Decoders:
    """The decoders of one contract, compiled when first used."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._compiled: dict[str, _MessageDecoder] = {}

    def decode(
        self, message: Message, value: Any, *, partial: tuple[str, frozenset[str]] | None = None
    ) -> list[Violation]:
        """Fills `message` from a JSON object; returns what is wrong with it.

        `partial` names a field and those of its members that an update mask lists: of that field only these
        are required.
        """
        report = Report()
        descriptor: Any = message.DESCRIPTOR
        self.for_type(descriptor).read(message, value, "", report, 0, partial)
        return report.violations

    def for_type(self, descriptor: Descriptor) -> _MessageDecoder:
        found = self._compiled.get(descriptor.full_name)
        if found is None:
            found = self._compiled[descriptor.full_name] = _MessageDecoder(self, descriptor)
        return found

    def rules_of(self, field: FieldDescriptor) -> options_pb2.FieldRules:
        return self._contract.rules.get(field.full_name, _NO_RULES)


class _MessageDecoder:
    def __init__(self, decoders: Decoders, descriptor: Descriptor) -> None:
        self._decoders = decoders
        self._descriptor = descriptor
        self._fields: dict[str, _Field] | None = None  # compiled late: types may be recursive

    def fields(self) -> dict[str, _Field]:
        if self._fields is None:
            self._fields = {
                field.name: _compile_field(self._decoders, field) for field in self._descriptor.fields
            }
        return self._fields

    def read(
        self,
        message: Message,
        value: Any,
        path: str,
        report: Report,
        depth: int,
        partial: tuple[str, frozenset[str]] | None = None,
        only: frozenset[str] | None = None,
    ) -> None:
        if type(value) is not dict:
            report.add(path, "TYPE", f"must be an object, not {wellknown.kind_of(value)}")
            return
        if depth > MAX_DEPTH:
            report.add(path, "TOO_DEEP", f"is nested deeper than {MAX_DEPTH} levels")
            return
        fields = self.fields()
        prefix = f"{path}." if path else ""
        chosen: dict[str, str] = {}
        given: set[str] = set()
        for key, entry in value.items():
            field = fields.get(key)
            if field is None:
                report.add(prefix + key[:100], "UNKNOWN_FIELD", "is not a field of this request")
                continue
            if entry is None or (field.output_only and type(entry) is not PathText):
                continue
            if field.oneof is not None:
                other = chosen.setdefault(field.oneof, key)
                if other != key:
                    report.add(prefix + key, "ONEOF", f"excludes {prefix}{other}; give only one of them")
                    continue
            if not field.implicit or entry or entry is False:
                given.add(key)
            if partial is not None and partial[0] == key:
                self._read_partial(message, entry, prefix + key, report, depth, partial[1])
            else:
                field.read(message, entry, prefix + key, report, depth)
        for name, field in fields.items():
            if field.required and name not in given and (only is None or name in only):
                report.refuses(prefix + name, ("REQUIRED", "is required"))

    def _read_partial(
        self, message: Message, entry: Any, path: str, report: Report, depth: int, only: frozenset[str]
    ) -> None:
        name = path.rpartition(".")[2]
        member = self._descriptor.fields_by_name[name]
        target = getattr(message, name)
        target.SetInParent()
        decoder = self._decoders.for_type(message_type_of(member))
        decoder.read(target, entry, path, report, depth + 1, None, only)


def _compile_field(decoders: Decoders, field: FieldDescriptor) -> _Field:
    rules = decoders.rules_of(field)
    oneof = field.containing_oneof
    if is_map(field):
        read = map_reader(decoders, field, rules)
    elif is_repeated(field):
        read = list_reader(decoders, field, rules)
    elif field.message_type is not None and field.message_type.full_name not in wellknown.READERS:
        read = message_reader(decoders, field)
    elif field.message_type is not None:
        read = well_known_reader(field)
    else:
        read = scalar_reader(field, rules)
    return _Field(
        name=field.name,
        required=rules.required,
        output_only=rules.output_only,
        oneof=oneof.name if oneof is not None and len(oneof.fields) > 1 else None,
        implicit=not field.has_presence,
        read=read,
    )
