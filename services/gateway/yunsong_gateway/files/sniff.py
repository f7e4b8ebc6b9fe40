"""What a file is, by its bytes; the name and the sender's claim do not count."""

from __future__ import annotations

import codecs

import filetype

from yunsong_common.errors import InvalidArgument

_SNIFFED = 8192
# Programs have no business in a chat, whatever they are named.
_REFUSED = frozenset(
    (
        "application/x-msdownload",
        "application/x-executable",
        "application/x-mach-binary",
        "application/vnd.microsoft.portable-executable",
        "application/x-sh",
        "application/java-archive",
    )
)
# Shown in the page; everything else is a download. SVG and HTML can run scripts and are text here.
_INLINE = ("image/", "audio/", "video/")
_MAGIC = (
    (b"MZ", "application/x-msdownload"),
    (b"\x7fELF", "application/x-executable"),
    (b"#!", "application/x-sh"),
)


def media_type(head: bytes) -> str:
    """The media type of a file that begins with `head`. Raises InvalidArgument / FILE_TYPE_REFUSED for programs."""
    found = _by_magic(head)
    if found in _REFUSED:
        raise InvalidArgument(reason="FILE_TYPE_REFUSED", message=f"Files of the type {found} are not taken.")
    return found


def _by_magic(head: bytes) -> str:
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    guess = filetype.guess(head[:_SNIFFED])
    if guess is not None:
        return str(guess.mime)
    return "text/plain; charset=utf-8" if _is_text(head[:_SNIFFED]) else "application/octet-stream"


def _is_text(head: bytes) -> bool:
    if b"\x00" in head:
        return False
    try:
        # Not final: the cut may split a character.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def is_inline(kind: str) -> bool:
    return kind.startswith(_INLINE) and "svg" not in kind
