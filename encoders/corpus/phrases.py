"""Phrase files: the templates, slots and writing habits of each language.

Owns    the notation of templates, reading `data/phrases/LANGUAGE.toml`, and the split and sentiment of each template.
Leaves  the phrases themselves to those files, and drawing messages from them to `generator`.
Splits  each template belongs to one split, so a score on another split is a score on unseen phrasing, not on new rows
        of known phrases.

A new language is one more phrase file with the same tables.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from flashsale_env.intents import INTENTS
from flashsale_env.tables import tomllib

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable  # Python 3.11; at run time 3.10 is enough

__all__ = [
    "DEFAULT_GOODS",
    "LANGUAGES",
    "SENTIMENTS",
    "SPLITS",
    "Language",
    "Parts",
    "Pick",
    "Slot",
    "Template",
    "noun_in",
    "parse",
    "phrases",
    "templates",
]

SPLITS = ("train", "validation", "demand", "evaluation")
SENTIMENTS = ("negative", "neutral", "positive")

# Splits of ten consecutive templates of an intent: seven train the encoder. The three others are spaced out, so that
# every topic of an intent (price, coupons, instalments ...) occurs in every split.
_SPLIT_OF_TEN = (
    "train", "train", "validation", "train", "train", "demand", "train", "train", "evaluation", "train",
)  # fmt: skip

# A line's own sentiment, whatever that of its topic.
_SENTIMENT_MARKS = {"- ": "negative", "+ ": "positive"}


@dataclass(frozen=True)
class Slot:
    """A place for a word: "good" is the product, "noun" its bare name, "other" a second product, the rest are lists in
    the phrase file."""

    name: str


@dataclass(frozen=True)
class Pick:
    """One of several alternatives, each a parsed pattern."""

    alternatives: tuple[Parts, ...]


Parts = tuple[str | Slot | Pick, ...]  # a parsed pattern, from left to right


@dataclass(frozen=True)
class Template:
    """One phrase pattern. `parts` is its parsed form, see `parse`."""

    name: str
    intent: str
    split: str
    parts: Parts
    sentiment: str


@dataclass(frozen=True)
class Language:
    """A phrase file.

    Args:
        code: ISO 639-1.
        writing: separator, word border, question words and signs, and weights of message endings and joints.
        slots: name -> words.
        branded: parsed ways to name a product with its brand, model or size.
        dressing: parsed additions that tell no intent: greetings, openings, order numbers, signatures and others.
        abbreviations: (word, short form).
        homophones: (word, another word of the same sound), for languages that are typed by sound.
        goods: noun phrases of the default products, in English.
        names: English noun phrase -> noun phrase in this language, where it differs.
        templates: in the order of the file.
    """

    code: str
    writing: Mapping[str, Any]
    slots: Mapping[str, Sequence[str]]
    branded: Sequence[Parts]
    dressing: Mapping[str, Sequence[Parts]]
    abbreviations: Sequence[Sequence[str]]
    homophones: Sequence[Sequence[str]]
    goods: tuple[str, ...]
    names: Mapping[str, str]
    templates: tuple[Template, ...]

    def of(self, intent: str, split: str) -> tuple[Template, ...]:
        """The templates of one intent and split."""
        return tuple(t for t in self.templates if t.intent == intent and t.split == split)


def _phrase_folder() -> Traversable:
    return resources.files("flashsale_env.encoders").joinpath("data", "phrases")


LANGUAGES = tuple(sorted(f.name.removesuffix(".toml") for f in _phrase_folder().iterdir()))


def parse(pattern: str, name: str) -> Parts:
    """Parse a pattern such as `text [a|b [c|]] {slot}`: brackets pick an alternative, braces name a slot.

    Raises:
        ValueError: a bracket is never closed, or stands where none was opened; the error carries `name`.

    >>> parse("is [it|{item}] new", "x")
    ('is ', Pick(alternatives=(('it',), (Slot(name='item'),))), ' new')
    """

    def sequence(at: int, nested: bool) -> tuple[Parts, int]:
        parts: list[str | Slot | Pick] = []
        while at < len(pattern):
            sign = pattern[at]
            if sign == "[":
                alternatives = []
                while pattern[at] in "[|":
                    inner, at = sequence(at + 1, nested=True)
                    alternatives.append(inner)
                    if at >= len(pattern):
                        raise ValueError(f"template {name}: '[' is never closed in {pattern!r}.")
                parts.append(Pick(tuple(alternatives)))
                at += 1
            elif nested and sign in "|]":
                return tuple(parts), at
            elif sign == "{":
                end = pattern.index("}", at)
                parts.append(Slot(pattern[at + 1 : end]))
                at = end + 1
            else:
                end = min((i for i in (pattern.find(c, at) for c in "[]{|") if i >= 0), default=len(pattern))
                if end == at:
                    raise ValueError(f"template {name}: stray {sign!r} at column {at} of {pattern!r}.")
                parts.append(pattern[at:end])
                at = end
        return tuple(parts), at

    return sequence(0, nested=False)[0]


def _slots(parts: Parts) -> Iterator[str]:
    """Names of the slots anywhere in a parsed pattern."""
    for part in parts:
        if isinstance(part, Slot):
            yield part.name
        elif isinstance(part, Pick):
            for alternative in part.alternatives:
                yield from _slots(alternative)


def _parsed(code: str, name: str, lines: Sequence[str], known: Collection[str]) -> list[Parts]:
    """The lines of a table of additions, parsed."""
    parsed = [parse(line, f"{code}/{name}") for line in lines]
    if unknown := {slot for parts in parsed for slot in _slots(parts)} - set(known):
        raise ValueError(f"{name} of {code} use {sorted(unknown)}, but the slots are {sorted(known)}.")
    return parsed


@functools.cache
def phrases(code: str) -> Language:
    """The phrase file of a language.

    Raises:
        ValueError: there is none, or a template of it uses an unknown slot.
    """
    if code not in LANGUAGES:
        near = difflib.get_close_matches(code, LANGUAGES, n=1, cutoff=0.0)
        raise ValueError(
            f"unknown language {code!r}: phrases exist for {', '.join(LANGUAGES)}. "
            f"Use {near[0]!r}, or add encoders/data/phrases/{code}.toml."
        )
    table = tomllib.loads(_phrase_folder().joinpath(f"{code}.toml").read_text(encoding="utf-8"))
    known = {*table["slots"], "good", "noun", "other"}
    sentiment_of = {topic: sentiment for sentiment, topics in table["sentiment"].items() for topic in topics}
    parsed = []
    for intent in INTENTS:
        patterns = [
            (f"{code}/{intent}/{topic}/{i}", line, sentiment_of.get(f"{intent}/{topic}", "neutral"))
            for topic, lines in table["templates"][intent].items()
            for i, line in enumerate(lines.strip().splitlines())
        ]
        for i, (name, line, sentiment) in enumerate(patterns):
            if line[:2] in _SENTIMENT_MARKS:
                line, sentiment = line[2:], _SENTIMENT_MARKS[line[:2]]
            parts = parse(line.replace(" ", table["writing"]["separator"]), name)
            if unknown := set(_slots(parts)) - known:
                raise ValueError(f"template {name} uses {sorted(unknown)}, but the slots are {sorted(known)}.")
            parsed.append(Template(name, intent, _SPLIT_OF_TEN[i % len(_SPLIT_OF_TEN)], parts, sentiment))
    names = table["goods"].get("names", {})
    return Language(
        code=code,
        writing=table["writing"],
        slots=table["slots"],
        branded=_parsed(code, "branded", table["writing"]["branded"], known),
        dressing={name: _parsed(code, name, lines, known) for name, lines in table["dressing"].items()},
        abbreviations=table["noise"]["abbreviations"],
        homophones=table["noise"].get("homophones", ()),
        goods=tuple(table["goods"].get("broad", names)),
        names=names,
        templates=tuple(parsed),
    )


DEFAULT_GOODS = phrases("en").goods


def templates(language: str = "en") -> tuple[Template, ...]:
    """All templates of a language, in the order of the phrase file."""
    return phrases(language).templates


def noun_in(language: str, good: str) -> str:
    """The noun for a product in a language, or `good` itself if the phrase file has none."""
    return phrases(language).names.get(good, good)
