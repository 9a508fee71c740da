"""Generated messages with none of the nine intents: the negative examples of the out-of-scope score.

Owns    the map (split, size, seed, languages) -> texts without an intent.
Leaves  the templates to `data/out_of_scope.toml`, their notation and slots to `phrases`, typing to `generator`, and the
        score itself to `text.scope`.
Splits  each template belongs to one split, as in `phrases`.
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from importlib import resources

import numpy as np

from flashsale_env.encoders.corpus.generator import Writer
from flashsale_env.encoders.corpus.phrases import DEFAULT_GOODS, LANGUAGES, Template, parse, phrases
from flashsale_env.errors import unknown_name
from flashsale_env.tables import tomllib

__all__ = ["NONE", "OUTLIERS", "SPLITS", "outliers", "templates"]

NONE = "none"  # the label of a message with none of the nine intents

# Texts in each split. With 450 or 900 training texts, real messages were separated equally well.
OUTLIERS = {"train": 1800, "validation": 600}
SPLITS = tuple(OUTLIERS)
_SPLIT_OF_FOUR = ("train", "train", "validation", "train")  # spaced out, so that every topic occurs in both splits


@functools.cache
def templates(language: str) -> tuple[Template, ...]:
    """The templates of one language, with an empty intent."""
    file = resources.files("flashsale_env.encoders").joinpath("data", "out_of_scope.toml")
    topics = tomllib.loads(file.read_text(encoding="utf-8"))[language]
    separator = phrases(language).writing["separator"]
    parsed = []
    for topic, lines in topics.items():
        for i, line in enumerate(lines.strip().splitlines()):
            name = f"{language}/{topic}/{i}"
            parts = parse(line.replace(" ", separator), name)
            parsed.append(Template(name, "", _SPLIT_OF_FOUR[i % len(_SPLIT_OF_FOUR)], parts, "neutral"))
    return tuple(parsed)


def outliers(split: str, size: int, seed: int, *, languages: Collection[str] = ("en",)) -> list[str]:
    """Draw texts without an intent.

    Args:
        split: "train" to fit the score, "validation" to measure it.
        size: number of texts.
        seed: the same arguments give the same texts.
        languages: codes, in equal shares. Languages without templates are ignored; if none has any, English is used.

    Raises:
        ValueError: unknown split.
    """
    if split not in SPLITS:
        raise ValueError(unknown_name("split", split, SPLITS))
    usable = [code for code in LANGUAGES if code in languages] or ["en"]
    texts: list[str] = []
    for i, code in enumerate(usable):
        pool = [template for template in templates(code) if template.split == split]
        writer = Writer(phrases(code), DEFAULT_GOODS, np.random.default_rng([seed, SPLITS.index(split), i]))
        seen: set[str] = set()
        for j in range(size // len(usable) + (i < size % len(usable))):
            # The templates in turn, not at random: they are short and vary little, so random ones repeat too often.
            for _ in range(10):
                text = writer.write([pool[j % len(pool)]]).text
                if text not in seen:
                    break
            seen.add(text)
            texts.append(text)
    return texts
