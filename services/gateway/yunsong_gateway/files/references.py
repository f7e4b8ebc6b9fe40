"""Files that a request names: a sender can pass on only what it may read itself, and as what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from yunsong.auth.v1 import principal_pb2
from yunsong.options.v1 import options_pb2
from yunsong_gateway.files.rights import FileRights
from yunsong_gateway.files.store import File

# What stands beside a file's id and comes from its record.
_RECORDED = ("name", "media_type", "size")

RulesOf = Callable[[FieldDescriptor], options_pb2.FieldRules]


class FileReferences:
    """Checks the fields that the contract marks with `file`."""

    def __init__(self, rights: FileRights) -> None:
        self._rights = rights
        self._paths = lru_cache(maxsize=4096)(_leads_to_file)

    async def check(self, principal: principal_pb2.Principal, message: Message, rules_of: RulesOf) -> None:
        """Writes name, media type and size beside each file as the upload recorded them.

        Raises NotFound / FILE_UNKNOWN for a file that is not there or that the principal may not read.
        """
        if not self._paths(message.DESCRIPTOR, rules_of):
            return
        known: dict[str, File] = {}
        for holder, file_id in list(self._named(message, rules_of)):
            if file_id not in known:
                known[file_id] = await self._rights.readable(principal, file_id)
            for name in _RECORDED:
                if name in holder.DESCRIPTOR.fields_by_name:
                    setattr(holder, name, getattr(known[file_id], name))

    def _named(self, message: Message, rules_of: RulesOf) -> Iterator[tuple[Message, str]]:
        """Each file's id, and the message that has it as a field."""
        for field, value in message.ListFields():
            if field.message_type is None:
                if rules_of(field).file:
                    yield from ((message, one) for one in (value if field.is_repeated else (value,)))
            elif self._paths(field.message_type, rules_of):
                for one in _messages(field, value):
                    yield from self._named(one, rules_of)


def _leads_to_file(descriptor: Descriptor, rules_of: RulesOf) -> bool:
    seen: set[str] = set()
    stack = [descriptor]
    while stack:
        current = stack.pop()
        if current.full_name in seen:
            continue
        seen.add(current.full_name)
        for field in current.fields:
            if field.message_type is not None:
                stack.append(field.message_type)
            elif rules_of(field).file:
                return True
    return False


def _messages(field: FieldDescriptor, value: Any) -> Iterator[Message]:
    if not field.is_repeated:
        yield value
    elif field.message_type is not None and field.message_type.GetOptions().map_entry:
        yield from value.values()
    else:
        yield from value
