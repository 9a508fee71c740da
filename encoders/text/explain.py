"""Why a message was read as it was, and which tastes followed for a voice.

Owns    the map (encoder, text, intent) -> contribution of each word, the map (tastes, voice) -> how it differs from the
        average voice, and how both are shown in a terminal and as HTML.
Units   contributions in logits: they add up to how far the message moves the log-odds of the intent.

Two methods that share nothing but the encoder: integrated gradients divide the whole change among the words; occlusion
takes one word out at a time. Where they disagree on a word, its effect depends on the words around it.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from rich.text import Text

from flashsale_env.encoders.text.backbone import MAX_TOKENS
from flashsale_env.errors import unknown_name
from flashsale_env.intents import INTENTS

if TYPE_CHECKING:
    from flashsale_env.encoders.text.intent import IntentEncoder

__all__ = ["Explanation", "Taste", "Word", "explain", "explain_tastes", "to_html", "to_terminal"]

STEPS = (16, 32, 64, 128)  # quadrature points; more are taken while the contributions do not add up
TOLERANCE = 0.02  # largest gap between the sum of contributions and what they explain, logits
PATH_BATCH = 32  # points of the path that are differentiated at a time
FOR, AGAINST = (24, 128, 56), (192, 57, 43)  # green and red that are readable under black and white text


@dataclass(frozen=True)
class Word:
    """A word of a message.

    Args:
        text: as it is written in the message.
        start, end: its place there, in characters.
        contribution: logits by which it moved the intent's log-odds, by integrated gradients.
        occlusion: logits that the log-odds lose without it.
    """

    text: str
    start: int
    end: int
    contribution: float
    occlusion: float


@dataclass(frozen=True)
class Explanation:
    """Which words moved an intent.

    Args:
        text: the message.
        intent: what is explained.
        probability: of that intent.
        log_odds: of that intent against the eight others, before calibration.
        baseline: log-odds of a message of the same length that says nothing.
        words: in the order of the message; their contributions add up to log_odds - baseline, but for `residual`.
        residual: what the quadrature leaves unexplained, logits.
    """

    text: str
    intent: str
    probability: float
    log_odds: float
    baseline: float
    words: tuple[Word, ...]
    residual: float


def explain(encoder: IntentEncoder, text: str, intent: str | None = None) -> Explanation:
    """Which words of a message speak for an intent, and which against it.

    The contributions are integrated gradients of the log-odds along the straight path from the embedding of [PAD] to
    that of each word piece (position and frame tokens stay), by Gauss-Legendre quadrature; pieces are summed to words.

    Args:
        encoder: whose reading is explained.
        text: one message. Of a text beyond the encoder's reach only the beginning is read and explained.
        intent: one of `INTENTS`; by default the most probable one.

    Raises:
        ValueError: an empty text, or an unknown intent.

    Source:
        Sundararajan, Taly & Yan (2017), Axiomatic attribution for deep networks, arXiv 1703.01365.
    """
    encoding = encoder.encode([text])
    if intent is not None and intent not in INTENTS:
        raise ValueError(unknown_name("intent", intent, INTENTS))
    target = int(encoding.probabilities[0].argmax()) if intent is None else INTENTS.index(intent)
    pieces = _Pieces(encoder, text)
    with torch.no_grad():
        log_odds, baseline = pieces.log_odds(pieces.path([1.0, 0.0]), target).tolist()
    for steps in STEPS:
        by_piece = pieces.integrated_gradients(target, steps)
        residual = log_odds - baseline - float(by_piece.sum())
        if abs(residual) <= TOLERANCE:
            break
    without = pieces.log_odds_without_each_word(target)
    words = tuple(
        Word(text[start:end], start, end, float(by_piece[list(members)].sum()), log_odds - odds)
        for (start, end, members), odds in zip(pieces.words, without, strict=True)
    )
    return Explanation(
        text, INTENTS[target], float(encoding.probabilities[0, target]), log_odds, baseline, words, residual
    )


class _Pieces:
    """The word pieces of one message, and the intent's log-odds as a function of their embeddings."""

    def __init__(self, encoder: IntentEncoder, text: str) -> None:
        self.encoder, self.backbone = encoder, encoder.backbone
        tokenizer, shift = self.backbone.tokenizer, len(self.backbone.prefix)
        encoding = tokenizer(
            self.backbone.prefix + text, truncation=True, max_length=MAX_TOKENS, return_offsets_mapping=True
        )
        self.ids = list(encoding["input_ids"])
        members: dict[int, list[int]] = {}
        spans: dict[int, tuple[int, int]] = {}
        for piece, word in enumerate(encoding.word_ids()):
            start, end = (edge - shift for edge in encoding["offset_mapping"][piece])
            # Frame tokens have no word, and those of the prefix begin before the message.
            if word is None or start < 0 or start == end:
                continue
            members.setdefault(word, []).append(piece)
            first, last = spans.get(word, (start, end))
            spans[word] = (min(first, start), max(last, end))
        # Tokenizers that mark words by the space before them count it in.
        self.words = [
            (start + len(text[start:end]) - len(text[start:end].lstrip()), end, tuple(members[word]))
            for word, (start, end) in spans.items()
        ]
        table = self.backbone.model.get_input_embeddings().weight.detach()
        device = table.device
        self.real = table[torch.tensor(self.ids, device=device)]
        content = torch.zeros(len(self.ids), 1, dtype=torch.bool, device=device)
        content[[piece for _, _, pieces in self.words for piece in pieces]] = True
        self.blank = torch.where(content, table[tokenizer.pad_token_id], self.real)

    def path(self, shares: Sequence[float] | npt.NDArray[np.float64]) -> torch.Tensor:
        """Embeddings at these shares of the way from the blank message to the real one: (k, t, w)."""
        share = torch.as_tensor(shares, dtype=self.real.dtype, device=self.real.device)[:, None, None]
        return self.blank + share * (self.real - self.blank)

    def log_odds(self, embeddings: torch.Tensor, target: int) -> torch.Tensor:
        """(k,) of the target against all other intents: logit minus logsumexp of the others'."""
        hidden = self.backbone.model(inputs_embeds=embeddings).last_hidden_state
        return _log_odds(self.encoder, F.normalize(hidden.mean(1), dim=1), target)

    def integrated_gradients(self, target: int, steps: int) -> torch.Tensor:
        """Contribution of each piece: (t,) float64."""
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        nodes, weights = (nodes + 1) / 2, weights / 2  # from [-1, 1] to [0, 1]
        slope = torch.zeros_like(self.real)
        for start in range(0, steps, PATH_BATCH):
            at = self.path(nodes[start : start + PATH_BATCH]).requires_grad_()
            with torch.enable_grad():
                (gradient,) = torch.autograd.grad(self.log_odds(at, target).sum(), at)
            weight = torch.as_tensor(weights[start : start + PATH_BATCH], dtype=at.dtype, device=at.device)
            slope += (weight[:, None, None] * gradient).sum(0)
        return ((self.real - self.blank) * slope).sum(1).double().cpu()

    @torch.inference_mode()
    def log_odds_without_each_word(self, target: int) -> list[float]:
        """The log-odds of the message with one word taken out, of each word in turn."""
        if not self.words:
            return []
        left = [[token for i, token in enumerate(self.ids) if i not in pieces] for _, _, pieces in self.words]
        return _log_odds(self.encoder, self.backbone.pool(left), target).tolist()


def _log_odds(encoder: IntentEncoder, pooled: torch.Tensor, target: int) -> torch.Tensor:
    logits = encoder._logits(pooled)
    others = torch.cat([logits[:, :target], logits[:, target + 1 :]], dim=1)
    return logits[:, target] - torch.logsumexp(others, 1)


def to_terminal(explanation: Explanation) -> Text:
    """The message with its words coloured (green for the intent, red against it), and the strongest ones in numbers."""
    out = Text(f"{explanation.intent} {explanation.probability:.2f}  ", style="bold")
    at = 0
    for word, strength in _by_strength(explanation):
        out.append(explanation.text[at : word.start], style="not bold")
        red, green, blue = (round(255 + strength * (c - 255)) for c in _colour(word))
        out.append(word.text, style=f"not bold black on rgb({red},{green},{blue})")
        at = word.end
    out.append(explanation.text[at:], style="not bold dim")
    strongest = sorted(explanation.words, key=lambda word: -abs(word.contribution))[:3]
    shown = ", ".join(f"{word.text} {word.contribution:+.2f}" for word in strongest)
    out.append(f"\n  {shown} of {explanation.log_odds - explanation.baseline:+.2f} logits", style="not bold dim")
    return out


def to_html(explanation: Explanation) -> str:
    """The same as one line of HTML that stands alone: styles inside, text escaped, nothing that runs."""
    parts = [
        f'<p><b>{html.escape(explanation.intent)} {explanation.probability:.2f}</b> <span style="white-space:pre-wrap">'
    ]
    at = 0
    for word, strength in _by_strength(explanation):
        parts.append(_escaped(explanation.text[at : word.start]))
        red, green, blue = _colour(word)
        parts.append(
            f'<span style="background:rgba({red},{green},{blue},{strength:.2f})" '
            f'title="{word.contribution:+.2f} logits; without it {-word.occlusion:+.2f}">{_escaped(word.text)}</span>'
        )
        at = word.end
    parts.append(f"{_escaped(explanation.text[at:])}</span></p>")
    return "".join(parts)


def _escaped(text: str) -> str:
    """For one line of HTML: line ends become character references, which show as the same line ends."""
    return html.escape(text).replace("\r", "&#13;").replace("\n", "&#10;")


def _by_strength(explanation: Explanation) -> list[tuple[Word, float]]:
    """Words with the depth of their colour, at most 0.75 so that black text on it can be read."""
    most = max((abs(word.contribution) for word in explanation.words), default=0.0) or 1.0
    return [(word, 0.75 * abs(word.contribution) / most) for word in explanation.words]


def _colour(word: Word) -> tuple[int, int, int]:
    return FOR if word.contribution >= 0 else AGAINST


# --------------------------------------------------------------------------------------------------------------- tastes


class Tastes(Protocol):
    """V voices' tastes for M products: a population, or what a demand model gives."""

    @property
    def relevance(self) -> npt.NDArray[np.float32]: ...  # (V, M)

    @property
    def price_sensitivity(self) -> npt.NDArray[np.float32]: ...  # (V,)

    @property
    def coupon_affinity(self) -> npt.NDArray[np.float32]: ...  # (V,)


@dataclass(frozen=True)
class Taste:
    """One taste of one voice, a row of a table.

    Args:
        taste: "price sensitivity", "coupon affinity", or "relevance of " and the product.
        unit: of the values.
        value: of the voice.
        average: of all voices.
        share_below: share of voices (by weight) that have less of it.
    """

    taste: str
    unit: str
    value: float
    average: float
    share_below: float

    @property
    def difference(self) -> float:
        """How far the voice is from the average."""
        return self.value - self.average


def explain_tastes(
    tastes: Tastes, voice: int, products: Sequence[str], *, weight: npt.NDArray[np.float32] | None = None
) -> list[Taste]:
    """Which tastes a voice has, beside the average voice: price sensitivity, coupon affinity, relevance by product.

    Args:
        tastes: of V voices, such as a `Population` or what `DemandModel.tastes` reads in V messages.
        voice: row of the one that is explained.
        products: titles of the M products.
        weight: (V,) of each voice in the average; None weighs all alike.

    Raises:
        ValueError: no such voice, or another number of products.
    """
    voices, columns = tastes.relevance.shape
    if not 0 <= voice < voices:
        raise ValueError(f"there is no voice {voice}: want 0 to {voices - 1}.")
    if len(products) != columns:
        raise ValueError(f"the voices have tastes for {columns} products, but {len(products)} titles were given.")
    share = np.ones(voices) if weight is None else np.asarray(weight, np.float64)
    share = share / share.sum()

    def row(taste: str, unit: str, values: npt.NDArray[np.float32]) -> Taste:
        return Taste(
            taste, unit, float(values[voice]), float(share @ values), float(share[values < values[voice]].sum())
        )

    return [
        row("price sensitivity", "logits a reference price", tastes.price_sensitivity),
        row("coupon affinity", "probability", tastes.coupon_affinity),
        *(row(f"relevance of {title}", "logits", tastes.relevance[:, j]) for j, title in enumerate(products)),
    ]
