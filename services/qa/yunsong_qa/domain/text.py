"""Text as rules compare it: letter case, width and invisible characters do not matter."""

from __future__ import annotations

import unicodedata

# Soft hyphen, zero-width spaces and joiners, direction marks, byte-order mark: they hide a word from a plain search.
_INVISIBLE = dict.fromkeys(
    [0x00AD, 0x180E, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065)]
)


def normalise(text: str) -> str:
    """NFKC, case folded, invisible characters removed, white space collapsed. Linear in the length."""
    folded = unicodedata.normalize("NFKC", text).translate(_INVISIBLE).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def occurs(phrase: str, text: str) -> bool:
    """Whether a phrase occurs in a text, both normalised.

    In scripts that put spaces between words it must be whole words: "ass" is not in "class". Chinese has no such borders.
    """
    start = text.find(phrase)
    while start >= 0:
        end = start + len(phrase)
        before = start > 0 and _in_one_word(text[start - 1], phrase[0])
        after = end < len(text) and _in_one_word(phrase[-1], text[end])
        if not before and not after:
            return True
        start = text.find(phrase, start + 1)
    return False


def _in_one_word(left: str, right: str) -> bool:
    return _spaced(left) and _spaced(right)


def _spaced(char: str) -> bool:
    # Han, kana, Thai and their like are letters of category Lo without spaces between words.
    return char.isalnum() and unicodedata.category(char) != "Lo"
