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

__all__ = ["MIXED", "Message", "Writer", "generate", "language_for"]

T = TypeVar("T")

# The language of a corpus that contains every language in equal shares.
MIXED = "mixed"

# Probabilities of additions and errors. Real shop messages are short: the median of published shop-chat data sets is
# four to six words. So most messages stay bare, and few become several sentences.
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
        """One phrase from a template, and whether it names the product."""
        used = {"good": {good}}
        words = self.expand(template.parts, good, used)
        tidy = " ".join(words.split()).replace(" ,", ",").replace(" ?", "?")
        return tidy.strip(" ,，"), "named" in used

    def noun(self, good: str) -> str:
        """The noun for a product in this language."""
        return self.language.names.get(good, good)

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
                out.append(self.noun(good))
            else:
                # Two slots of one kind get different words: "is the pro better than the pro" makes no sense.
                values = self.others if part.name == "other" else self.language.slots[part.name]
                taken = used.setdefault("good" if part.name == "other" else part.name, set())
                value = self.pick([v for v in values if v not in taken])
                taken.add(value)
                out.append(self.noun(value) if part.name == "other" else value)
        return "".join(out)

    def type(self, text: str, core: str) -> str:
        """The message as typed: final punctuation, abbreviations, typing errors, casing."""
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
                text = self.mistype(text)
        casing = list(_CASINGS)[self.rng.choice(len(_CASINGS), p=list(_CASINGS.values()))]
        if casing == "sentence":
            return text[:1].upper() + text[1:]
        return {"as written": text, "lower": text.lower(), "upper": text.upper()}[casing]

    def mistype(self, text: str) -> str:
        """One typing error: a homophone, if the language has one for a word of the text; otherwise a letter swapped,
        dropped or doubled inside a word of four letters or more."""
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
