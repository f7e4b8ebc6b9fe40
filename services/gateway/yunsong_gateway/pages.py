"""Static pages: the built console and widget when they are there, otherwise a plain page that links the documents."""

from __future__ import annotations

import mimetypes
from pathlib import Path

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
_CSP = (
    "default-src 'self'; img-src 'self' data: blob: https:; media-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
    "connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_LONG = "public, max-age=31536000, immutable"


class Pages:
    """Serves a folder of built pages; a path without a file is the console's own and gets its index."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder.resolve() if folder else None

    def serve(self, request: Request) -> Response:
        if self._folder is None:
            if request.path != "/":
                return Response(404, b"Not found", "text/plain; charset=utf-8")
            return _page(_PLAIN.encode(), "text/html; charset=utf-8", "no-cache")
        wanted = (self._folder / request.path.lstrip("/")).resolve()
        if not wanted.is_relative_to(self._folder) or not wanted.is_file():
            wanted = self._folder / "index.html"
        if not wanted.is_file():
            return Response(404, b"Not found", "text/plain; charset=utf-8")
        kind = mimetypes.guess_type(wanted.name)[0] or "application/octet-stream"
        # The build names files by their content below assets/.
        cache = _LONG if "assets" in wanted.parts else "no-cache"
        return _page(wanted.read_bytes(), kind, cache)


def _page(body: bytes, media_type: str, cache: str) -> Response:
    return Response(
        200,
        body,
        media_type,
        [("content-security-policy", _CSP), ("cache-control", cache), ("x-frame-options", "DENY")],
    )
