"""Path templates of `google.api.http` and the table that finds a route by a path.

Syntax: literals, `{id}`, `{name=queues/*}`, `{path=**}` at the end, and a custom verb: `/api/v1/queues/{id}:close`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote

Route = TypeVar("Route")
_VARIABLE = re.compile(r"\{([a-z0-9_.]+)(?:=([^}]+))?\}")


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template: literal segments, `*` and `**`, and which of them a variable takes."""

    text: str
    segments: tuple[str, ...]
    variables: tuple[tuple[str, int, int], ...]  # (field path, first segment, one past the last)
    verb: str

    @classmethod
    def parse(cls, text: str) -> Template:
        """Raises ValueError for what is no template."""
        if not text.startswith("/"):
            raise ValueError(f"the path template {text!r} does not start with '/'")
        path, verb = _split_verb(text)
        variables: list[tuple[str, int, int]] = []
        segments: list[str] = []
        for part in _split_outside_braces(path[1:]):
            match = _VARIABLE.fullmatch(part)
            if match is None:
                if "{" in part or "}" in part or not part:
                    raise ValueError(f"the path template {text!r} has the wrong segment {part!r}")
                segments.append(part)
                continue
            inner = (match[2] or "*").split("/")
            variables.append((match[1], len(segments), len(segments) + len(inner)))
            segments.extend(inner)
        if "**" in segments[:-1]:
            raise ValueError(f"the path template {text!r} has '**' before its end")
        return cls(text, tuple(segments), tuple(variables), verb)

    def values(self, parts: list[str]) -> dict[str, str]:
        """The variables' texts, given the path's segments as they came (still percent-encoded)."""
        if self.verb:
            parts = [*parts[:-1], parts[-1].removesuffix(f":{self.verb}")]
        found = {}
        for name, first, end in self.variables:
            taken = parts[first:] if self.segments[end - 1] == "**" else parts[first:end]
            found[name] = "/".join(unquote(part, errors="strict") for part in taken)
        return found


def _split_verb(text: str) -> tuple[str, str]:
    last = text.rfind("/")
    close = text.rfind("}")
    colon = text.rfind(":")
    if colon > max(last, close):
        return text[:colon], text[colon + 1 :]
    return text, ""


def _split_outside_braces(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for index, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if character == "/" and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    parts.append(text[start:])
    return parts


@dataclass(slots=True)
class _Node(Generic[Route]):
    literals: dict[str, _Node[Route]] = field(default_factory=dict)
    any_one: _Node[Route] | None = None
    any_rest: dict[str, dict[str, Route]] = field(default_factory=dict)
    here: dict[str, dict[str, Route]] = field(default_factory=dict)  # verb -> HTTP method -> route


class RouteTable(Generic[Route]):
    """Finds routes by path; a literal segment goes before a variable one."""

    def __init__(self) -> None:
        self._root: _Node[Route] = _Node()

    def add(self, method: str, template: Template, route: Route) -> Route | None:
        """Adds a route; returns the one that holds the place already, which then stays."""
        node = self._root
        for segment in template.segments:
            if segment == "**":
                return node.any_rest.setdefault(template.verb, {}).setdefault(method, route)
            if segment == "*":
                if node.any_one is None:
                    node.any_one = _Node()
                node = node.any_one
            else:
                node = node.literals.setdefault(segment, _Node())
        return node.here.setdefault(template.verb, {}).setdefault(method, route)

    def find(self, parts: list[str]) -> dict[str, Route]:
        """HTTP method -> route for the segments of a path; empty when there is no such path."""
        head, colon, verb = parts[-1].rpartition(":")
        if colon:
            found = _search(self._root, [*parts[:-1], head], 0, verb)
            if found:
                return found
        return _search(self._root, parts, 0, "")


def _search(node: _Node[Route], parts: list[str], index: int, verb: str) -> dict[str, Route]:
    if index == len(parts):
        return node.here.get(verb, {})
    literal = node.literals.get(parts[index])
    if literal is not None:
        found = _search(literal, parts, index + 1, verb)
        if found:
            return found
    if node.any_one is not None and parts[index]:
        found = _search(node.any_one, parts, index + 1, verb)
        if found:
            return found
    return node.any_rest.get(verb, {})
