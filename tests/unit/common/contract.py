"""A contract that exists only here: messages with rules and services with and without access."""

from __future__ import annotations

from google.protobuf import descriptor_pb2, descriptor_pool, field_mask_pb2, message_factory, struct_pb2
from google.protobuf.message import Message

from yunsong.options.v1 import options_pb2

PACKAGE = "yunsong.unittest.v1"

_F = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "string": _F.TYPE_STRING,
    "bytes": _F.TYPE_BYTES,
    "int32": _F.TYPE_INT32,
    "double": _F.TYPE_DOUBLE,
    "bool": _F.TYPE_BOOL,
}


def _field(
    message: descriptor_pb2.DescriptorProto,
    name: str,
    kind: str,
    *,
    repeated: bool = False,
    optional: bool = False,
    **rules: object,
) -> None:
    field = message.field.add(name=name, number=len(message.field) + 1)
    field.label = _F.LABEL_REPEATED if repeated else _F.LABEL_OPTIONAL
    if kind in _TYPES:
        field.type = _TYPES[kind]
    else:
        field.type = _F.TYPE_ENUM if kind == "Color" else _F.TYPE_MESSAGE
        field.type_name = f".{kind}" if "." in kind else f".{PACKAGE}.{kind}"
    if optional:
        field.proto3_optional = True
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{name}")
    if rules:
        field.options.Extensions[options_pb2.field].CopyFrom(options_pb2.FieldRules(**rules))  # type: ignore[arg-type]


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="yunsong/unittest/v1/unittest.proto", package=PACKAGE, syntax="proto3"
    )
    file.dependency.extend(
        [options_pb2.DESCRIPTOR.name, field_mask_pb2.DESCRIPTOR.name, struct_pb2.DESCRIPTOR.name]
    )
    color = file.enum_type.add(name="Color")
    for number, name in enumerate(("COLOR_UNSPECIFIED", "COLOR_RED")):
        color.value.add(name=name, number=number)

    skill = file.message_type.add(name="Skill")
    _field(skill, "name", "string", required=True, max_length=5)
    _field(skill, "level", "int32", required=True, min=1, max=5)

    queue = file.message_type.add(name="Queue")
    _field(queue, "id", "string", output_only=True, format=options_pb2.UUID)
    _field(queue, "name", "string", required=True, min_length=2, max_length=6)
    _field(queue, "priority", "int32", min=1, max=99)
    _field(queue, "limit", "int32", optional=True, min=1)
    _field(queue, "skills", "Skill", repeated=True, max_items=2)
    _field(queue, "color", "Color", required=True)
    _field(queue, "code", "string", pattern="[a-z]+[0-9]*")
    _field(queue, "rate", "double", max=0.5)
    _field(queue, "tags", "string", repeated=True, max_length=3, min_items=1)
    _field(queue, "parent", "Queue")
    _field(queue, "time_zone", "string", format=options_pb2.TIME_ZONE)
    _field(queue, "agent_ids", "string", repeated=True, format=options_pb2.UUID)
    _field(queue, "extra", "google.protobuf.Struct")

    update = file.message_type.add(name="UpdateRequest")
    _field(update, "queue", "Queue", required=True)
    _field(update, "update_mask", "google.protobuf.FieldMask")

    formats = file.message_type.add(name="Formats")
    for value in options_pb2.Format.DESCRIPTOR.values:
        if value.number:
            _field(formats, value.name.lower(), "string", format=value.number)

    plain = file.message_type.add(name="Plain")
    _field(plain, "text", "string")

    event = file.message_type.add(name="HTTPThingHappened")
    _field(event, "about", "Queue")
    event.options.Extensions[options_pb2.event].entity_field = "about.id"
    live = file.message_type.add(name="Typing")
    _field(live, "entity", "string")
    live.options.Extensions[options_pb2.event].entity_field = "entity"
    live.options.Extensions[options_pb2.event].live = True

    services: dict[str, dict[str, options_pb2.Access | None]] = {
        "GoodService": {"Read": options_pb2.Access(permission="x.read", services=["router"])},
        "OpenService": {"Read": options_pb2.Access(staff=True), "Forgotten": None},
    }
    for name, accesses in services.items():
        service = file.service.add(name=name)
        for method, access in accesses.items():
            entry = service.method.add(
                name=method, input_type=f".{PACKAGE}.Plain", output_type=f".{PACKAGE}.Plain"
            )
            if access is not None:
                entry.options.Extensions[options_pb2.access].CopyFrom(access)
    return file


_pool = descriptor_pool.Default()
_serialized = _file().SerializeToString()
# The second registration of the same file is a no-op.
_pool.AddSerializedFile(_serialized)


def message(name: str) -> type[Message]:
    """The class of a message of this contract."""
    found: type[Message] = message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
    return found
