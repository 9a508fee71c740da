"""Labelled customer messages from phrase templates: what the encoder and the demand model learn from.

Owns    the map (split, size, seed, language) -> messages with known intent and sentiment.
Leaves  the phrases themselves to `data/phrases/LANGUAGE.toml`; reading messages to `intent`.
Splits  each template belongs to exactly one split, so a score on another split is a score on phrasing that
        was never seen, not on new rows of the same phrases.

A new language is one more phrase file with the same tables.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np

from flashsale_env.intents import INTENTS
from flashsale_env.tables import tomllib

__all__ = [
    "DEFAULT_GOODS",
    "LANGUAGES",
    "MIXED",
    "SENTIMENTS",
    "SPLITS",
    "Message",
    "generate",
    "language_for",
    "noun_in",
    "templates",
]

SPLITS = ("train", "validation", "demand", "evaluation")
SENTIMENTS = ("negative", "neutral", "positive")
# The language of a corpus that holds all of them in equal shares.
MIXED = "mixed"

# Of each ten consecutive templates of an intent seven train the encoder. The three others are spread out,
# so that every topic of an intent (price, coupons, instalments ...) is met by every split.
_ROTA = (
    "train", "train", "validation", "train", "train", "demand", "train", "train", "evaluation", "train",
)  # fmt: skip

# What a line that begins so says, whatever its topic.
_MARKS = {"- ": "negative", "+ ": "positive"}

# How messages are dressed. Real shop messages are short: the median of published shop-chat sets is four to
# six words, so most messages stay bare and only a few become several sentences.
_P_GREETING = 0.08
_P_OPENING = 0.04
_P_ABOUT_GOOD = 0.05
_P_CLOSING = 0.06
_P_SECOND_SENTENCE = 0.04
_P_ABBREVIATED = 0.12
_P_TYPOS = 0.14
_CASINGS = {"as written": 0.30, "sentence": 0.28, "lower": 0.38, "upper": 0.04}


@dataclass(frozen=True)
class Message:
    """A customer's message, its intent, the template it came from and the product it names, if any.

    A message of two sentences has two templates, joined by "+"; `templates` has them apart.

    `good` is the noun as the caller gave it, whatever the language of the text. `sentiment` says whether the template
    reports that something went wrong, praises, or does neither; None where nobody said.
    """

    text: str
    intent: str
    template: str
    good: str | None
    sentiment: str | None = None
    language: str = "en"

    @property
    def templates(self) -> tuple[str, ...]:
        """Of each sentence; the first one gave the message its sentiment too."""
        return tuple(self.template.split("+"))


@dataclass(frozen=True)
class Template:
    """One phrase pattern. `parts` is its parsed form, see `parse`."""

    name: str
    intent: str
    split: str
    parts: tuple
    sentiment: str


@dataclass(frozen=True)
class _Language:
    writing: Mapping
    slots: Mapping[str, Sequence[str]]
    dressing: Mapping[str, Sequence]
    code: str
    abbreviations: Sequence[Sequence[str]]
    homophones: Sequence[Sequence[str]]
    goods: tuple[str, ...]
    names: Mapping[str, str]  # of goods whose noun is not written as it is
    templates: tuple[Template, ...]

    def of(self, intent: str, split: str) -> tuple[Template, ...]:
        return tuple(t for t in self.templates if t.intent == intent and t.split == split)


def _phrase_folder():
    return resources.files("flashsale_env.encoders").joinpath("data", "phrases")


LANGUAGES = tuple(sorted(f.name.removesuffix(".toml") for f in _phrase_folder().iterdir()))


def parse(pattern: str, name: str) -> tuple:
    """Parse `text [a|b [c|]] {slot}` to a sequence of str, ("slot", name) and ("pick", alternatives)."""

    def sequence(at: int, nested: bool) -> tuple[tuple, int]:
        parts: list = []
        while at < len(pattern):
            sign = pattern[at]
            if sign == "[":
                alternatives = []
                while pattern[at] in "[|":
                    inner, at = sequence(at + 1, nested=True)
                    alternatives.append(inner)
                    if at >= len(pattern):
                        raise ValueError(f"template {name}: '[' is never closed in {pattern!r}.")
                parts.append(("pick", tuple(alternatives)))
                at += 1
            elif nested and sign in "|]":
                return tuple(parts), at
            elif sign == "{":
                end = pattern.index("}", at)
                parts.append(("slot", pattern[at + 1 : end]))
                at = end + 1
            else:
                end = min((i for i in (pattern.find(c, at) for c in "[]{|") if i >= 0), default=len(pattern))
                if end == at:
                    raise ValueError(f"template {name}: stray {sign!r} at column {at} of {pattern!r}.")
                parts.append(pattern[at:end])
                at = end
        return tuple(parts), at

    return sequence(0, nested=False)[0]


def _slots(parts: tuple) -> Iterator[str]:
    """Names of the slots anywhere in a parsed pattern."""
    for part in parts:
        if not isinstance(part, str):
            kind, value = part
            if kind == "slot":
                yield value
            else:
                for alternative in value:
                    yield from _slots(alternative)


@functools.cache
def phrases(code: str) -> _Language:
    if code not in LANGUAGES:
        near = difflib.get_close_matches(code, LANGUAGES, n=1, cutoff=0.0)
        raise ValueError(
            f"unknown language {code!r}: phrases exist for {', '.join(LANGUAGES)}. "
            f"Use {near[0]!r}, or add encoders/data/phrases/{code}.toml."
        )
    table: dict = tomllib.loads(_phrase_folder().joinpath(f"{code}.toml").read_text(encoding="utf-8"))
    known = {*table["slots"], "good", "other"}
    mood = {topic: sentiment for sentiment, topics in table["sentiment"].items() for topic in topics}
    parsed = []
    for intent in INTENTS:
        patterns = [
            (f"{code}/{intent}/{topic}/{i}", line, mood.get(f"{intent}/{topic}", "neutral"))
            for topic, lines in table["templates"][intent].items()
            for i, line in enumerate(lines.strip().splitlines())
        ]
        for i, (name, line, sentiment) in enumerate(patterns):
            if line[:2] in _MARKS:
                line, sentiment = line[2:], _MARKS[line[:2]]
            parts = parse(line.replace(" ", table["writing"]["separator"]), name)
            if unknown := set(_slots(parts)) - known:
                raise ValueError(f"template {name} uses {sorted(unknown)}, but the slots are {sorted(known)}.")
            parsed.append(Template(name, intent, _ROTA[i % len(_ROTA)], parts, sentiment))
    names = table["goods"].get("names", {})
    return _Language(
        table["writing"],
        table["slots"],
        table["dressing"],
        code,
        table["noise"]["abbreviations"],
        table["noise"].get("homophones", ()),
        tuple(table["goods"].get("broad", names)),
        names,
        tuple(parsed),
    )


DEFAULT_GOODS = phrases("en").goods


def templates(language: str = "en") -> tuple[Template, ...]:
    """All templates of a language, in the order of the phrase file."""
    return phrases(language).templates


def language_for(known: Sequence[str]) -> str:
    """The corpus for a reader that knows these languages: "mixed" where it knows all that phrases exist for."""
    return MIXED if set(LANGUAGES) <= set(known) else "en"


def noun_in(language: str, good: str) -> str:
    """How messages of a language write a product: its noun there, or `good` itself where there is none."""
    return phrases(language).names.get(good, good)


def generate(
    split: str, size: int, seed: int, *, goods: Sequence[str] = DEFAULT_GOODS, language: str = "en"
) -> list[Message]:
    """Draw messages, balanced over the nine intents (counts differ by at most one), in random order.

    Args:
        split: "train" and "validation" for the encoder, "demand" for the voices of the demand model,
            "evaluation" for end-to-end figures. No template serves two of them.
        size: number of messages.
        seed: of this function's own generator; the same (split, size, seed, goods) gives the same messages.
        goods: noun phrases of the products that messages may name, in English where the phrase file of the language
            knows them by it, see `noun_in`. The default is broad, so that the words of an intent rather than the
            product carry the class.
        language: one of `LANGUAGES`, or "mixed" for all of them in equal shares (each balanced over the intents).

    Raises:
        ValueError: unknown split or language, a negative size or seed, no goods.
    """
    if split not in SPLITS:
        near = difflib.get_close_matches(str(split), SPLITS, n=1, cutoff=0.0)
        raise ValueError(f"unknown split {split!r}: use one of {', '.join(SPLITS)}, e.g. {near[0]!r}.")
    if size < 0 or seed < 0:
        raise ValueError(f"size and seed must not be negative, got size={size}, seed={seed}.")
    goods = tuple(goods)
    if not goods or not all(isinstance(g, str) and g.strip() for g in goods):
        raise ValueError(f"goods must be noun phrases, e.g. ('wireless earbuds', 'air fryer'), got {goods!r}.")
    if language == MIXED:
        shares = [size // len(LANGUAGES) + (i < size % len(LANGUAGES)) for i in range(len(LANGUAGES))]
        parts = [
            generate(split, n, seed, goods=goods, language=code) for n, code in zip(shares, LANGUAGES, strict=True)
        ]
        together = [message for part in parts for message in part]
        return [together[i] for i in np.random.default_rng([seed, SPLITS.index(split)]).permutation(size)]
    tongue = phrases(language)
    writer = Writer(tongue, goods, np.random.default_rng([seed, SPLITS.index(split)]))
    pools = {intent: tongue.of(intent, split) for intent in INTENTS}
    seen: set[str] = set()
    messages = []
    for i in range(size):
        pool = pools[INTENTS[i % len(INTENTS)]]
        # Short fragments repeat soon; a few more draws keep repeats rare without forbidding them.
        for _ in range(10):
            message = writer.write(pool)
            if message.text not in seen:
                break
        seen.add(message.text)
        messages.append(message)
    return [messages[i] for i in writer.rng.permutation(size)]


class Writer:
    """Turns templates into messages with one generator."""

    def __init__(self, language: _Language, goods: tuple[str, ...], rng: np.random.Generator) -> None:
        self.language, self.goods, self.rng = language, goods, rng
        self.others = goods if len(goods) > 1 else tuple(g for g in language.goods if g not in goods)

    def write(self, pool: Sequence[Template]) -> Message:
        template = self.pick(pool)
        good = self.pick(self.goods)
        core, names_good = self.core(template, good)
        name = template.name
        if self.happens(_P_SECOND_SENTENCE):
            second = self.pick(pool)
            more, also = self.core(second, good)
            core, names_good = core + self.weighted("joints") + more, names_good or also
            name = f"{template.name}+{second.name}"
        dressing, pieces = self.language.dressing, [core]
        if not names_good and self.happens(_P_ABOUT_GOOD):
            pieces.insert(0, self.pick(dressing["openings_about_good"]).replace("{good}", self.noun(good)))
            names_good = True
        elif self.happens(_P_OPENING):
            pieces.insert(0, self.pick(dressing["openings"]))
        if self.happens(_P_GREETING):
            pieces.insert(0, self.pick(dressing["greetings"]))
        if self.happens(_P_CLOSING):
            pieces.append(self.pick(dressing["closings"]))
        text = pieces[0] + "".join(self.weighted("joints") + piece for piece in pieces[1:])
        named = good if names_good else None
        return Message(self.type(text, core), template.intent, name, named, template.sentiment, self.language.code)

    def core(self, template: Template, good: str) -> tuple[str, bool]:
        """One phrase of a template, and whether it names the product."""
        used = {"good": {good}}
        words = self.expand(template.parts, good, used)
        tidy = " ".join(words.split()).replace(" ,", ",").replace(" ?", "?")
        return tidy.strip(" ,，"), "named" in used

    def noun(self, good: str) -> str:
        return self.language.names.get(good, good)

    def expand(self, parts: tuple, good: str, used: dict[str, set[str]]) -> str:
        out = []
        for part in parts:
            if isinstance(part, str):
                out.append(part)
            elif part[0] == "pick":
                out.append(self.expand(self.pick(part[1]), good, used))
            elif part[1] == "good":
                used["named"] = {good}
                out.append(self.noun(good))
            else:
                # Two slots of one kind in a phrase differ: nobody compares the pro with the pro.
                values = self.others if part[1] == "other" else self.language.slots[part[1]]
                taken = used.setdefault("good" if part[1] == "other" else part[1], set())
                value = self.pick([v for v in values if v not in taken])
                taken.add(value)
                out.append(self.noun(value) if part[1] == "other" else value)
        return "".join(out)

    def type(self, text: str, core: str) -> str:
        """The message as typed: abbreviations, slips, casing, final punctuation."""
        writing = self.language.writing
        first = core.split(maxsplit=1)[0].lower() if core else ""
        asks = first in writing["question_words"] or any(sign in core for sign in writing["question_signs"])
        text = text.rstrip("?!. ？！。") + self.weighted("question_ends" if asks else "other_ends")
        if self.happens(_P_ABBREVIATED):
            border = writing["word_border"]
            padded = f"{border}{text}{border}"
            for word, short in self.language.abbreviations:
                if f"{border}{word}{border}" in padded and self.happens(0.5):
                    padded = padded.replace(f"{border}{word}{border}", f"{border}{short}{border}")
            text = padded.removeprefix(border).removesuffix(border)
        if self.happens(_P_TYPOS):
            for _ in range(1 + int(self.happens(0.3))):
                text = self.slip(text)
        casing = list(_CASINGS)[self.rng.choice(len(_CASINGS), p=list(_CASINGS.values()))]
        if casing == "sentence":
            return text[:1].upper() + text[1:]
        return {"as written": text, "lower": text.lower(), "upper": text.upper()}[casing]

    def slip(self, text: str) -> str:
        """One slip of the fingers: a word of the same sound, where the language is typed by sound; else a swapped,
        lost or doubled letter inside a word of four letters or more."""
        if sounds := [pair for pair in self.language.homophones if pair[0] in text]:
            right, wrong = self.pick(sounds)
            return text.replace(right, wrong, 1)
        words = text.split(" ")
        long = [i for i, word in enumerate(words) if len(word) > 3 and word.isascii() and word.isalpha()]
        if not long:
            return text
        i = self.pick(long)
        word, at = words[i], int(self.rng.integers(1, len(words[i]) - 1))
        words[i] = self.pick(
            [
                word[:at] + word[at + 1] + word[at] + word[at + 2 :],
                word[:at] + word[at + 1 :],
                word[:at] + word[at] + word[at:],
            ]
        )
        return " ".join(words)

    def pick(self, values: Sequence):
        return values[int(self.rng.integers(len(values)))]

    def happens(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def weighted(self, table: str) -> str:
        weights = self.language.writing[table]
        p = np.fromiter(weights.values(), dtype=float)
        return list(weights)[self.rng.choice(len(weights), p=p / p.sum())]
