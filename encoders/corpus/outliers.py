"""Generated messages that are none of the nine intents: what an encoder learns to turn away.

Owns    the map (split, size, seed, languages) -> texts without an intent.
Leaves  the phrases to `data/out_of_scope.toml`, the notation, slots and slips of the fingers to `corpus`, and telling
        these texts from others to `calibration`.
Splits  each template belongs to one split, as in `corpus`.
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from importlib import resources

import numpy as np

from flashsale_env.encoders.corpus.generator import DEFAULT_GOODS, LANGUAGES, Template, Writer, parse, phrases
from flashsale_env.errors import unknown_name
from flashsale_env.tables import tomllib

__all__ = ["OUTLIERS", "SPLITS", "outliers", "templates"]

# Texts of each split for an encoder. With 450 or 900 to learn from, real messages were told apart as well.
OUTLIERS = {"train": 1800, "validation": 600}
SPLITS = tuple(OUTLIERS)
_ROTA = ("train", "train", "validation", "train")  # spread out, so that every topic is met by both splits


@functools.cache
def templates(language: str) -> tuple[Template, ...]:
    """The templates of one of the corpus's languages, with an empty intent."""
    file = resources.files("flashsale_env.encoders").joinpath("data", "out_of_scope.toml")
    topics = tomllib.loads(file.read_text(encoding="utf-8"))[language]
    separator = phrases(language).writing["separator"]
    parsed = []
    for topic, lines in topics.items():
        for i, line in enumerate(lines.strip().splitlines()):
            name = f"{language}/{topic}/{i}"
            parts = parse(line.replace(" ", separator), name)
            parsed.append(Template(name, "", _ROTA[i % len(_ROTA)], parts, "neutral"))
    return tuple(parsed)


def outliers(split: str, size: int, seed: int, *, languages: Collection[str] = ("en",)) -> list[str]:
    """Draw texts without an intent.

    Args:
        split: "train" for what an encoder learns from, "validation" for what it is measured on.
        size: number of texts.
        seed: of this function's own generator; the same arguments give the same texts.
        languages: of the phrases, in equal shares. Those that have none are passed over; where none has any, English
            stands in.

    Raises:
        ValueError: unknown split.
    """
    if split not in SPLITS:
        raise ValueError(unknown_name("split", split, SPLITS))
    spoken = [code for code in LANGUAGES if code in languages] or ["en"]
    texts: list[str] = []
    for i, code in enumerate(spoken):
        pool = [template for template in templates(code) if template.split == split]
        writer = Writer(phrases(code), DEFAULT_GOODS, np.random.default_rng([seed, SPLITS.index(split), i]))
        seen: set[str] = set()
        for j in range(size // len(spoken) + (i < size % len(spoken))):
            # Every template in turn: they vary less than those of the corpus, and short ones repeat soon.
            for _ in range(10):
                text = writer.write([pool[j % len(pool)]]).text
                if text not in seen:
                    break
            seen.add(text)
            texts.append(text)
    return texts
