"""One REST operation of a learned RPC: how an HTTP request becomes its request message, and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.api import http_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from yunsong.options.v1 import options_pb2
from yunsong_common.errors import InvalidArgument, Violation
from yunsong_common.grpc.rules import wrong_mask_paths
from yunsong_gateway.transcoding import enums
from yunsong_gateway.transcoding.decode import Decoders, PathText
from yunsong_gateway.transcoding.encode import Encoders, ToJson
from yunsong_gateway.transcoding.reflection import Learned
from yunsong_gateway.transcoding.scalars import message_type_of
from yunsong_gateway.transcoding.template import Template
from yunsong_gateway.transcoding.wellknown import Text

HTTP_BODY = "google.api.HttpBody"
_VERBS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Binding:
    """A REST operation: the RPC behind it, its route, and its compiled codecs."""

    upstream: str
    method: MethodDescriptor
    http_method: str
    template: Template
    body: str  # "" = no body, "*" = all of the message, otherwise a field
    response_body: str
    mask_scope: (
        str | None
    )  # which field `update_mask` is about, "" = the request itself, None = there is no mask
    access: options_pb2.Access
    request_type: type[Message]
    response_type: type[Message]
    decoders: Decoders
    to_json: ToJson | None  # None when the answer is raw
    learned: Learned

    @property
    def rpc(self) -> str:
        return f"/{self.method.containing_service.full_name}/{self.method.name}"

    @property
    def is_raw_request(self) -> bool:
        if self.body in ("", "*"):
            return False
        held = self.method.input_type.fields_by_name[self.body].message_type
        return held is not None and held.full_name == HTTP_BODY

    def request(self, parts: list[str], query: list[tuple[str, str]], body: Any, body_given: bool) -> Message:
        """Builds the request message. Raises InvalidArgument with every violation."""
        tree, problems = self._tree(parts, query, body, body_given)
        message = self.request_type()
        violations = self.decoders.decode(message, tree, partial=self._partial(tree))
        violations = [*problems, *violations, *self._mask_violations(message)]
        if violations:
            raise InvalidArgument(
                reason="INVALID_REQUEST",
                message=f"The request has {len(violations)} wrong field(s): "
                + ", ".join(violation.field or "the body" for violation in violations[:5]),
                violations=violations,
            )
        return message

    def _tree(
        self, parts: list[str], query: list[tuple[str, str]], body: Any, body_given: bool
    ) -> tuple[Any, list[Violation]]:
        problems: list[Violation] = []
        if self.body == "*":
            if body_given and type(body) is not dict:
                return body, problems  # the decoder says what is wrong with it
            tree: dict[str, Any] = dict(body) if body_given else {}
        elif self.body:
            tree = {self.body: dict(body) if type(body) is dict else body} if body_given else {}
        else:
            tree = {}
        for name, text in query:
            if self.body == "*" or name.partition(".")[0] == self.body:
                problems.append(
                    Violation(
                        field=name[:100],
                        description="is not a query parameter of this operation",
                        reason="UNKNOWN_FIELD",
                    )
                )
            else:
                _insert(tree, name.split("."), Text(text), append=True)
        self._derive_mask(tree)
        for name, text in self.template.values(parts).items():
            _insert(tree, name.split("."), PathText(text), append=False)
        return tree, problems

    def _derive_mask(self, tree: dict[str, Any]) -> None:
        """A PATCH without an update mask changes the fields that it holds (AIP-134)."""
        if self.mask_scope is None or tree.get("update_mask") is not None:
            return
        holder = tree.get(self.mask_scope) if self.mask_scope else tree
        if type(holder) is dict:
            bound = {name for name, _, _ in self.template.variables} if holder is tree else ()
            paths = [name for name in holder if name != "update_mask" and name not in bound]
            if paths:
                tree["update_mask"] = ",".join(paths)

    def _mask_violations(self, message: Any) -> Iterator[Violation]:
        """A mask names fields that exist and that a caller may set."""
        if self.mask_scope is None:
            return
        scope = self.method.input_type
        if self.mask_scope:
            scope = message_type_of(scope.fields_by_name[self.mask_scope])
        for path in wrong_mask_paths(scope, message.update_mask.paths, self.decoders.rules_of):
            yield Violation(
                field="update_mask",
                reason="UNKNOWN_FIELD",
                description=f"names {path[:60]!r}, which cannot be changed",
            )

    def _partial(self, tree: Any) -> tuple[str, frozenset[str]] | None:
        if not self.mask_scope or type(tree) is not dict:
            return None
        mask = tree.get("update_mask")
        if not isinstance(mask, str):
            return None
        return self.mask_scope, frozenset(path.partition(".")[0] for path in mask.split(","))

    def answer(self, response: Message) -> Any:
        assert self.to_json is not None
        encoded = self.to_json(response)
        return encoded[self.response_body] if self.response_body else encoded


def _insert(tree: dict[str, Any], path: list[str], value: Text, *, append: bool) -> None:
    for name in path[:-1]:
        inner = tree.get(name)
        if type(inner) is not dict:
            inner = tree[name] = {}
        tree = inner
    name = path[-1]
    held = tree.get(name)
    if not append or held is None:
        tree[name] = value
    elif isinstance(held, list):
        held.append(value)
    else:
        tree[name] = [held, value]


def bindings_of(upstream: str, learned: Learned, decoders: Decoders, encoders: Encoders) -> Iterator[Binding]:
    """The REST operations of a learned service that somebody outside may call.

    Raises ValueError for a route that does not fit its message.
    """
    for service in learned.services:
        for method in service.methods:
            rule = learned.contract.http.get(method.full_name)
            access = learned.contract.access.get(method.full_name)
            if rule is None or access is None or not _is_public(access):
                continue
            if method.client_streaming or method.server_streaming:
                continue  # REST carries one answer
            for one in (rule, *rule.additional_bindings):
                yield _bind(upstream, learned, method, one, access, decoders, encoders)


def _is_public(access: options_pb2.Access) -> bool:
    return bool(access.permission or access.staff or access.contact or access.anonymous)


def _bind(
    upstream: str,
    learned: Learned,
    method: MethodDescriptor,
    rule: http_pb2.HttpRule,
    access: options_pb2.Access,
    decoders: Decoders,
    encoders: Encoders,
) -> Binding:
    kind = rule.WhichOneof("pattern")
    if kind in _VERBS:
        http_method, path = kind.upper(), getattr(rule, kind)
    elif kind == "custom":
        http_method, path = rule.custom.kind.upper(), rule.custom.path
    else:
        raise ValueError(f"{method.full_name}: the http option has no path")
    template = Template.parse(path)
    for name, _, _ in template.variables:
        _field_at(method.input_type, name)
    if rule.body not in ("", "*"):
        _field_at(method.input_type, rule.body)
    output = method.output_type
    if rule.response_body:
        _field_at(output, rule.response_body)
    return Binding(
        upstream=upstream,
        method=method,
        http_method=http_method,
        template=template,
        body=rule.body,
        response_body=rule.response_body,
        mask_scope=_mask_scope(method, http_method, rule.body),
        access=access,
        request_type=message_factory.GetMessageClass(method.input_type),
        response_type=message_factory.GetMessageClass(output),
        decoders=decoders,
        to_json=None if output.full_name == HTTP_BODY else encoders.for_type(output),
        learned=learned,
    )


def _mask_scope(method: MethodDescriptor, http_method: str, body: str) -> str | None:
    """`UpdateQueue` has its mask about `queue`, in the body or beside it; without such a field, about itself.

    `UpdateBotSettings` may call its field just `settings`.
    """
    fields = method.input_type.fields_by_name
    if http_method != "PATCH" or "update_mask" not in fields:
        return None
    if body not in ("", "*"):
        return body
    words = enums.snake_case(method.name.removeprefix("Update")).split("_")
    names = ("_".join(words[start:]) for start in range(len(words)))
    return next((name for name in names if name in fields and fields[name].message_type is not None), "")


def _field_at(message: Descriptor, path: str) -> FieldDescriptor:
    field: FieldDescriptor | None = None
    for name in path.split("."):
        holder = message if field is None else field.message_type
        field = holder.fields_by_name.get(name) if holder is not None else None
        if field is None:
            raise ValueError(f"{message.full_name} has no field {path!r}, which its route names")
    assert field is not None
    return field
