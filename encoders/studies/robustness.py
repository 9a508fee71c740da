"""Robustness: what the noise of everyday messages costs the encoder in accuracy.

Owns    the perturbations, and the accuracy under each of them beside that of the same messages as written.
Leaves  the encoder to `text`, kinds of slips to `corpus.noise`, and files of labelled messages to `transfer`.

Greetings, signatures and small talk have wordings of their own, which the corpus does not hold.

A new perturbation is one function and one entry in `PERTURBATIONS`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from flashsale_env.encoders.corpus.generator import generate
from flashsale_env.encoders.corpus.noise import slip, without_vowels
from flashsale_env.encoders.corpus.phrases import phrases
from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.intervals import Interval

__all__ = ["PERTURBATIONS", "ROWS", "evaluation_rows", "robustness_study"]

ROWS = 900  # messages of the evaluation split; the half-width of a fall of 5 points is about 2 points

_GREETINGS = (
    "Good afternoon to you all, my order has the number {number}.",
    "Hiya, it's customer {number} writing.",
    "Greetings! Reference: {number}.",
    "Hello my dears, order {number} is mine.",
)
_SIGNATURES = (
    "--\nWarm wishes\nDelphine Marchetti\nOffice manager",
    "Cordially,\nH. Lindqvist\n+46 70 555 01 {number}",
    "Sent with my tablet, excuse brevity",
    "Yours faithfully,\nBartholomew Quill\n3 Harbour Row",
)
_SMALL_TALK = (
    "I hope that your whole team is well and that the spring has been kind to you. "
    "Over here we have had rain for days, and the dog refuses to leave the house. "
    "My neighbour says that it will be sunny again soon, but she said so before. "
)

Perturbation = Callable[[str, np.random.Generator], str]


def _pick(lines: Sequence[str], rng: np.random.Generator) -> str:
    return lines[int(rng.integers(len(lines)))].format(number=rng.integers(1000, 99999))


def _short(text: str, rng: np.random.Generator) -> str:
    """Short forms for all words that have one, and two words without their vowels."""
    padded = f" {text} "
    for word, short in phrases("en").abbreviations:
        padded = padded.replace(f" {word} ", f" {short} ")
    return without_vowels(without_vowels(padded.strip(), rng), rng)


def _full_width(text: str, rng: np.random.Generator) -> str:
    return "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in text)


def _mathematical(text: str, rng: np.random.Generator) -> str:
    """Letters in sans-serif bold."""
    bold = {
        letter: unicodedata.lookup(f"MATHEMATICAL SANS-SERIF BOLD SMALL {letter.upper()}")
        for letter in "abcdefghijklmnopqrstuvwxyz"
    }
    return "".join(bold.get(sign, sign) for sign in text.lower())


PERTURBATIONS: dict[str, Perturbation] = {
    "one typing slip": slip,
    "SMS spelling": _short,
    "greeting and order number": lambda text, rng: f"{_pick(_GREETINGS, rng)} {text}",
    "mail signature": lambda text, rng: f"{text}\n\n{_pick(_SIGNATURES, rng)}",
    "emoji": lambda text, rng: text + " " + "🙈🎈🌼"[int(rng.integers(3))],
    "capitals": lambda text, rng: text.upper(),
    "full-width letters": _full_width,
    "mathematical letters": _mathematical,
    "long small talk in front": lambda text, rng: 3 * _SMALL_TALK + text,
    "long small talk behind": lambda text, rng: f"{text} {3 * _SMALL_TALK}",
}


def evaluation_rows(rows: int, seed: int) -> tuple[list[str], list[str]]:
    """English messages of templates that the encoder never saw, and their intents."""
    messages = generate("evaluation", rows, seed)
    return [message.text for message in messages], [message.intent for message in messages]


def robustness_study(
    encoder: IntentEncoder, texts: Sequence[str], intents: Sequence[str], *, seed: int = 0
) -> dict[str, Any]:
    """Accuracy as written and under each perturbation of `PERTURBATIONS`.

    Args:
        encoder: to measure.
        texts: n messages.
        intents: of them.
        seed: of the perturbations; each has draws of its own.

    Returns:
        {"rows", "accuracy", "perturbations": [{"name", "accuracy", "fall": the accuracy lost, with its interval over
        messages, each beside itself as written}]}.

    Raises:
        ValueError: no messages, or not one intent for each.
    """
    if not len(texts) or len(texts) != len(intents):
        raise ValueError(f"needs messages with one intent each, got {len(texts)} messages and {len(intents)} intents.")
    truth = np.array(intents)
    right = np.array(encoder.encode(texts).intents) == truth
    rows = []
    for number, (name, change) in enumerate(PERTURBATIONS.items()):
        rng = np.random.default_rng([seed, number])
        changed = np.array(encoder.encode([change(text, rng) for text in texts]).intents) == truth
        lost = right.astype(float) - changed
        half = 1.96 * float(lost.std()) / np.sqrt(len(lost))
        fall = Interval(float(lost.mean()), float(lost.mean() - half), float(lost.mean() + half))
        rows.append({"name": name, "accuracy": float(changed.mean()), "fall": asdict(fall)})
    return {"rows": len(texts), "accuracy": float(right.mean()), "perturbations": rows}
