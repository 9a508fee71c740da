"""Labelled customer messages, drawn from phrase templates: the training and test data of encoder and demand model.

Owns    the map (split, size, seed, language) -> messages with known intent and sentiment.
Leaves  templates and their splits to `phrases`, and reading the messages to `text`.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from flashsale_env.encoders.corpus.noise import slip, without_vowels
from flashsale_env.encoders.corpus.phrases import (
    DEFAULT_GOODS,
    LANGUAGES,
    SPLITS,
    Language,
    Parts,
    Pick,
    Template,
    phrases,
)
from flashsale_env.intents import INTENTS

__all__ = ["MIXED", "VERSION", "Message", "Writer", "generate", "language_for"]

T = TypeVar("T")

# Raised when phrases or the way of drawing them change: the card of an encoder records which corpus it learned from.
VERSION = 2

# The language of a corpus that contains every language in equal shares.
MIXED = "mixed"

# Probabilities of additions and errors. Real shop messages are short: the median of published shop-chat data sets is
# four to six words. So most messages stay bare, and few become several sentences.
_P_GREETING = 0.08
_P_OPENING = 0.04
_P_ABOUT_GOOD = 0.05
_P_CLOSING = 0.06
_P_SECOND_SENTENCE = 0.04
_P_BRANDED = 0.12  # of a product's name
_P_REPHRASED = 0.12  # of each phrase that has other words
_P_ABBREVIATED = 0.18
_P_WITHOUT_VOWELS = 0.06
_P_TYPOS = 0.25
# What says who writes and about which order, and nothing of what they want. It dresses every intent and messages with
# none alike, so that no intent is known by it.
_P_ORDER_NUMBER = 0.06
_P_INTRODUCTION = 0.03
_P_CONTACT = 0.03
_P_SIGNATURE = 0.06
_P_EMOJI = 0.04
_FILLERS = {
    "#": tuple("0123456789"),
    "@": (
        "ba",
        "cor",
        "del",
        "en",
        "fi",
        "gra",
        "ho",
        "is",
        "jo",
        "kel",
        "lu",
        "mo",
        "nex",
        "or",
        "pu",
        "ri",
        "sa",
        "tem",
        "u",
        "vor",
        "xi",
        "zan",
    ),
}
_CASINGS = {"as written": 0.30, "sentence": 0.28, "lower": 0.38, "upper": 0.04}


@dataclass(frozen=True)
class Message:
    """A customer's message with its labels.

    Args:
        text: as typed.
        intent: one of `INTENTS`.
        template: name of the template; a message of two sentences has two, joined by "+", see `templates`.
        good: noun of the product that the message names, as the caller gave it, whatever the language; None if none.
        sentiment: "negative" for a template that reports a problem, "positive" for praise, else "neutral"; None if the
            message has no such label.
        language: ISO 639-1.
    """

    text: str
    intent: str
    template: str
    good: str | None
    sentiment: str | None = None
    language: str = "en"

    @property
    def templates(self) -> tuple[str, ...]:
        """Template of each sentence. The sentiment is that of the first."""
        return tuple(self.template.split("+"))


def language_for(known: Sequence[str]) -> str:
    """The corpus for a backbone that was pretrained on these languages: "mixed" if all of `LANGUAGES` are among them,
    else "en"."""
    return MIXED if set(LANGUAGES) <= set(known) else "en"


def generate(
    split: str, size: int, seed: int, *, goods: Sequence[str] = DEFAULT_GOODS, language: str = "en"
) -> list[Message]:
    """Draw messages, balanced over the nine intents (counts differ by at most one), in random order.

    Args:
        split: "train" and "validation" for the encoder, "demand" for the voices of the demand model, "evaluation" for
            end-to-end figures. No template occurs in two of them.
        size: number of messages.
        seed: the same arguments give the same messages.
        goods: noun phrases of the products that messages may name; English if the phrase file translates them, see
            `noun_in`. The default list is broad, so that the intent cannot be inferred from the product.
        language: one of `LANGUAGES`, or "mixed" for all in equal shares, each balanced over the intents.

    Raises:
        ValueError: unknown split or language, negative size or seed, no goods.
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
    source = phrases(language)
    writer = Writer(source, goods, np.random.default_rng([seed, SPLITS.index(split)]))
    pools = {intent: source.of(intent, split) for intent in INTENTS}
    seen: set[str] = set()
    messages = []
    for i in range(size):
        pool = pools[INTENTS[i % len(INTENTS)]]
        # Short templates repeat quickly. Up to ten draws keep repetitions rare without forbidding them.
        for _ in range(10):
            message = writer.write(pool)
            if message.text not in seen:
                break
        seen.add(message.text)
        messages.append(message)
    return [messages[i] for i in writer.rng.permutation(size)]


class Writer:
    """Draws messages from templates.

    Args:
        language: phrase file.
        goods: noun phrases of the products that messages may name.
        rng: the only source of randomness.
    """

    def __init__(self, language: Language, goods: tuple[str, ...], rng: np.random.Generator) -> None:
        self.language, self.goods, self.rng = language, goods, rng
        self.others = goods if len(goods) > 1 else tuple(g for g in language.goods if g not in goods)

    def write(self, pool: Sequence[Template]) -> Message:
        """A message from a template of the pool, drawn at random."""
        template = self.pick(pool)
        good = self.pick(self.goods)
        core, names_good = self.core(template, good)
        name = template.name
        if self.happens(_P_SECOND_SENTENCE):
            second = self.pick(pool)
            more, also = self.core(second, good)
            core, names_good = core + self.weighted("joints") + more, names_good or also
            name = f"{template.name}+{second.name}"
        pieces = [core]
        if not names_good and self.happens(_P_ABOUT_GOOD):
            pieces.insert(0, self.dressing("openings_about_good", good))
            names_good = True
        elif self.happens(_P_OPENING):
            pieces.insert(0, self.dressing("openings", good))
        if self.happens(_P_ORDER_NUMBER):
            pieces.insert(len(pieces) if self.happens(0.3) else 0, self.dressing("order_numbers", good))
        for table, probability in (("introductions", _P_INTRODUCTION), ("greetings", _P_GREETING)):
            if self.happens(probability):
                pieces.insert(0, self.dressing(table, good))
        for table, probability in (
            ("contacts", _P_CONTACT), ("closings", _P_CLOSING), ("emoji", _P_EMOJI), ("signatures", _P_SIGNATURE),
        ):  # fmt: skip
            if self.happens(probability):
                pieces.append(self.dressing(table, good))
        text = pieces[0] + "".join(self.weighted("joints") + piece for piece in pieces[1:])
        named = good if names_good else None
        return Message(self.type(text, core), template.intent, name, named, template.sentiment, self.language.code)

    def dressing(self, table: str, good: str) -> str:
        """An addition from a table of the phrase file."""
        return self.expand(self.pick(self.language.dressing[table]), good, {})

    def core(self, template: Template, good: str) -> tuple[str, bool]:
        """One phrase from a template, and whether it names the product."""
        used = {"good": {good}}
        words = self.rephrased(self.expand(template.parts, good, used))
        tidy = " ".join(words.split()).replace(" ,", ",").replace(" ?", "?")
        return tidy.strip(" ,，"), "named" in used

    def rephrased(self, text: str) -> str:
        """The text with other words for the same."""
        return self.exchanged(text, self.language.writing["rephrasings"], _P_REPHRASED)

    def exchanged(self, text: str, pairs: Sequence[Sequence[str]], probability: float) -> str:
        """The text with whole words or phrases exchanged, each with this probability."""
        border = self.language.writing["word_border"]
        padded = f"{border}{text}{border}"
        for old, new in pairs:
            if f"{border}{old}{border}" in padded and self.happens(probability):
                padded = padded.replace(f"{border}{old}{border}", f"{border}{new}{border}")
        return padded.removeprefix(border).removesuffix(border)

    def noun(self, good: str) -> str:
        """The noun for a product in this language."""
        return self.language.names.get(good, good)

    def named(self, good: str, used: dict[str, set[str]]) -> str:
        """The product as a customer names it, now and then with a brand, a model or a size."""
        if self.happens(_P_BRANDED):
            return self.expand(self.pick(self.language.branded), good, used)
        return self.noun(good)

    def expand(self, parts: Parts, good: str, used: dict[str, set[str]]) -> str:
        """The text of a parsed pattern. `used` collects the words of each slot, and "named" if the product occurs."""
        out = []
        for part in parts:
            if isinstance(part, str):
                out.append(part)
            elif isinstance(part, Pick):
                out.append(self.expand(self.pick(part.alternatives), good, used))
            elif part.name == "good":
                used["named"] = {good}
                out.append(self.named(good, used))
            elif part.name == "noun":
                out.append(self.noun(good))
            else:
                # Two slots of one kind get different words: "is the pro better than the pro" makes no sense.
                values = self.others if part.name == "other" else self.language.slots[part.name]
                taken = used.setdefault("good" if part.name == "other" else part.name, set())
                value = self.pick([v for v in values if v not in taken])
                taken.add(value)
                out.append(self.noun(value) if part.name == "other" else self.filled(value))
        return "".join(out)

    def filled(self, word: str) -> str:
        """The word with a digit for each "#" and a syllable for each "@", drawn anew: no number and no name of a brand
        stands for an intent."""
        drawn = [self.pick(_FILLERS[sign]) if sign in _FILLERS else sign for sign in word]
        return "".join(drawn).capitalize() if "@" in word else "".join(drawn)

    def type(self, text: str, core: str) -> str:
        """The message as typed: final punctuation, abbreviations, typing errors, casing."""
        writing = self.language.writing
        first = core.split(maxsplit=1)[0].lower() if core else ""
        asks = first in writing["question_words"] or any(sign in core for sign in writing["question_signs"])
        text = text.rstrip("?!. ？！。") + self.weighted("question_ends" if asks else "other_ends")
        if self.happens(_P_ABBREVIATED):
            text = self.exchanged(text, self.language.abbreviations, 0.5)
        if self.language.writing["vowels"] and self.happens(_P_WITHOUT_VOWELS):
            text = without_vowels(text, self.rng)
        if self.happens(_P_TYPOS):
            for _ in range(1 + int(self.happens(0.3))):
                text = self.mistype(text)
        casing = list(_CASINGS)[self.rng.choice(len(_CASINGS), p=list(_CASINGS.values()))]
        if casing == "sentence":
            return text[:1].upper() + text[1:]
        return {"as written": text, "lower": text.lower(), "upper": text.upper()}[casing]

    def mistype(self, text: str) -> str:
        """One typing error: a homophone, if the language has one for a word of the text, else a slip of the fingers."""
        if sounds := [pair for pair in self.language.homophones if pair[0] in text]:
            right, wrong = self.pick(sounds)
            return text.replace(right, wrong, 1)
        return slip(text, self.rng)

    def pick(self, values: Sequence[T]) -> T:
        """One of the values, all equally likely."""
        return values[int(self.rng.integers(len(values)))]

    def happens(self, probability: float) -> bool:
        """True with this probability."""
        return bool(self.rng.random() < probability)

    def weighted(self, table: str) -> str:
        """A key of a table of weights in the phrase file, drawn in proportion to them."""
        weights: dict[str, float] = self.language.writing[table]
        p = np.fromiter(weights.values(), dtype=float)
        return list(weights)[self.rng.choice(len(weights), p=p / p.sum())]
