"""The demand model: from what a customer wrote to what the customer likes, by maximum likelihood on choice logs.

Owns    the taste network, its estimation, its held-out likelihood and its elasticities.
Leaves  the text to `intent`, the logs to the simulator, intervals to `intervals`.
Axes    V voices, M products, n visits, d columns of what is known of a voice, e width of a product's embedding.

Utility of product j for voice i at the net price p, as the simulator has it (column M is "buys nothing", utility 0):

    u_ij = relevance_ij + quality_j - sensitivity_i · p_j / reference_j
    relevance_ij = effect_j + appetite_i + taste_i · product_j + mention · g(similarity_ij) + sensitivity_i

`quality_j` is `Product.quality`, which the simulator adds to every voice's relevance. It belongs to the sale in which
the log was recorded, as the prices do. What is estimated is the rest, so quality counts once in whatever sale the
voices come to; `effect_j` is how much all of them like product j beyond its quality.

The network gives sensitivity, appetite, taste vector and coupon affinity of a voice from the encoder's probabilities.
`product_j` is a linear map of the product's own text embedding; `similarity_ij` is the cosine of the message's and the
product's embeddings, and g a logistic curve that is fitted too: it finds where a message names a product. The message
embedding itself is not an input: 384 numbers learn the phrases of the log by heart and predict unseen phrases worse.
The log-likelihood of a visit is that of the multinomial choice over what was on hand plus, while a coupon was on offer,
that of clipping it.
"""

import hashlib
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.progress import Progress
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from flashsale_env import Population, Product
from flashsale_env.files import write_atomically

Floats = npt.NDArray[np.float32]

FORMAT = 1
TASTE_RANK = 8
HIDDEN = 32
RIDGE = 2e-5  # on the sum of squared weights, against the mean log-likelihood of a visit; intercepts are free
LEARNING_RATE = 3e-2
STEPS = 200
BATCH_VISITS = 1 << 15

_WEIGHTS, _CARD = "demand.safetensors", "demand.json"


@dataclass(frozen=True, eq=False)
class ChoiceData:
    """n visits as the estimator reads them.

    Args:
        voice: (n,) row of the voice.
        bought: (n,) product, M for nothing.
        price: (n, M) net price over reference price, with the coupon where the customer clipped it.
        available: (n, M) whether the product was on hand at that moment.
        coupon_offered: (n,) whether a coupon was on offer.
        clipped: (n,) whether the customer clipped it.
        sale: (n,) number of the sale visited.
        quality: (M,) of the products in these sales, logits.
    """

    voice: npt.NDArray[np.int64]
    bought: npt.NDArray[np.int64]
    price: Floats
    available: npt.NDArray[np.bool_]
    coupon_offered: npt.NDArray[np.bool_]
    clipped: npt.NDArray[np.bool_]
    sale: npt.NDArray[np.int64]
    quality: Floats

    @classmethod
    def from_log(cls, log: npt.NDArray[np.void], products: Sequence[Product]) -> "ChoiceData":
        """From the records of one `Simulator.choice_log` and the products of its scenario."""
        clipped = log["clips"].astype(bool)
        return cls(
            voice=log["voice"].astype(np.int64),
            bought=log["bought"].astype(np.int64),
            price=np.where(clipped[:, None], log["coupon_price_share"], log["price_share"]),
            available=log["available"].astype(bool),
            coupon_offered=(log["coupon_price_share"] < log["price_share"]).any(axis=1),
            clipped=clipped,
            sale=log["row"].astype(np.int64),
            quality=np.array([product.quality for product in products], np.float32),
        )

    def first(self, visits: int) -> "ChoiceData":
        """The first visits alone."""
        of_visits = {name: values[:visits] for name, values in vars(self).items() if name != "quality"}
        return replace(self, **of_visits)

    def __len__(self) -> int:
        return len(self.voice)


@dataclass(frozen=True, eq=False)
class Tastes:
    """What the simulator needs to know of V voices; relevance is net of the products' quality."""

    relevance: Floats  # (V, M)
    price_sensitivity: Floats  # (V,)
    coupon_affinity: Floats  # (V,)


@dataclass(frozen=True, eq=False)
class Reading:
    """What is known of V voices: from their text, or from the truth for a reference model.

    Args:
        about: (V, d) intent probabilities, or indicators; d = 0 where nothing is known.
        similarity: (V, M) how much each message is about each product, at most 1.
    """

    about: Floats
    similarity: Floats


class TasteNetwork(nn.Module):
    """A reading (V, d), (V, M) and the products' embeddings (M, e) -> tastes."""

    def __init__(self, width: int, product_width: int, products: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(width, HIDDEN), nn.Tanh()) if width else None
        self.heads = nn.Linear(HIDDEN, 3 + TASTE_RANK, bias=False) if width else None
        self.products = nn.Linear(product_width, TASTE_RANK, bias=False)
        self.intercepts = nn.Parameter(torch.tensor([math.log(2.5), -5.0, -1.0]))
        self.effect = nn.Parameter(torch.zeros(products))
        # Gain, midpoint and steepness of the logistic curve of the similarity.
        self.mention = nn.Parameter(torch.tensor([0.1, 0.5, 10.0]))

    def forward(
        self, about: torch.Tensor, similarity: torch.Tensor, products: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Relevance (V, M), price sensitivity (V,), logit of the coupon affinity (V,)."""
        if self.body is None or self.heads is None:
            out = about.new_zeros(len(about), 3 + TASTE_RANK)
        else:
            out = self.heads(self.body(about))
        sensitivity = torch.exp(self.intercepts[0] + out[:, 0])
        appetite = self.intercepts[1] + out[:, 1]
        taste = out[:, 3:] @ self.products(products).T
        mention = self.mention[0] * torch.sigmoid(self.mention[2] * (similarity - self.mention[1]))
        relevance = self.effect + appetite[:, None] + taste + mention + sensitivity[:, None]
        return relevance, sensitivity, self.intercepts[2] + out[:, 2]

    def ridge(self) -> torch.Tensor:
        """Sum of squares of every weight matrix."""
        return torch.stack([(p**2).sum() for name, p in self.named_parameters() if name.endswith("weight")]).sum()


def log_likelihood(
    tastes: tuple[torch.Tensor, torch.Tensor, torch.Tensor], quality: torch.Tensor, data: Mapping[str, torch.Tensor]
) -> torch.Tensor:
    """(n,) log-likelihood of each visit, given the tastes of the voices and the quality (M,) of the products."""
    relevance, sensitivity, affinity = tastes
    voice = data["voice"]
    utility = (relevance + quality)[voice] - sensitivity[voice][:, None] * data["price"]
    utility = utility.masked_fill(~data["available"], -torch.inf)
    utility = torch.cat([utility, utility.new_zeros(len(utility), 1)], dim=1)
    choice = torch.log_softmax(utility, 1).gather(1, data["bought"][:, None])[:, 0]
    logit = affinity[voice]
    clip = torch.where(data["clipped"], nn.functional.logsigmoid(logit), nn.functional.logsigmoid(-logit))
    return choice + torch.where(data["coupon_offered"], clip, torch.zeros_like(clip))


@dataclass(eq=False)
class DemandModel:
    """A fitted taste network.

    Args:
        network: maps what is known of a voice to tastes.
        products: titles of the products that it was fitted on.
        card: how it was fitted and what it measured.
    """

    network: TasteNetwork
    products: tuple[str, ...]
    card: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        reading: Reading,
        product_vectors: Floats,
        products: Sequence[str],
        data: ChoiceData,
        *,
        seed: int = 0,
        steps: int = STEPS,
        progress: bool = False,
    ) -> "DemandModel":
        """Maximise the mean log-likelihood of the visits less `RIDGE` times the sum of squared weights.

        Args:
            reading: what is known of each voice.
            product_vectors: (M, e) text embeddings of the products.
            products: their M titles.
            data: the visits.
            seed: of the network's start and of the batches.
            steps: of Adam, each on `BATCH_VISITS` visits drawn with replacement.
            progress: show a bar on standard error.

        Raises:
            ValueError: shapes disagree, or a quantity is not identified: no price varies, or a product was never
                on hand or never bought.
        """
        _check_identified(reading, product_vectors, products, data)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = TasteNetwork(reading.about.shape[1], product_vectors.shape[1], len(products))
        with torch.no_grad():
            bought = np.bincount(data.bought, minlength=len(products) + 1)[:-1]
            unexplained = np.log(bought / bought.mean()) - (data.quality - data.quality.mean())
            network.effect += torch.from_numpy(unexplained.astype(np.float32))
        inputs = _inputs(reading, product_vectors)
        tensors, quality = _tensors(data), torch.from_numpy(data.quality)
        optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
        draws = torch.Generator().manual_seed(seed)
        with Progress(console=Console(stderr=True), disable=not progress, transient=True) as bar:
            task = bar.add_task("estimating demand", total=steps)
            for _ in range(steps):
                rows = torch.randint(len(data), (min(BATCH_VISITS, len(data)),), generator=draws)
                batch = {key: value.index_select(0, rows) for key, value in tensors.items()}
                loss = RIDGE * network.ridge() - log_likelihood(network(*inputs), quality, batch).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                bar.advance(task)
        card = {"visits": len(data), "voices": len(reading.about), "seed": seed, "steps": steps}
        return cls(network.eval(), tuple(products), card)

    @torch.no_grad()
    def tastes(self, reading: Reading, product_vectors: Floats) -> Tastes:
        """Tastes of V voices for the M products of the fit."""
        relevance, sensitivity, affinity = self.network(*_inputs(reading, product_vectors))
        return Tastes(relevance.numpy(), sensitivity.numpy(), torch.sigmoid(affinity).numpy())

    @torch.no_grad()
    def visit_nll(self, reading: Reading, product_vectors: Floats, data: ChoiceData) -> npt.NDArray[np.float64]:
        """(n,) negative log-likelihood of each visit, nats."""
        tastes = self.network(*_inputs(reading, product_vectors))
        tensors, quality = _tensors(data), torch.from_numpy(data.quality)
        parts = [
            -log_likelihood(tastes, quality, {key: value[a : a + BATCH_VISITS] for key, value in tensors.items()})
            for a in range(0, len(data), BATCH_VISITS)
        ]
        return torch.cat(parts).double().numpy()

    def save(self, folder: str | Path) -> Path:
        """Write weights and card into the folder, the card last."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        weights = save_tensors({k: v.contiguous() for k, v in self.network.state_dict().items()})
        card = {**self.card, "format": FORMAT, "products": list(self.products)}
        card["sha256"] = hashlib.sha256(weights).hexdigest()
        write_atomically(folder / _WEIGHTS, weights)
        write_atomically(folder / _CARD, json.dumps(card, indent=2).encode())
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> "DemandModel":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file is truncated, edited or foreign.
        """
        folder = Path(folder)
        for name in (_WEIGHTS, _CARD):
            if not (folder / name).is_file():
                raise FileNotFoundError(f"no demand model in {folder}: {name} is missing.")
        content = (folder / _WEIGHTS).read_bytes()
        try:
            card = json.loads((folder / _CARD).read_bytes())
            if card["format"] != FORMAT or card["sha256"] != hashlib.sha256(content).hexdigest():
                raise ValueError("its format or its hash is not the one on its card")
            state = load_tensors(content)
            width = state["body.0.weight"].shape[1] if "body.0.weight" in state else 0
            network = TasteNetwork(width, state["products.weight"].shape[1], len(card["products"]))
            network.load_state_dict(state)
        except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise ValueError(f"demand model {folder} is truncated, edited or foreign: {error}.") from error
        return cls(network.eval(), tuple(card.pop("products")), card)


def elasticity_at_list_price(
    tastes: Tastes | Population,
    quality: npt.ArrayLike,
    groups: npt.NDArray[np.int64],
    count: int,
    *,
    weight: npt.NDArray[np.floating] | None = None,
) -> npt.NDArray[np.float64]:
    """(count,) mean own-price elasticity of each group of voices at list prices, everything on hand.

    Of voice i for product j it is -sensitivity_i·(1 - P_ij) with P the multinomial choice probability; the mean weighs
    by P, so it is the elasticity of the group's demand.

    Args:
        tastes: of V voices.
        quality: (M,) of the products, logits.
        groups: (V,) number of each voice's group.
        count: of the groups.
        weight: (V,) of each voice; None weighs all alike.
    """
    sensitivity = tastes.price_sensitivity.astype(np.float64)
    odds = np.exp(tastes.relevance.astype(np.float64) + np.asarray(quality) - sensitivity[:, None])
    probability = odds / (1 + odds.sum(axis=1, keepdims=True))
    demand = probability if weight is None else weight[:, None] * probability
    slope = -(demand * sensitivity[:, None] * (1 - probability)).sum(axis=1)
    return np.bincount(groups, slope, count) / np.bincount(groups, demand.sum(axis=1), count)


def _tensors(data: ChoiceData) -> dict[str, torch.Tensor]:
    names = ("voice", "bought", "price", "available", "coupon_offered", "clipped")
    return {name: torch.from_numpy(np.ascontiguousarray(getattr(data, name))) for name in names}


def _inputs(reading: Reading, product_vectors: Floats) -> tuple[torch.Tensor, ...]:
    return tuple(torch.from_numpy(a) for a in (reading.about, reading.similarity, product_vectors))


def _check_identified(reading: Reading, product_vectors: Floats, products: Sequence[str], data: ChoiceData) -> None:
    m = len(products)
    widths = (len(product_vectors), data.price.shape[1], reading.similarity.shape[1], len(data.quality))
    if set(widths) != {m}:
        raise ValueError(
            f"{m} products, but {widths[0]} product vectors, prices of {widths[1]}, similarities to {widths[2]} and "
            f"the quality of {widths[3]}."
        )
    voices = len(reading.about)
    if len(data) == 0 or data.voice.max() >= voices:
        raise ValueError(f"the log has {len(data)} visits; every visit must be by one of {voices} voices.")
    if data.bought.max() > m or data.bought.min() < 0:
        raise ValueError(f"the log has a purchase of product {data.bought.max()}, want 0..{m} ({m}: nothing).")
    for j, title in enumerate(products):
        for seen, complaint in ((data.available[:, j], "on hand"), (data.bought == j, "bought")):
            if not seen.any():
                raise ValueError(
                    f"demand for {title!r} is not identified: it was never {complaint} in {len(data)} visits."
                )
    if float(np.ptp(data.price, axis=0).max()) == 0.0:
        raise ValueError("price sensitivity is not identified: no price varies in the log. Log some randomised prices.")
    if not (data.coupon_offered.any() and (~data.coupon_offered.astype(bool)).any()):
        offered = "every visit" if data.coupon_offered.any() else "no visit"
        warnings.warn(
            f"coupon affinity is not identified: a coupon was offered in {offered} of {len(data)}, so what the model "
            f"says of coupons is where its network started. Log some visits with a coupon and some without.",
            UserWarning,
            stacklevel=3,
        )
