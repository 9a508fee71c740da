"""Typing errors: what hurried fingers do to a message.

Owns    the kinds of slips, and where in a text they fall.
Leaves  short forms and homophones, which belong to a language, to the phrase files, and how often each happens to
        `generator` and to the study `robustness`.

A new kind of slip is one function and one entry in `SLIPS`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["SLIPS", "slip", "without_vowels"]

# Rows of a QWERTY keyboard; neighbours are the keys left and right in the same row.
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {
    key: row[max(0, i - 1) : i] + row[i + 1 : i + 2] for row in _ROWS for i, key in enumerate(row)
}  # fmt: skip
_VOWELS = "aeiou"


def _swapped(word: str, at: int, rng: np.random.Generator) -> str:
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _dropped(word: str, at: int, rng: np.random.Generator) -> str:
    return word[:at] + word[at + 1 :]


def _doubled(word: str, at: int, rng: np.random.Generator) -> str:
    return word[:at] + word[at] + word[at:]


def _neighbour(word: str, at: int, rng: np.random.Generator) -> str:
    near = _NEIGHBOURS[word[at].lower()]
    return word[:at] + near[int(rng.integers(len(near)))] + word[at + 1 :]


# Name -> (word, position inside it, rng) -> the word as typed.
SLIPS: dict[str, Callable[[str, int, np.random.Generator], str]] = {
    "swapped": _swapped,
    "dropped": _dropped,
    "doubled": _doubled,
    "neighbour": _neighbour,
}
_LOST_SPACE = 1 / (len(SLIPS) + 1)  # share of slips that hit a space, as likely as any other kind


def slip(text: str, rng: np.random.Generator) -> str:
    """One typing error: a lost space, or a letter swapped, dropped, doubled or replaced by its neighbour on the
    keyboard inside a word of four letters or more. A text without either is returned unchanged.

    >>> slip("price please", np.random.default_rng(4))
    'price pldase'
    """
    words = text.split(" ")
    long = [i for i, word in enumerate(words) if len(word) > 3 and word.isascii() and word.isalpha()]
    if len(words) > 1 and (rng.random() < _LOST_SPACE or not long):
        at = int(rng.integers(len(words) - 1))
        return " ".join([*words[:at], words[at] + words[at + 1], *words[at + 2 :]])
    if not long:
        return text
    i = long[int(rng.integers(len(long)))]
    kind = list(SLIPS.values())[int(rng.integers(len(SLIPS)))]
    words[i] = kind(words[i], int(rng.integers(1, len(words[i]) - 1)), rng)
    return " ".join(words)


def without_vowels(text: str, rng: np.random.Generator) -> str:
    """One word of four letters or more spelled without its inner vowels, as in text messages.

    >>> without_vowels("delivery", np.random.default_rng(0))
    'dlvry'
    """
    words = text.split(" ")
    long = [i for i, word in enumerate(words) if len(word) > 3 and word.isascii() and word.isalpha()]
    if not long:
        return text
    i = long[int(rng.integers(len(long)))]
    word = words[i]
    words[i] = word[0] + "".join(c for c in word[1:-1] if c.lower() not in _VOWELS) + word[-1]
    return " ".join(words)
