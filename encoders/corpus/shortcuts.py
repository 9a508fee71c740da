"""Shortcuts: words of the corpus that give an intent away and should not.

Owns    the share of each intent among the generated messages with a word or a pair of words, and its plausible range.
Leaves  the messages to `generator` and `outliers`, and the words with a range of their own to `data/telling.toml`.

An encoder takes what tells intents apart in its corpus for what tells them apart in a shop. Where "my order" stands in
orders alone, every complaint about an order is read as one. So each word has a range for P(intent | word), with all ten
classes equally frequent: neutral words up to `NEUTRAL`, words that tell an intent up to 1, all others up to `USUAL`.
"""

from __future__ import annotations

import functools
import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from flashsale_env.encoders.corpus.generator import generate
from flashsale_env.encoders.corpus.outliers import NONE, outliers
from flashsale_env.intents import INTENTS
from flashsale_env.tables import tomllib

__all__ = ["NEUTRAL", "USUAL", "Shortcut", "shares", "shortcuts", "telling"]

NEUTRAL, USUAL = 0.5, 0.75
MESSAGES = 900  # of each class
LEAST = 40  # messages with a word from which its share is judged: its standard error is at most .08


@dataclass(frozen=True)
class Shortcut:
    """A word or pair of words whose share of one class is above its range by more than a standard error."""

    words: str
    intent: str
    share: float
    messages: int
    most: float


@functools.cache
def telling(language: str) -> Mapping[str, frozenset[str]]:
    """Class -> words that may tell it alone, and "neutral" -> words that must not tell any."""
    file = resources.files("flashsale_env.encoders").joinpath("data", "telling.toml")
    table = tomllib.loads(file.read_text(encoding="utf-8"))[language]
    return {name: frozenset(words.split()) if name != "neutral" else frozenset(words) for name, words in table.items()}


def words_of(text: str, language: str) -> set[str]:
    """Words and pairs of words of a text; in a language without spaces, its pairs and triples of signs.

    >>> sorted(words_of("My order!", "en"))
    ['my', 'my order', 'order']
    """
    if language == "zh":
        signs = re.sub(r"[^\u4e00-\u9fff]", " ", text)
        return {w for n in (2, 3) for i in range(len(signs) - n + 1) if " " not in (w := signs[i : i + n])}
    words = re.findall(r"[a-z][a-z']*", text.lower())
    return {*words, *(" ".join(pair) for pair in itertools.pairwise(words))}


@functools.cache
def shares(language: str, seed: int = 0) -> dict[str, Counter[str]]:
    """Word -> messages of each class with it, among as many messages of each class of the training split."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for message in generate("train", MESSAGES * len(INTENTS), seed, language=language):
        for word in words_of(message.text, language):
            counts[word][message.intent] += 1
    for text in outliers("train", MESSAGES, seed, languages=(language,)):
        for word in words_of(text, language):
            counts[word][NONE] += 1
    return counts


def shortcuts(language: str, seed: int = 0) -> list[Shortcut]:
    """The words above their range, the most frequent first."""
    known, found = telling(language), []
    for word, counts in shares(language, seed).items():
        total = counts.total()
        if total < LEAST:
            continue
        intent, most_frequent = counts.most_common(1)[0]
        share = most_frequent / total
        limit = NEUTRAL if word in known["neutral"] else 1.0 if _tells(word, known[intent], language) else USUAL
        if share - math.sqrt(share * (1 - share) / total) > limit:
            found.append(Shortcut(word, intent, share, total, limit))
    return sorted(found, key=lambda shortcut: -shortcut.messages)


def _tells(word: str, of_intent: frozenset[str], language: str) -> bool:
    """Whether a word that tells the intent is part of this one."""
    if language == "zh":
        return any(part in word for part in of_intent)
    return not of_intent.isdisjoint(word.split())
