"""The built pages at the door: which file answers, what may be kept, what each kind of page allows."""

from __future__ import annotations

import gzip
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest

from yunsong_gateway.cors import Origins
from yunsong_gateway.http import Request, Response
from yunsong_gateway.pages import Pages

_HTML = {"accept": "text/html,*/*"}


class KnownOrigins:
    """Inboxes by key, without a channel adapter."""

    async def of_key(self, key: str) -> tuple[str, ...] | None:
        return {"open": (), "closed": ("https://shop.example", "bad origin; script-src *")}.get(key)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "console/index.html": "console",
        "console/assets/main-abc.js": "let console_page",
        "widget/widget.js": "loader",
        "widget/assets/app-abc.js": "app " * 100,
        "widget/chat.html": "chat",
        "widget/demo/index.html": '<script data-inbox="{{inbox_key}}">',
        "secret.txt": "not a page",
    }
    for name, text in files.items():
        path = tmp_path / "pages" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    packed = gzip.compress(("app " * 100).encode())
    (tmp_path / "pages/widget/assets/app-abc.js.gz").write_bytes(packed)
    return tmp_path / "pages"


@pytest.fixture
def pages(folder: Path) -> Pages:
    demo = folder.parent / "demo-shop.json"
    demo.write_bytes(orjson.dumps({"inbox_key": "KEY_1", "customers": []}))
    return Pages(folder, cast("Origins", KnownOrigins()), demo=demo, public_url="https://support.example")


@pytest.mark.parametrize("path", ["/a\0b", "/widget/a\0b", "/chat/a\0b", "/" + "long" * 2000])
async def test_an_address_that_no_file_can_have_is_not_found(pages: Pages, path: str) -> None:
    assert (await get(pages, path)).status == 404


async def get(pages: Pages, path: str, **headers: str) -> Response:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope: Any = {"method": "GET", "path": path, "headers": raw}
    return await pages.serve(Request(scope, cast("Any", SimpleNamespace())))


def header(response: Response, name: str) -> str:
    return ", ".join(value for key, value in response.headers if key == name)


async def test_a_views_address_gives_the_console(pages: Pages) -> None:
    for path in ("/", "/workspace/1", "/administration"):
        answer = await get(pages, path, **_HTML)
        assert (answer.status, answer.body) == (200, b"console")
        assert header(answer, "cache-control") == "no-cache"
        assert "frame-ancestors 'none'" in header(answer, "content-security-policy")
        assert "script-src 'self';" in header(answer, "content-security-policy")
        assert "wss://support.example" in header(answer, "content-security-policy")


async def test_a_missing_file_is_never_a_page(pages: Pages) -> None:
    missing = (
        "/assets/gone.js",
        "/assets/gone",
        "/widget/assets/gone.js",
        "/widget/../secret.txt",
        "/demo/gone.css",
    )
    for path in missing:
        answer = await get(pages, path, **({} if path == "/assets/gone" else _HTML))
        assert (answer.status, answer.body) == (404, b"Not found"), path
    assert (await get(pages, "/../secret.txt", **_HTML)).body == b"Not found"


async def test_named_files_are_kept_and_the_script_is_asked_for_again(pages: Pages) -> None:
    for path in ("/assets/main-abc.js", "/widget/assets/app-abc.js"):
        answer = await get(pages, path)
        assert "immutable" in header(answer, "cache-control")
        assert answer.media_type == "text/javascript; charset=utf-8"
    script = await get(pages, "/widget.js")
    assert header(script, "cache-control") == "public, max-age=300"
    assert header(script, "access-control-allow-origin") == "*"
    assert header(script, "cross-origin-resource-policy") == "cross-origin"
    again = await get(pages, "/widget.js", if_none_match=header(script, "etag"))
    assert (again.status, again.body) == (304, b"")


async def test_a_changed_file_has_another_tag(pages: Pages, folder: Path) -> None:
    before = header(await get(pages, "/widget.js"), "etag")
    (folder / "widget/widget.js").write_text("a newer loader")
    answer = await get(pages, "/widget.js", if_none_match=before)
    assert (answer.status, answer.body) == (200, b"a newer loader")


async def test_files_go_out_compressed_to_whom_takes_it(pages: Pages) -> None:
    packed = await get(pages, "/widget/assets/app-abc.js", accept_encoding="gzip, br")
    assert header(packed, "content-encoding") == "gzip"
    assert gzip.decompress(packed.body) == b"app " * 100
    plain = await get(pages, "/widget/assets/app-abc.js")
    assert header(plain, "content-encoding") == ""
    assert plain.body == b"app " * 100
    assert header(plain, "vary") == header(packed, "vary") == "accept-encoding"
    assert header(plain, "etag") != header(packed, "etag")


async def test_the_chat_is_framed_by_the_inboxs_pages_alone(pages: Pages) -> None:
    policies = {}
    for key in ("open", "closed", "unknown"):
        answer = await get(pages, f"/chat/{key}", **_HTML)
        assert answer.body == b"chat"
        assert answer.status == (404 if key == "unknown" else 200)
        policies[key] = header(answer, "content-security-policy").rpartition("; ")[2]
    assert policies == {
        "open": "frame-ancestors *",
        "closed": "frame-ancestors 'self' https://shop.example",
        "unknown": "frame-ancestors 'none'",
    }


async def test_the_demo_shop_is_there_with_its_data_alone(pages: Pages, folder: Path) -> None:
    shop = await get(pages, "/demo", **_HTML)
    assert shop.body == b'<script data-inbox="KEY_1">'
    assert "unsafe" not in header(shop, "content-security-policy")
    assert orjson.loads((await get(pages, "/demo/shop.json")).body)["inbox_key"] == "KEY_1"
    (folder.parent / "demo-shop.json").unlink()
    for path in ("/demo", "/demo/shop.json"):
        assert (await get(pages, path, **_HTML)).status == 404


async def test_without_built_pages_a_plain_one_answers() -> None:
    pages = Pages(None, cast("Origins", KnownOrigins()))
    assert b"openapi.json" in (await get(pages, "/", **_HTML)).body
    assert (await get(pages, "/widget.js")).status == 404
