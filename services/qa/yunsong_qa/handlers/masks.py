"""Changes of which a field mask says what they touch."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from yunsong.options.v1 import options_pb2
from yunsong_common.errors import InvalidArgument, Violation

M = TypeVar("M", bound=Message)


def merged(held: M, new: M, mask: FieldMask) -> M:
    """`held` with the fields that the mask names taken from `new`; lists and messages are replaced, not merged.

    A path is a field, or a field and one below it, such as "phrase.phrases". Raises InvalidArgument / INVALID_REQUEST for any other and
    for fields that the server sets.
    """
    problems = [path for path in mask.paths if not _known(held, path)]
    if problems:
        raise InvalidArgument(
            reason="INVALID_REQUEST",
            message=f"update_mask names what cannot be changed: {', '.join(problems)}",
            violations=[
                Violation("update_mask", f"{path!r} is no field that can be changed", "UNKNOWN_FIELD")
                for path in problems
            ],
        )
    result = type(held)()
    result.CopyFrom(held)
    for path in mask.paths:
        _replace(result, new, path.split("."))
    return result


def _known(message: Message, path: str) -> bool:
    descriptor = message.DESCRIPTOR
    names = path.split(".")
    for index, name in enumerate(names):
        field = descriptor.fields_by_name.get(name)
        if field is None or field.GetOptions().Extensions[options_pb2.field].output_only:
            return False
        last = index == len(names) - 1
        if last:
            return True
        if field.message_type is None or field.is_repeated:
            return False
        descriptor = field.message_type
    return False


def _replace(target: Message, source: Message, names: list[str]) -> None:
    field = target.DESCRIPTOR.fields_by_name[names[0]]
    if len(names) > 1:
        _replace(getattr(target, field.name), getattr(source, field.name), names[1:])
        getattr(target, field.name).SetInParent()
        return
    target.ClearField(field.name)
    if field.is_repeated:
        getattr(target, field.name).extend(getattr(source, field.name))
    elif field.message_type is not None:
        if source.HasField(field.name):
            getattr(target, field.name).CopyFrom(getattr(source, field.name))
    else:
        setattr(target, field.name, getattr(source, field.name))
