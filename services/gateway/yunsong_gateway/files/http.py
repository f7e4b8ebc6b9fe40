"""Uploads and downloads over HTTP: the two operations that are not JSON."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, quote
from uuid import UUID

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from yunsong.auth.v1 import principal_pb2
from yunsong_common.errors import InvalidArgument, PermissionDenied, Unauthenticated, Violation
from yunsong_gateway.files import sniff
from yunsong_gateway.files.store import Files
from yunsong_gateway.http import Request, Response, StreamedResponse
from yunsong_gateway.realtime.events import ENCODERS

PATH = "/api/v1/files"
_PERMISSION = "conversation.write"
_AT_ONCE = 8
_FORM_OVERHEAD = 16_384


class FileApi:
    """POST /api/v1/files and GET /api/v1/files/{id}/content."""

    def __init__(self, files: Files, max_bytes: int) -> None:
        self._files = files
        self._max_bytes = max_bytes
        self._slots = asyncio.Semaphore(_AT_ONCE)  # bounds what uploads hold in memory

    async def upload(self, request: Request, principal: principal_pb2.Principal) -> Response:
        """Takes one file: the body itself with ?name=…, or the part `file` of a multipart form."""
        _check(principal)
        content_type = request.headers.get("content-type", "")
        async with self._slots:
            if content_type.startswith("multipart/form-data"):
                name, content = _form_file(content_type, await request.body(self._max_bytes + _FORM_OVERHEAD))
            else:
                name = parse_qs(request.query_string).get("name", [""])[0]
                content = await request.body(self._max_bytes)
            if not content:
                raise _wrong("file", "REQUIRED", "is empty")
            file = await self._files.put(name, content, principal)
        return Response.json(ENCODERS.encode(self._files.message(file)))

    async def download(self, request: Request, file_id: str) -> Response:
        """Gives a file by its signed address."""
        try:
            canonical = str(UUID(file_id))
        except ValueError as error:
            raise self._files.unknown(file_id[:40]) from error
        query = parse_qs(request.query_string)
        file, content = await self._files.content(
            canonical, query.get("expires", [""])[0], query.get("signature", [""])[0]
        )
        disposition = "inline" if sniff.is_inline(file.media_type) else "attachment"
        return StreamedResponse(
            200,
            media_type=file.media_type,
            chunks=content,
            size=file.size,
            headers=[
                ("content-disposition", f"{disposition}; filename*=UTF-8''{quote(file.name)}"),
                ("content-security-policy", "default-src 'none'; sandbox"),
                ("cache-control", "private, max-age=3600"),
                ("cross-origin-resource-policy", "cross-origin"),
                ("access-control-allow-origin", "*"),
            ],
        )


def _check(principal: principal_pb2.Principal) -> None:
    if principal.kind == principal_pb2.ACTOR_KIND_CONTACT or _PERMISSION in principal.permissions:
        return
    if principal.kind == principal_pb2.ACTOR_KIND_ANONYMOUS:
        raise Unauthenticated(
            reason="TOKEN_NEEDED", message="Sign in and send the token as Authorization: Bearer."
        )
    raise PermissionDenied(
        reason="PERMISSION_MISSING",
        message=f"Uploading needs the permission {_PERMISSION}.",
        permission=_PERMISSION,
    )


def _form_file(content_type: str, body: bytes) -> tuple[str, bytes]:
    """The part named `file` of a form: (its file name, its content)."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    parts: list[tuple[dict[str, str], bytearray]] = []
    name = bytearray()
    value = bytearray()

    def header_end() -> None:
        parts[-1][0][name.decode("latin-1").lower()] = value.decode("latin-1")
        name.clear()
        value.clear()

    callbacks = {
        "on_part_begin": lambda: parts.append(({}, bytearray())),
        "on_header_field": lambda data, start, end: name.extend(data[start:end]),
        "on_header_value": lambda data, start, end: value.extend(data[start:end]),
        "on_header_end": header_end,
        "on_part_data": lambda data, start, end: parts[-1][1].extend(data[start:end]),
    }
    try:
        parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise InvalidArgument(reason="FORM_INVALID", message="The body is not a multipart form.") from error
    for headers, content in parts:
        _, disposition = parse_options_header(headers.get("content-disposition", ""))
        if disposition.get(b"name") == b"file":
            return disposition.get(b"filename", b"").decode("utf-8", "replace"), bytes(content)
    raise _wrong("file", "REQUIRED", "is missing from the form")


def _wrong(field: str, reason: str, description: str) -> InvalidArgument:
    return InvalidArgument(
        reason="INVALID_REQUEST",
        message=f"The {field} {description}.",
        violations=[Violation(field=field, reason=reason, description=description)],
    )
