"""The built pages: the console, the website widget, the full-page chat and the demo shop."""

from __future__ import annotations

import hashlib
import mimetypes
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import orjson

from yunsong_gateway.cors import Origins
from yunsong_gateway.http import Request, Response

_PLAIN = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Yunsong</title><meta name="viewport" content="width=device-width"></head>
<body>
<h1>Yunsong 云松</h1>
<p>Customer service: the API is running. 客服系统：接口已启动。</p>
<ul>
<li><a href="/openapi.json">REST API (OpenAPI 3.1)</a></li>
<li><a href="/asyncapi.json">WebSocket (AsyncAPI 3.0)</a></li>
</ul>
</body>
</html>
"""
# No inline script anywhere. The console's component library sets style attributes; the other pages need not even those.
_CONSOLE_CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob: https:; "
    "media-src 'self' blob:; connect-src 'self'{sockets}; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_VISITOR_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob: https:; media-src 'self' blob:; "
    "connect-src 'self'{sockets}; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"
)
_LONG = "public, max-age=31536000, immutable"
_SHORT = "public, max-age=300"
_ASK = "no-cache"
# Any page may load the widget's files, also with `crossorigin` and `integrity`.
_SHARED = [("access-control-allow-origin", "*"), ("cross-origin-resource-policy", "cross-origin")]
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
# The builds name files in these folders by their content.
_HASHED = "assets"
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+")
_KEY_MARK = b"{{inbox_key}}"


@dataclass(frozen=True, slots=True)
class _File:
    """A built file as it was last read."""

    stamp: tuple[int, int]  # modification time, size
    body: bytes
    etag: str


class Pages:
    """Serves a folder of built pages: `console/` and `widget/`.

    `demo` names the file that tells which inbox the demo shop writes to; without it there is no shop.
    """

    def __init__(
        self, folder: Path | None, origins: Origins, *, demo: Path | None = None, public_url: str = ""
    ) -> None:
        self._folder = folder.resolve() if folder else None
        self._origins = origins
        self._demo = demo
        self._sockets = f" {public_url.replace('http', 'ws', 1).rstrip('/')}" if public_url else ""
        self._read: dict[Path, _File] = {}

    async def serve(self, request: Request) -> Response:
        """Answers a GET or HEAD for a page or one of its files."""
        path = request.path
        if self._folder is None:
            return _plain() if path == "/" else _missing()
        if path == "/widget.js":
            return self._file(
                request, self._folder / "widget/widget.js", [*_SHARED, ("cache-control", _SHORT)]
            )
        if path.startswith("/widget/"):
            return self._below(request, "widget", path.removeprefix("/widget/"), _SHARED)
        if path.startswith("/chat/"):
            return await self._chat(request, path.removeprefix("/chat/"))
        if path in ("/demo", "/demo/"):
            return self._shop(request)
        if path == "/demo/shop.json":
            shop = self._demo_shop()
            return Response.json(shop, headers=[("cache-control", _ASK)]) if shop else _missing()
        return self._console(request, path)

    def _console(self, request: Request, path: str) -> Response:
        if self._folder is None:
            return _missing()
        headers = [
            ("content-security-policy", _CONSOLE_CSP.format(sockets=self._sockets)),
            ("x-frame-options", "DENY"),
        ]
        if path != "/":
            found = self._below(request, "console", path.lstrip("/"), headers)
            # A view's address is the console's own to resolve; a file that is gone must not turn into a page.
            if found.status != 404 or not _is_navigation(request):
                return found
        index = self._folder / "console/index.html"
        if path == "/" and not index.is_file():
            return _plain()
        return self._file(request, index, [*headers, ("cache-control", _ASK)])

    async def _chat(self, request: Request, key: str) -> Response:
        """The chat as a page of its own; the pages that may use the inbox may also embed it."""
        assert self._folder is not None
        allowed = await self._origins.of_key(key)
        ancestors = "'none'" if allowed is None else _ancestors(allowed)
        response = self._file(
            request,
            self._folder / "widget/chat.html",
            [*self._visitor_csp(ancestors), ("cache-control", _ASK)],
        )
        if allowed is None and response.status == 200:
            response.status = 404  # the page itself says that there is no such inbox
        return response

    def _shop(self, request: Request) -> Response:
        assert self._folder is not None
        shop = self._demo_shop()
        if not shop:
            return _missing()
        headers = [*self._visitor_csp("'self'"), ("cache-control", _ASK)]
        response = self._file(request, self._folder / "widget/demo/index.html", headers, plain=True)
        key = str(shop.get("inbox_key", ""))
        if re.fullmatch(r"[A-Za-z0-9_-]+", key):
            response.body = response.body.replace(_KEY_MARK, key.encode())
        return response

    def _demo_shop(self) -> dict[str, object]:
        try:
            shop = orjson.loads(self._demo.read_bytes()) if self._demo else {}
        except (OSError, orjson.JSONDecodeError):
            return {}
        return dict(shop) if isinstance(shop, dict) else {}

    def _visitor_csp(self, ancestors: str) -> list[tuple[str, str]]:
        policy = _VISITOR_CSP.format(sockets=self._sockets, ancestors=ancestors)
        return [("content-security-policy", policy)]

    def _below(self, request: Request, part: str, name: str, headers: Iterable[tuple[str, str]]) -> Response:
        assert self._folder is not None
        root = self._folder / part
        if "\0" in name:  # no path can hold it, and resolving one that does raises
            return _missing()
        wanted = (root / name).resolve()
        if not wanted.is_relative_to(root):
            return _missing()
        cache = _LONG if _HASHED in wanted.relative_to(root).parts else _ASK
        return self._file(request, wanted, [*headers, ("cache-control", cache)])

    def _file(
        self, request: Request, path: Path, headers: list[tuple[str, str]], *, plain: bool = False
    ) -> Response:
        """A file, compressed when the build has it so and the client takes it; 304 when the client has it."""
        accepted = request.headers.get("accept-encoding", "")
        encoding, file = "", None
        for name, suffix in _ENCODINGS if not plain else ():
            if name in accepted:
                file = self._content(path.with_name(path.name + suffix))
                if file is not None:
                    encoding = name
                    break
        if file is None:
            file = self._content(path)
        if file is None:
            return _missing()
        headers = [*headers, ("vary", "accept-encoding")]
        if encoding:
            headers.append(("content-encoding", encoding))
        if not plain:
            headers.append(("etag", file.etag))
            if file.etag in request.headers.get("if-none-match", ""):
                return Response(304, b"", headers=headers)
        return Response(200, file.body, _media_type(path), headers)

    def _content(self, path: Path) -> _File | None:
        try:
            stat = path.stat()
            known = self._read.get(path)
            stamp = (stat.st_mtime_ns, stat.st_size)
            if known is None or known.stamp != stamp:
                body = path.read_bytes()
                known = _File(stamp, body, f'"{hashlib.sha256(body).hexdigest()[:20]}"')
                self._read[path] = known
        except (OSError, ValueError):  # not there, or a folder
            return None
        return known


def _ancestors(allowed: Iterable[str]) -> str:
    origins = [origin for origin in allowed if _ORIGIN.fullmatch(origin)]
    return " ".join(("'self'", *origins)) if origins else "*"


def _is_navigation(request: Request) -> bool:
    """A browser going to an address, not a page loading its file."""
    last = request.path.rpartition("/")[2]
    return "text/html" in request.headers.get("accept", "") and "." not in last


def _media_type(path: Path) -> str:
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if path.suffix in (".js", ".mjs"):
        kind = "text/javascript"
    is_text = kind.startswith("text/") or kind in ("application/json", "image/svg+xml")
    return f"{kind}; charset=utf-8" if is_text else kind


def _plain() -> Response:
    policy = _VISITOR_CSP.format(sockets="", ancestors="'none'")
    return Response(
        200,
        _PLAIN.encode(),
        "text/html; charset=utf-8",
        [("content-security-policy", policy), ("cache-control", _ASK), ("x-frame-options", "DENY")],
    )


def _missing() -> Response:
    return Response(404, b"Not found", "text/plain; charset=utf-8", [("cache-control", _ASK)])
