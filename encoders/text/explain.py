"""Explanations: which words of a message support an intent, and how a voice's tastes differ from the average.

Owns    the map (encoder, text, intent) -> contribution of each word, the map (tastes, voice) -> comparison with the
        average voice, and the display of contributions in a terminal and as HTML.
Units   contributions in logits; they sum to the message's effect on the log-odds of the intent.

Two independent methods: integrated gradients divide the whole effect among the words, and occlusion leaves out one word
at a time. If they disagree on a word, its effect depends on the words around it.
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

from flashsale_env.encoders.text.backbone import both_ends
from flashsale_env.errors import unknown_name
from flashsale_env.intents import INTENTS

if TYPE_CHECKING:
    from flashsale_env.encoders.text.intent import IntentEncoder

__all__ = ["Explanation", "Taste", "Word", "explain", "explain_tastes", "to_html", "to_terminal"]

STEPS = (16, 32, 64, 128)  # quadrature points; increased until the contributions sum to the effect
TOLERANCE = 0.02  # accepted difference between their sum and the effect, logits
PATH_BATCH = 32  # points of the path differentiated at a time
FOR, AGAINST = (24, 128, 56), (192, 57, 43)  # green and red, readable under black and white text


@dataclass(frozen=True)
class Word:
    """A word of a message.

    Args:
        text: as written in the message.
        start, end: position in the message, in characters.
        contribution: part of the effect on the intent's log-odds, by integrated gradients.
        occlusion: decrease of the log-odds when the word is left out.
    """

    text: str
    start: int
    end: int
    contribution: float
    occlusion: float


@dataclass(frozen=True)
class Explanation:
    """The effect of each word on an intent.

    Args:
        text: the message, normalised.
        intent: the intent explained.
        probability: of that intent.
        log_odds: of that intent against the eight others, before calibration.
        baseline: log-odds of a message of the same length with every word replaced by [PAD].
        words: in the order of the message; their contributions and `residual` sum to log_odds - baseline.
        residual: error of the quadrature, logits.
    """

    text: str
    intent: str
    probability: float
    log_odds: float
    baseline: float
    words: tuple[Word, ...]
    residual: float


def explain(encoder: IntentEncoder, text: str, intent: str | None = None) -> Explanation:
    """Which words of a message support an intent, and which oppose it.

    The contributions are integrated gradients of the log-odds along the straight path from the embedding of [PAD] to
    that of each word piece (positions, [CLS] and [SEP] stay fixed), by Gauss-Legendre quadrature. The contribution of a
    word is the sum over its pieces.

    Args:
        encoder: the encoder to explain.
        text: one message. Of a message longer than the encoder's limit only the beginning and the end are explained.
            The explanation holds the message as the tokenizer gets it, see `normalisation`.
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
    text = encoder.backbone.normalised(text)
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
        encoding = tokenizer(self.backbone.prefix + text, truncation=False, return_offsets_mapping=True, verbose=False)
        self.ids = both_ends(encoding["input_ids"])
        members: dict[int, list[int]] = {}
        spans: dict[int, tuple[int, int]] = {}
        read = zip(both_ends(encoding.word_ids()), both_ends(encoding["offset_mapping"]), strict=True)
        for piece, (word, edges) in enumerate(read):
            start, end = (edge - shift for edge in edges)
            # [CLS] and [SEP] belong to no word, and tokens of the prefix begin before the message.
            if word is None or start < 0 or start == end:
                continue
            members.setdefault(word, []).append(piece)
            first, last = spans.get(word, (start, end))
            spans[word] = (min(first, start), max(last, end))
        # Some tokenizers include the space before a word in it.
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
        """Embeddings at these shares of the path from the blank message to the real one: (k, t, w)."""
        share = torch.as_tensor(shares, dtype=self.real.dtype, device=self.real.device)[:, None, None]
        embeddings: torch.Tensor = self.blank + share * (self.real - self.blank)
        return embeddings

    def log_odds(self, embeddings: torch.Tensor, target: int) -> torch.Tensor:
        """(k,) log-odds of the target against all other intents: its logit minus the logsumexp of the others."""
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
        contributions: torch.Tensor = ((self.real - self.blank) * slope).sum(1).double().cpu()
        return contributions

    @torch.inference_mode()
    def log_odds_without_each_word(self, target: int) -> list[float]:
        """The log-odds of the message without each word in turn."""
        if not self.words:
            return []
        rest = [[token for i, token in enumerate(self.ids) if i not in pieces] for _, _, pieces in self.words]
        odds: list[float] = _log_odds(self.encoder, self.backbone.pool(rest), target).tolist()
        return odds


def _log_odds(encoder: IntentEncoder, pooled: torch.Tensor, target: int) -> torch.Tensor:
    logits = encoder._logits(pooled)
    others = torch.cat([logits[:, :target], logits[:, target + 1 :]], dim=1)
    return logits[:, target] - torch.logsumexp(others, 1)


def to_terminal(explanation: Explanation) -> Text:
    """The message with coloured words (green supports the intent, red opposes it), and the largest contributions."""
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
    """The same as one self-contained line of HTML: inline styles, escaped text, no scripts."""
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
    """Text for one line of HTML: line breaks become character references, which browsers display as line breaks."""
    return html.escape(text).replace("\r", "&#13;").replace("\n", "&#10;")


def _by_strength(explanation: Explanation) -> list[tuple[Word, float]]:
    """Words with the opacity of their colour, at most 0.75 so that black text stays readable."""
    most = max((abs(word.contribution) for word in explanation.words), default=0.0) or 1.0
    return [(word, 0.75 * abs(word.contribution) / most) for word in explanation.words]


def _colour(word: Word) -> tuple[int, int, int]:
    return FOR if word.contribution >= 0 else AGAINST


# --------------------------------------------------------------------------------------------------------------- tastes


class Tastes(Protocol):
    """V voices' tastes for M products: a population, or the output of a demand model."""

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
        average: over all voices.
        share_below: share of voices, by weight, with a lower value.
    """

    taste: str
    unit: str
    value: float
    average: float
    share_below: float

    @property
    def difference(self) -> float:
        """Value minus average."""
        return self.value - self.average


def explain_tastes(
    tastes: Tastes, voice: int, products: Sequence[str], *, weight: npt.NDArray[np.float32] | None = None
) -> list[Taste]:
    """The tastes of a voice compared with the average: price sensitivity, coupon affinity, relevance by product.

    Args:
        tastes: of V voices, e.g. a `Population`, or `DemandModel.tastes` of V messages.
        voice: row of the voice to explain.
        products: titles of the M products.
        weight: (V,) of each voice in the average; None gives all weight 1.

    Raises:
        ValueError: no such voice, or another number of products.
    """
    voices, columns = tastes.relevance.shape
    if not 0 <= voice < voices:
        raise ValueError(f"there is no voice {voice}: choose one from 0 to {voices - 1}.")
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
