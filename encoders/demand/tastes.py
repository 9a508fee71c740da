"""The demand model: from the text of a message to the customer's tastes, by maximum likelihood on choice logs.

Owns    the taste network, its estimation, its held-out likelihood and its elasticities.
Leaves  embedding the text to `text`, the logs to the simulator, and intervals of the likelihood to `heldout`.
Axes    V voices, M products, n visits, d intent features of a voice, e width of a product's embedding.

Utility of product j for voice i at net price p, as in the simulator (column M is "buys nothing", with utility 0):

    u_ij = relevance_ij + quality_j - sensitivity_i · p_j / reference_j
    relevance_ij = effect_j + appetite_i + taste_i · product_j + mention · g(similarity_ij) + sensitivity_i

`quality_j` is `Product.quality`, which the simulator adds to every voice's relevance. Like the prices, it belongs to
the sale that was logged. It is taken out of the estimated relevance, so that it counts once in any later sale.
`effect_j` is the mean utility of product j net of its quality.

The network maps the encoder's intent probabilities to a voice's sensitivity, appetite, taste vector and coupon
affinity. `product_j` is a linear map of the product's text embedding. `similarity_ij` is the cosine similarity of the
message's and the product's embeddings, and g a logistic curve, also fitted, that detects whether the message names the
product. The message embedding itself is not an input: with 384 numbers the network memorises the phrases of the log
and predicts unseen phrases worse.

The log-likelihood of a visit is that of the multinomial choice among the products on hand plus, if a coupon was on
offer, that of clipping it.
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
RIDGE = 2e-5  # times the sum of squared weights, per visit; intercepts are not penalised
LEARNING_RATE = 3e-2
STEPS = 200
BATCH_VISITS = 1 << 15

_WEIGHTS, _CARD = "demand.safetensors", "demand.json"


@dataclass(frozen=True, eq=False)
class ChoiceData:
    """n visits, the data of the estimation.

    Args:
        voice: (n,) row of the voice.
        bought: (n,) product, M for nothing.
        price: (n, M) net price over reference price, with the coupon if the customer clipped it.
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
            coupon_offered=np.asarray((log["coupon_price_share"] < log["price_share"]).any(axis=1)),
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
    """The tastes of V voices that the simulator needs; relevance is net of the products' quality."""

    relevance: Floats  # (V, M)
    price_sensitivity: Floats  # (V,)
    coupon_affinity: Floats  # (V,)


@dataclass(frozen=True, eq=False)
class Reading:
    """The features of V voices: from their text, or from the truth for a reference model.

    Args:
        intents: (V, d) intent probabilities, or indicators of the true intent; d = 0 without text.
        similarity: (V, M) of each message and each product, at most 1.
    """

    intents: Floats
    similarity: Floats


class TasteNetwork(nn.Module):
    """A reading (V, d), (V, M) and the products' embeddings (M, e) -> tastes."""

    def __init__(self, width: int, product_width: int, products: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(width, HIDDEN), nn.Tanh()) if width else None
        self.heads = nn.Linear(HIDDEN, 3 + TASTE_RANK, bias=False) if width else None
        self.products = nn.Linear(product_width, TASTE_RANK, bias=False)
        # Of log sensitivity, appetite, and the logit of the coupon affinity; near those of a typical shop.
        self.intercepts = nn.Parameter(torch.tensor([math.log(2.5), -5.0, -1.0]))
        self.effect = nn.Parameter(torch.zeros(products))
        # Gain (`mention` of the formula), midpoint and steepness of the logistic curve g.
        self.mention = nn.Parameter(torch.tensor([0.1, 0.5, 10.0]))

    def forward(
        self, intents: torch.Tensor, similarity: torch.Tensor, products: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Relevance (V, M), price sensitivity (V,), logit of the coupon affinity (V,)."""
        if self.body is None or self.heads is None:
            out = intents.new_zeros(len(intents), 3 + TASTE_RANK)
        else:
            out = self.heads(self.body(intents))
        sensitivity = torch.exp(self.intercepts[0] + out[:, 0])
        appetite = self.intercepts[1] + out[:, 1]
        taste = out[:, 3:] @ self.products(products).T
        mention = self.mention[0] * torch.sigmoid(self.mention[2] * (similarity - self.mention[1]))
        # With + sensitivity, utility at the reference price does not depend on it: level and slope are separate.
        relevance = self.effect + appetite[:, None] + taste + mention + sensitivity[:, None]
        return relevance, sensitivity, self.intercepts[2] + out[:, 2]

    def ridge(self) -> torch.Tensor:
        """Sum of squares of every weight matrix."""
        return torch.stack([(p**2).sum() for name, p in self.named_parameters() if name.endswith("weight")]).sum()


def log_likelihood(
    tastes: tuple[torch.Tensor, torch.Tensor, torch.Tensor], quality: torch.Tensor, data: Mapping[str, torch.Tensor]
) -> torch.Tensor:
    """(n,) log-likelihood of each visit, given the tastes of the voices and the quality (M,) of the products.

    Args:
        tastes: as `TasteNetwork` returns them.
        quality: (M,) logits.
        data: the fields of `ChoiceData` as tensors.
    """
    relevance, sensitivity, affinity = tastes
    voice = data["voice"]
    # Column M is the outside option, added below with utility 0; sold-out products have probability 0.
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
        network: maps the features of voices to tastes.
        products: titles of the products that it was fitted on.
        card: how it was fitted, and its figures.
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
        """Maximise the mean log-likelihood of the visits minus `RIDGE` times the sum of squared weights.

        Args:
            reading: features of each voice.
            product_vectors: (M, e) text embeddings of the products.
            products: their M titles.
            data: the visits.
            seed: of the network's initial weights and of the batches.
            steps: of Adam, each on `BATCH_VISITS` visits drawn with replacement.
            progress: show a bar on standard error.

        Raises:
            ValueError: shapes disagree, or a quantity is not identified: no price varies, or a product was never
                on hand or never bought.
        """
        _check_identified(reading, product_vectors, products, data)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = TasteNetwork(reading.intents.shape[1], product_vectors.shape[1], len(products))
        # Start the product effects at the log of relative sales, net of quality.
        with torch.no_grad():
            bought = np.bincount(data.bought, minlength=len(products) + 1)[:-1]
            unexplained = np.log(bought / bought.mean()) - (data.quality - data.quality.mean())
            network.effect.add_(torch.from_numpy(unexplained.astype(np.float32)))
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
        card = {"visits": len(data), "voices": len(reading.intents), "seed": seed, "steps": steps}
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
        """Write weights and card. The card comes last and holds the hash of the weights."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        weights = save_tensors({k: v.contiguous() for k, v in self.network.state_dict().items()})
        card = {**self.card, "format": FORMAT, "products": list(self.products)}
        card["sha256"] = hashlib.sha256(weights).hexdigest()
        write_atomically(folder / _WEIGHTS, weights)
        write_atomically(folder / _CARD, json.dumps(card, indent=2).encode())
        return folder

    def check_products(self, titles: tuple[str, ...]) -> None:
        """Refuse other products than those of the fit.

        Raises:
            ValueError: the titles differ, or their order.
        """
        if self.products != titles:
            raise ValueError(
                f"the demand model was fitted to the products {list(self.products)}, not to {list(titles)}: "
                f"`encoders.world.assortment.demand_for` fits one to these."
            )

    @classmethod
    def load(cls, folder: str | Path) -> "DemandModel":
        """Read a saved model.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file is damaged, edited or of another kind.
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
            raise ValueError(f"demand model {folder} is damaged, edited or of another kind: {error}.") from error
        return cls(network.eval(), tuple(card.pop("products")), card)


def elasticity_at_list_price(
    tastes: Tastes | Population,
    quality: npt.ArrayLike,
    groups: npt.NDArray[np.int64],
    count: int,
    *,
    weight: npt.NDArray[np.floating] | None = None,
) -> npt.NDArray[np.float64]:
    """(count,) mean own-price elasticity of each group of voices at list prices, with everything on hand.

    For voice i and product j it is -sensitivity_i·(1 - P_ij), where P is the multinomial choice probability. Weighted
    by P, the mean is the elasticity of the group's demand.

    Args:
        tastes: of V voices.
        quality: (M,) of the products, logits.
        groups: (V,) number of each voice's group.
        count: number of groups.
        weight: (V,) of each voice; None gives all weight 1.
    """
    sensitivity = tastes.price_sensitivity.astype(np.float64)
    # At list price a product costs one reference price, so utility is relevance + quality - sensitivity.
    odds = np.exp(tastes.relevance.astype(np.float64) + np.asarray(quality) - sensitivity[:, None])
    probability = odds / (1 + odds.sum(axis=1, keepdims=True))
    demand = probability if weight is None else weight[:, None] * probability
    # Numerator and denominator of the group's mean, summed over products; the division is by group.
    slope = -(demand * sensitivity[:, None] * (1 - probability)).sum(axis=1)
    return np.bincount(groups, slope, count) / np.bincount(groups, demand.sum(axis=1), count)


def _tensors(data: ChoiceData) -> dict[str, torch.Tensor]:
    names = ("voice", "bought", "price", "available", "coupon_offered", "clipped")
    return {name: torch.from_numpy(np.ascontiguousarray(getattr(data, name))) for name in names}


def _inputs(reading: Reading, product_vectors: Floats) -> tuple[torch.Tensor, ...]:
    return tuple(torch.from_numpy(a) for a in (reading.intents, reading.similarity, product_vectors))


def _check_identified(reading: Reading, product_vectors: Floats, products: Sequence[str], data: ChoiceData) -> None:
    m = len(products)
    widths = (len(product_vectors), data.price.shape[1], reading.similarity.shape[1], len(data.quality))
    if set(widths) != {m}:
        raise ValueError(
            f"{m} products, but {widths[0]} product vectors, prices of {widths[1]}, similarities to {widths[2]} and "
            f"the quality of {widths[3]}."
        )
    voices = len(reading.intents)
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
            f"coupon affinity is not identified: a coupon was offered in {offered} of {len(data)}, so the model keeps "
            f"its initial value. Log some visits with a coupon and some without.",
            UserWarning,
            stacklevel=3,
        )
