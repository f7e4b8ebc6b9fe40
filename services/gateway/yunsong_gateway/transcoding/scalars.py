"""Facts about field types that the ways in and out share.

64-bit integers are plain JSON numbers, unlike in proto3 JSON: they are revisions and sizes, which clients compare, and
none passes 2**53 - 1. What comes in beyond that is refused.
"""

from __future__ import annotations

from google.protobuf.descriptor import Descriptor, FieldDescriptor

SAFE_INTEGER = 2**53 - 1  # the largest integer that every JSON reader keeps exact

INT_BOUNDS: dict[int, tuple[int, int]] = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SINT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SFIXED32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_INT64: (-SAFE_INTEGER, SAFE_INTEGER),
    FieldDescriptor.TYPE_SINT64: (-SAFE_INTEGER, SAFE_INTEGER),
    FieldDescriptor.TYPE_SFIXED64: (-SAFE_INTEGER, SAFE_INTEGER),
    FieldDescriptor.TYPE_UINT64: (0, SAFE_INTEGER),
    FieldDescriptor.TYPE_FIXED64: (0, SAFE_INTEGER),
}

FLOAT_TYPES = frozenset((FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE))


def message_type_of(field: FieldDescriptor) -> Descriptor:
    """The type of a field that is known to hold messages."""
    assert field.message_type is not None
    return field.message_type


def is_map(field: FieldDescriptor) -> bool:
    return bool(
        field.message_type is not None and field.message_type.GetOptions().map_entry and is_repeated(field)
    )


def is_repeated(field: FieldDescriptor) -> bool:
    return bool(field.is_repeated)
