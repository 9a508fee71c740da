"""The customer bank: one row per voice, which is a sentence written by a customer and what follows from it.

Owns    utterances, the encoder's probabilities, tastes, weights; saving and loading them.
Leaves  their estimation to `encoders`, and the choice of a voice to `market.choice`.
Axes    V voices, M products, I intents in the order of `INTENTS`.
Units   utility in logits, the outside option at 0; price sensitivity in logits per reference price.

What customers *do* follows from `latent_class` and the tastes. What a shop *sees* follows from `intent_probabilities`
only. A folder holds three files: `tastes.safetensors`, `voices.json` and `card.json`. The card carries the hashes of
the other two, so a truncated or edited folder is refused.
"""

import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from flashsale_env.errors import unknown_name
from flashsale_env.files import sha256, write_atomically
from flashsale_env.intents import INTENTS
from flashsale_env.tables import check_fields

FORMAT = 1
SHIPPED = ("learned", "reference", "learned-en-zh", "reference-en-zh", "intent")
HOMOGENEOUS = "homogeneous"

_TASTES, _VOICES, _CARD = "tastes.safetensors", "voices.json", "card.json"
_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, eq=False)
class Population:
    """A bank of voices.

    Args:
        products: titles of the M products, in the column order of `relevance`.
        utterances: V sentences.
        languages: V language codes, e.g. "en".
        intent_probabilities: (V, I) by the encoder; rows sum to 1. An agent sees nothing else of a voice.
        latent_class: (V,) index of the true intent, or of the encoder's best guess in a learned population.
        relevance: (V, M) utility of each product at price 0, logits.
        price_sensitivity: (V,) logits lost per reference price, positive. Where the purchase probability is small, it
            is the absolute own-price elasticity at the reference price.
        coupon_affinity: (V,) probability of clipping a coupon on offer.
        weight: (V,) relative frequency of the voice, positive; any scale.
        card: provenance: the command that built the population, and its measured quality.

    Arrays of another width, e.g. float64, are converted to the types below, which are those of the files.

    Raises:
        ValueError: shapes disagree, a number is not finite or out of range, or a text is of another type.
    """

    products: tuple[str, ...]
    utterances: tuple[str, ...]
    languages: tuple[str, ...]
    intent_probabilities: npt.NDArray[np.float32]
    latent_class: npt.NDArray[np.int64]
    relevance: npt.NDArray[np.float32]
    price_sensitivity: npt.NDArray[np.float32]
    coupon_affinity: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32]
    card: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self, "population: ")
        voices, products = len(self.utterances), len(self.products)
        if voices == 0:
            raise ValueError("a population needs at least one voice, got none.")
        shapes = {
            "intent_probabilities": (voices, len(INTENTS)),
            "latent_class": (voices,),
            "relevance": (voices, products),
            "price_sensitivity": (voices,),
            "coupon_affinity": (voices,),
            "weight": (voices,),
        }
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array.shape != shape:
                raise ValueError(
                    f"population: {name} must have shape {shape} ({voices} voices, {products} products), "
                    f"got {array.shape}."
                )
            bad = ~np.isfinite(array.reshape(voices, -1)).all(axis=1)
            if bad.any():
                raise ValueError(f"population: {name} of voice {int(bad.argmax())} is not finite.")
        if len(self.languages) != voices:
            raise ValueError(f"population: {voices} utterances but {len(self.languages)} languages.")
        sums = self.intent_probabilities.sum(axis=1)
        self._require("intent_probabilities", np.asarray(self.intent_probabilities.min(axis=1) >= 0), "at least 0")
        self._require("intent_probabilities", np.asarray(np.abs(sums - 1.0) < 1e-3), "a row that sums to 1")
        sensible = (self.price_sensitivity >= 1e-6) & (self.price_sensitivity <= 1e6)
        self._require("price_sensitivity", np.asarray(sensible), "between 1e-6 and 1e6")
        self._require("weight", np.asarray(self.weight > 0), "above 0")
        self._require("coupon_affinity", (self.coupon_affinity >= 0) & (self.coupon_affinity <= 1), "between 0 and 1")
        classes = (self.latent_class >= 0) & (self.latent_class < len(INTENTS))
        self._require("latent_class", classes, f"an index below {len(INTENTS)}")

    def _require(self, name: str, holds: npt.NDArray[np.bool_], wanted: str) -> None:
        if not holds.all():
            row = int((~holds).argmax())
            raise ValueError(f"population: {name} must be {wanted}, got {getattr(self, name)[row]} for voice {row}.")

    def __len__(self) -> int:
        return len(self.utterances)

    def among(self, products: Sequence[str]) -> "Population":
        """The same customers in a sale of these products, in this order; each is one of its products or a variant."""
        if self.products == tuple(products):
            return self
        columns = [self.products.index(self._known(title) or "") for title in products]
        return dataclasses.replace(self, products=tuple(products), relevance=self.relevance[:, columns])

    def _known(self, title: str) -> str | None:
        """The product with this title, or the one of which it is a variant: "air fryer" for "air fryer, red"."""
        named = [known for known in self.products if title == known or title.startswith(f"{known}, ")]
        return max(named, key=len, default=None)

    @classmethod
    def homogeneous(cls, products: Sequence[str]) -> "Population":
        """One voice without a text, with price sensitivity 1: the customers of the textbook scenarios."""
        return cls(
            products=tuple(products),
            utterances=("",),
            languages=("",),
            intent_probabilities=np.full((1, len(INTENTS)), 1.0 / len(INTENTS), np.float32),
            latent_class=np.zeros(1, np.int64),
            relevance=np.zeros((1, len(products)), np.float32),
            price_sensitivity=np.ones(1, np.float32),
            coupon_affinity=np.ones(1, np.float32),
            weight=np.ones(1, np.float32),
            card={"made_by": "Population.homogeneous"},
        )

    def save(self, folder: str | Path) -> Path:
        """Write the population as safetensors and JSON and return the folder.

        Each file appears whole or not at all. The card comes last, so an unfinished folder has none.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tastes = save_tensors(
            {
                "intent_probabilities": np.ascontiguousarray(self.intent_probabilities, np.float32),
                "latent_class": np.ascontiguousarray(self.latent_class, np.int64),
                "relevance": np.ascontiguousarray(self.relevance, np.float32),
                "price_sensitivity": np.ascontiguousarray(self.price_sensitivity, np.float32),
                "coupon_affinity": np.ascontiguousarray(self.coupon_affinity, np.float32),
                "weight": np.ascontiguousarray(self.weight, np.float32),
            }
        )
        voices = json.dumps(
            {"utterances": list(self.utterances), "languages": list(self.languages)},
            ensure_ascii=False,
            indent=0,
        ).encode()
        card = {
            **self.card,
            "format": FORMAT,
            "intents": list(INTENTS),
            "products": list(self.products),
            "voices": len(self),
            "sha256": {_TASTES: sha256(tastes), _VOICES: sha256(voices)},
        }
        write_atomically(folder / _TASTES, tastes)
        write_atomically(folder / _VOICES, voices)
        write_atomically(folder / _CARD, json.dumps(card, indent=2, ensure_ascii=False).encode())
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> "Population":
        """Read a saved population.

        Raises:
            FileNotFoundError: the folder or one of its files is missing.
            ValueError: a file is truncated, was edited, or has another format.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise FileNotFoundError(
                f"no population at {folder}: want a folder with {_CARD}, {_TASTES} and {_VOICES}, "
                f"as `flashsale encode` writes it."
            )
        card = _read_card(folder)
        content = {name: _read_checked(folder, name, card) for name in (_TASTES, _VOICES)}
        try:
            tensors = load_tensors(content[_TASTES])
            voices = json.loads(content[_VOICES])
            return cls(
                products=tuple(card["products"]),
                utterances=tuple(voices["utterances"]),
                languages=tuple(voices["languages"]),
                card=card,
                **tensors,
            )
        except (SafetensorError, json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"population {folder}: not in the format of `flashsale encode`: {error}.") from error


def load_population(name: "str | Path | Population", products: Sequence[str]) -> Population:
    """A population by name, by folder, or as it is, with the tastes for the products of a scenario.

    Args:
        name: one of `SHIPPED`, "homogeneous", the path of a folder, or a `Population`.
        products: titles of the M products of the scenario, in its order; the population may know further ones. Titles
            that go on after a comma are variants: "air fryer, red" has the relevance of "air fryer".

    Raises:
        ValueError: unknown name, or a product that the population does not know.
        FileNotFoundError: no folder at the path.
    """
    if not isinstance(name, str | os.PathLike | Population):
        raise ValueError(f"a population must be a name, a folder or a Population, got {name!r}; e.g. {HOMOGENEOUS!r}.")
    if isinstance(name, Population):
        population = name
    elif name == HOMOGENEOUS:
        population = Population.homogeneous(products)
    elif name in SHIPPED:
        population = Population.load(_DATA / name)
    elif isinstance(name, str) and "/" not in name and not Path(name).exists():
        raise ValueError(
            unknown_name("population", name, (*SHIPPED, HOMOGENEOUS))
            + " Or give the path of a folder written by `flashsale encode`."
        )
    else:
        population = Population.load(name)
    if any(population._known(title) is None for title in products):
        raise ValueError(
            f"the population was built for the products {list(population.products)}, the scenario sells "
            f"{list(products)}: build one for this catalogue with "
            f"`flashsale encode MESSAGES.csv --scenario SCENARIO --out DIR`."
        )
    return population.among(products)


def _read_card(folder: Path) -> dict[str, Any]:
    try:
        card = json.loads((folder / _CARD).read_bytes())
    except FileNotFoundError:
        raise FileNotFoundError(f"population {folder}: {_CARD} is missing; the build was not finished.") from None
    except ValueError as error:
        raise ValueError(f"population {folder}: {_CARD} is not valid JSON: {error}.") from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        found = card.get("format") if isinstance(card, dict) else None
        raise ValueError(f"population {folder}: {_CARD} must have format {FORMAT}, got {found!r}.")
    if card.get("intents") != list(INTENTS):
        raise ValueError(f"population {folder}: made for intents {card.get('intents')}, want {list(INTENTS)}.")
    return card


def _read_checked(folder: Path, name: str, card: dict[str, Any]) -> bytes:
    try:
        content = (folder / name).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"population {folder}: {name} is missing.") from None
    wanted, got = card.get("sha256", {}).get(name), sha256(content)
    if wanted != got:
        raise ValueError(
            f"population {folder}: {name} is truncated or was edited: its sha256 should be {wanted}, is {got} "
            f"({len(content)} bytes). Build it again or restore the file."
        )
    return content
