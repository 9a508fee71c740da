"""Random changes to training messages that keep the intent.

A new augmentation is one function and one entry in `AUGMENTATIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

AUGMENTED = 0.5  # share of the texts changed in each epoch; the others stay as written


def augmented(texts: Sequence[str], name: str, seed: int, epoch: int) -> list[str]:
    """The texts of one epoch. They depend on seed and epoch alone, so a resumed run sees the same ones."""
    rng = np.random.default_rng([seed, epoch])
    change = AUGMENTATIONS[name]
    return [change(text, rng) if rng.random() < AUGMENTED else text for text in texts]


def _typo(text: str, rng: np.random.Generator) -> str:
    """One typing error inside a word of four letters or more: two letters swapped, one dropped or one doubled."""
    words = text.split(" ")
    long = [i for i, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    if not long:
        return text
    i = long[rng.integers(len(long))]
    word, at = words[i], int(rng.integers(1, len(words[i]) - 1))
    middle = (word[at + 1] + word[at], word[at + 1], word[at] + word[at] + word[at + 1])[rng.integers(3)]
    words[i] = word[:at] + middle + word[at + 2 :]
    return " ".join(words)


def _drop_word(text: str, rng: np.random.Generator) -> str:
    """One word less. Messages of one or two words stay: any of their words may carry the intent."""
    words = text.split(" ")
    if len(words) < 3:
        return text
    del words[rng.integers(len(words))]
    return " ".join(words)


def _case(text: str, rng: np.random.Generator) -> str:
    """Upper case, lower case or title case. It has no effect on an uncased backbone."""
    return (text.upper(), text.lower(), text.title())[rng.integers(3)]


AUGMENTATIONS: dict[str, Callable[[str, np.random.Generator], str]] = {
    "typo": _typo,
    "drop_word": _drop_word,
    "case": _case,
}
