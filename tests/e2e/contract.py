"""The contract as the tests of the running product read it: every operation, and who may call it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import MethodDescriptor

from yunsong.ops.v1 import ops_pb2
from yunsong.options.v1 import options_pb2
from yunsong_common.ids import new_id
from yunsong_standalone.catalogue import SERVICES
from yunsong_standalone.contract import files_of

_VERBS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Operation:
    """One method of the contract on one service."""

    service: str
    method: MethodDescriptor

    @property
    def name(self) -> str:
        return f"{self.service} {self.path}"

    @property
    def path(self) -> str:
        """The method's path on the wire."""
        return f"/{self.method.containing_service.full_name}/{self.method.name}"

    @property
    def access(self) -> options_pb2.Access:
        found: options_pb2.Access = self.method.GetOptions().Extensions[options_pb2.access]
        return found

    @property
    def verb(self) -> str:
        """Of the REST route; empty when there is none."""
        return next((verb.upper() for verb in _VERBS if getattr(self._http, verb)), "")

    @property
    def template(self) -> str:
        """The path of the REST route with its variables in braces."""
        return str(getattr(self._http, self.verb.lower())) if self.verb else ""

    def route(self, **variables: str) -> str:
        """The path of the REST route; a variable that is not given is filled with something that does not exist."""
        return re.sub(r"\{([^}]+)\}", lambda found: variables.get(found[1], new_id()), self.template)

    @property
    def _http(self) -> http_pb2.HttpRule:
        found: http_pb2.HttpRule = (
            self.method.GetOptions().Extensions[annotations_pb2.http]  # type: ignore[index]
        )
        return found


def operations() -> Iterator[Operation]:
    """Every operation of every service."""
    for entry in SERVICES:
        files = [*files_of(f"yunsong.{entry.package}.v1"), ops_pb2.DESCRIPTOR]
        for file in files:
            for service in file.services_by_name.values():
                for method in service.methods:
                    yield Operation(entry.name, method)
