"""Events: the history of a customer as a sequence of tokens.

Owns    the vocabulary, and the map from histories to tokens.
Leaves  the histories to `flashsale_env.histories`, what is learned from the tokens to `encoders.sessions.encoder`.
Axes    C customers, T tokens of the longest history.

A visit is its events in order: the sales since the last visit, the view, the price step of what is looked at, the page
that is opened, the cart, the purchase, the intent read from the message, and leaving. The sales since the last visit
stand at the end of a sequence too. What is absent has no token.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import INTENTS, Scenario
from flashsale_env.histories import Histories

Ints = npt.NDArray[np.int64]

PAD, START, VIEW, LEAVE, NOW = range(5)
_SPECIAL = ("[pad]", "[start]", "view", "leave", "now")


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of one scenario.

    Args:
        titles: of the products.
        sales: of a campaign; gaps are shorter.
        price_levels: of each product, as shares of its reference price, falling.
    """

    titles: tuple[str, ...]
    sales: int
    price_levels: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, scenario: Scenario) -> "Vocabulary":
        """The vocabulary of a scenario with a campaign.

        Raises:
            ValueError: it is a single sale.
        """
        if scenario.campaign is None:
            raise ValueError(f"scenario {scenario.name!r} has no [campaign], so there are no visits to later sales.")
        levels = tuple(
            tuple(float(np.float32(level / product.reference_price)) for level in product.price_levels)
            for product in scenario.products
        )
        return cls(scenario.titles, scenario.campaign.sales, levels)

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> "Vocabulary":
        """As `dataclasses.asdict` of a vocabulary gives it, after JSON."""
        return cls(tuple(card["titles"]), card["sales"], tuple(map(tuple, card["price_levels"])))

    @property
    def steps(self) -> int:
        """Price steps of the product with the most."""
        return max(map(len, self.price_levels))

    @property
    def tokens(self) -> tuple[str, ...]:
        """The meaning of each token."""
        gaps = [f"{gap} sales later" for gap in range(1, self.sales + 1)]
        steps = [f"price step {step}" for step in range(self.steps)]
        kinds = [f"{kind} {title}" for kind in ("click", "cart", "buy") for title in self.titles]
        return (*_SPECIAL, *gaps, *steps, *kinds, *(f"message {intent}" for intent in INTENTS))

    def step_of(self, found: Histories) -> Ints:
        """(n,) price step of the product opened in each visit, of the first product where none was."""
        looked = np.where(found.opened < len(self.titles), found.opened, 0)
        levels = np.full((len(self.titles), self.steps), np.inf)
        for j, own in enumerate(self.price_levels):
            levels[j, : len(own)] = own
        price = found.price[np.arange(len(looked)), looked]
        return np.asarray(np.abs(levels[looked] - price[:, None]).argmin(axis=1))

    def encode(self, found: Histories) -> Ints:
        """(C, T) tokens of each customer, filled up with `PAD`.

        Raises:
            ValueError: the histories are of other products, or longer than a campaign of this vocabulary.
        """
        products = len(self.titles)
        if found.price.shape[1] != products or found.cut > self.sales:
            raise ValueError(
                f"these histories have {found.price.shape[1]} products in {found.cut} sales; the vocabulary has "
                f"{products} in {self.sales}."
            )
        gap, step = len(_SPECIAL) - 1, len(_SPECIAL) + self.sales
        click = step + self.steps
        cart, buy, message = click + products, click + 2 * products, click + 3 * products
        visits, taken = len(found.sale), found.bought < products
        same = np.zeros(visits, np.bool_)
        same[1:] = found.customer[1:] == found.customer[:-1]
        since = np.zeros(visits, np.int64)
        since[1:] = found.sale[1:] - found.sale[:-1]
        kinds = [
            np.where(same, gap + since, START),
            np.full(visits, VIEW),
            step + self.step_of(found),
            np.where(found.opened < products, click + found.opened, PAD),
            np.where(taken, cart + found.bought, PAD),
            np.where(taken & found.pays, buy + found.bought, PAD),
            np.where(found.message >= 0, message + found.message, PAD),
            np.full(visits, LEAVE),
        ]
        events = np.stack(kinds, axis=1)
        last = np.zeros(len(found), np.int64)
        np.maximum.at(last, found.customer, found.sale)
        ends = np.stack([gap + found.cut - last, np.full(len(found), NOW)], axis=1)
        who = np.concatenate([np.repeat(found.customer, len(kinds)), np.repeat(np.arange(len(found)), 2)])
        what = np.concatenate([events.ravel(), ends.ravel()])
        who, what = who[what != PAD], what[what != PAD]
        order = np.argsort(who, kind="stable")
        who, what = who[order], what[order]
        length = np.bincount(who, minlength=len(found))
        place = np.arange(len(who)) - np.repeat(np.cumsum(length) - length, length)
        out = np.full((len(found), int(length.max(initial=1))), PAD)
        out[who, place] = what
        return out
