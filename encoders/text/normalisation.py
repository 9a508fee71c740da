"""What a message says, in signs that a tokenizer knows.

Owns    the map text -> text before the tokenizer: NFKC, and emoji as words.
Leaves  tokens to `backbone`.

Full-width and mathematical letters, ligatures and circled digits are one unknown token each. NFKC (Unicode Standard
Annex 15) makes them plain letters. An emoji that the tokenizer does not know becomes its Unicode name, and so keeps
its meaning.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable

__all__ = ["VERSION", "normalised"]

VERSION = 1  # raised when the map changes: it is part of the key of cached embeddings

# Pictographs, dingbats and miscellaneous symbols. Variation selectors, joiners and skin tones only change their look.
_EMOJI = re.compile("[\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001f3fa\U0001f400-\U0001faff]")
_LOOKS = re.compile("[\ufe00-\ufe0f\u200d\U0001f3fb-\U0001f3ff]")


def normalised(text: str, knows: Callable[[str], bool]) -> str:
    """The text in NFKC, its unknown emoji spelled out.

    Args:
        text: as written.
        knows: whether the tokenizer has a token of its own for a sign.

    >>> normalised("Ｗｈｅｒｅ is it 🎁", lambda sign: False)
    'Where is it wrapped present'
    """
    text = unicodedata.normalize("NFKC", text)
    if text.isascii():
        return text
    with_names = _EMOJI.sub(lambda found: found[0] if knows(found[0]) else _name(found[0]), _LOOKS.sub("", text))
    return " ".join(with_names.split()) if with_names != text else text


@functools.cache
def _name(sign: str) -> str:
    """The Unicode name of a sign as words with a space on each side, or nothing where it has no name."""
    words = unicodedata.name(sign, "").lower().removesuffix(" sign")
    return f" {words} " if words else " "
