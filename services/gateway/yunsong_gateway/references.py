"""What a request names that the gateway keeps: files, which a sender passes on only if it may read them, and users."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from yunsong.auth.v1 import principal_pb2
from yunsong.options.v1 import options_pb2
from yunsong_common.db import Database
from yunsong_common.errors import InvalidArgument, Violation
from yunsong_gateway.files.rights import FileRights
from yunsong_gateway.files.store import File

# What stands beside a file's id and comes from its record.
_RECORDED = ("name", "media_type", "size")

RulesOf = Callable[[FieldDescriptor], options_pb2.FieldRules]


@dataclass(frozen=True, slots=True)
class _Named:
    """One id in a message."""

    holder: Message  # that has it as a field
    path: str
    id: str
    rules: options_pb2.FieldRules


class References:
    """Checks the fields that the contract marks with `file` and with `user`."""

    def __init__(self, rights: FileRights, database: Database) -> None:
        self._rights = rights
        self._database = database
        self._paths = lru_cache(maxsize=4096)(_leads_to_one)

    async def check(self, principal: principal_pb2.Principal, message: Message, rules_of: RulesOf) -> None:
        """Writes name, media type and size beside each file as the upload recorded them.

        Raises InvalidArgument / INVALID_REQUEST for users who are not there or disabled, NotFound / FILE_UNKNOWN for a file that is not
        there or that the principal may not read.
        """
        if not self._paths(message.DESCRIPTOR, rules_of):
            return
        named = list(self._named(message, rules_of, ""))
        await self._check_users([one for one in named if one.rules.user])
        await self._fill_files(principal, [one for one in named if one.rules.file])

    async def _check_users(self, named: list[_Named]) -> None:
        if not named:
            return
        async with self._database.read() as tx:
            rows = await tx.raw.fetch(
                "SELECT id FROM users WHERE enabled AND id = ANY ($1)", [UUID(one.id) for one in named]
            )
        there = {str(row["id"]) for row in rows}
        if wrong := [one for one in named if one.id not in there]:
            raise InvalidArgument(
                reason="INVALID_REQUEST",
                message=f"There is no enabled user {wrong[0].id}.",
                violations=[
                    Violation(one.path, f"there is no enabled user {one.id}", "USER_UNKNOWN") for one in wrong
                ],
            )

    async def _fill_files(self, principal: principal_pb2.Principal, named: list[_Named]) -> None:
        known: dict[str, File] = {}
        for one in named:
            if one.id not in known:
                known[one.id] = await self._rights.readable(principal, one.id)
            for name in _RECORDED:
                if name in one.holder.DESCRIPTOR.fields_by_name:
                    setattr(one.holder, name, getattr(known[one.id], name))

    def _named(self, message: Message, rules_of: RulesOf, path: str) -> Iterator[_Named]:
        for field, value in message.ListFields():
            here = path + field.name
            if field.message_type is None:
                rules = rules_of(field)
                if rules.file or rules.user:
                    yield from (
                        _Named(message, place, one, rules) for place, one in _entries(field, value, here)
                    )
            elif self._paths(field.message_type, rules_of):
                for place, one in _entries(field, value, here):
                    yield from self._named(one, rules_of, f"{place}.")


def _leads_to_one(descriptor: Descriptor, rules_of: RulesOf) -> bool:
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
            elif (rules := rules_of(field)).file or rules.user:
                return True
    return False


def _entries(field: FieldDescriptor, value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The value, or each entry of a list or map, with its path."""
    if not field.is_repeated:
        yield path, value
    elif field.message_type is not None and field.message_type.GetOptions().map_entry:
        yield from ((f"{path}[{key}]", one) for key, one in value.items())
    else:
        yield from ((f"{path}[{index}]", one) for index, one in enumerate(value))
