"""The merchant behind every rule of thumb: a pricing rule, and the levers for all other decisions.

Owns    the part that the pricing rules share. Every rule uses all decisions of a scenario, so that learners compete
        with rules that do.
Leaves  the pricing rules to the other files of this folder, the other decisions to `levers`, reading to `view`.
Axes    N sales, M products, P price columns, C columns of the action.
Units   a price is given as its *level*, the position in the product's `price_levels`: 0 is the list price. A level
        between two whole ones is the price between them where prices are continuous, else the nearer one.

Decisions that a scenario does not have are left out.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from flashsale_env import Scenario, UnitReader
from flashsale_env.agents.base import Agent, Space
from flashsale_env.agents.exact import why_unseen
from flashsale_env.agents.rules.levers import LEVERS, levers_in
from flashsale_env.agents.rules.levers.base import Lever, own
from flashsale_env.agents.rules.view import Floats, Integers, View


class Shop(Agent):
    """A pricing rule with the levers for all other decisions, see `levers.LEVERS`."""

    reads: ClassVar[tuple[str, ...]] = ()  # features that the rule itself needs
    decides: ClassVar[tuple[str, ...]] = ("price",)  # decisions that it takes itself
    levers: ClassVar[Mapping[str, Lever]] = LEVERS  # for the others

    def __init__(self, scenario: str | Path | Scenario, *, seed: int = 0, **params: float) -> None:
        super().__init__(scenario, seed=seed, **params)
        self.units = UnitReader(self.scenario)
        self._levers = self.levers_in(self.scenario)

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        supply = scenario.replenishment
        if supply is not None and supply.unlimited:
            return "the scenario's orders draw on no reserve, which is for base_stock and order_up_to"
        return why_unseen(scenario, *cls.reads) or UnitReader(scenario).why_unread(*cls.levers_need(scenario))

    @classmethod
    def levers_in(cls, scenario: Scenario) -> list[Lever]:
        """The levers of a scenario."""
        return levers_in(scenario, cls.levers, cls.decides)

    @classmethod
    def levers_need(cls, scenario: Scenario) -> list[str]:
        """Quantities of `UnitReader` that the levers read."""
        return [quantity for lever in cls.levers_in(scenario) for quantity in lever.needs(scenario)]

    @classmethod
    def space(cls, scenario: Scenario) -> Space:
        space = cls.price_space(scenario)
        for lever in cls.levers_in(scenario):
            space |= lever.space(scenario)
        return space

    @classmethod
    def defaults(cls, scenario: Scenario) -> dict[str, float]:
        values = cls.price_defaults(scenario)
        for lever in cls.levers_in(scenario):
            values |= lever.defaults(scenario)
        return {name: values[name] for name in cls.space(scenario)}

    @classmethod
    def price_space(cls, scenario: Scenario) -> Space:
        """Parameters of the rule itself."""
        raise NotImplementedError

    @classmethod
    def price_defaults(cls, scenario: Scenario) -> dict[str, float]:
        """Untuned values of the rule's own parameters."""
        raise NotImplementedError

    def view(self, observations: npt.NDArray[np.float32]) -> View:
        """These observations, (N, D), in a retailer's terms."""
        return View(self.scenario, self.units, self.layout, observations)

    def actions(self, view: View, price_level: Floats, **decided: Integers) -> npt.NDArray[Any]:
        """Actions (N, C) that set these price levels, (N, M).

        Args:
            view: of the observations.
            price_level: of the next tick.
            decided: levels of the other decisions that the rule takes itself, (N, columns of the decision).
        """
        codec, columns = self.codec, self.codec.columns("price")
        price_level, levels = self._decide(view, price_level, decided)
        actions = codec.from_levels(levels)
        if self.scenario.pricing.continuous:
            menus = [np.asarray(codec.levels[c]) for c in columns]
            prices = [np.interp(at, np.arange(len(menu)), menu) for at, menu in zip(price_level.T, menus, strict=True)]
            actions[:, columns] = codec.from_prices(np.column_stack(prices))
        return actions

    def price_level_of(self, prices: Floats) -> Floats:
        """(N, M) levels of prices (N, M); prices outside the range get the nearest end."""
        menus = [np.array(product.price_levels) for product in self.scenario.products]
        # Prices fall with the level, and `interp` wants rising ones.
        found = [np.interp(-price, -menu, np.arange(len(menu))) for price, menu in zip(prices.T, menus, strict=True)]
        return np.column_stack(found)

    def _decide(self, view: View, price_level: Floats, decided: Mapping[str, Integers]) -> tuple[Floats, Integers]:
        """Price levels (N, P), clipped to the range but not rounded, and levels (N, C) of every decision."""
        codec, prices = self.codec, self.codec.columns("price")
        price_level = np.broadcast_to(price_level, (view.sales, len(self.scenario.products)))
        price_level = np.clip(price_level[:, codec.numbers_of(prices)], 0, codec.n_prices - 1)
        levels = np.zeros((len(price_level), len(codec.n_levels)), np.int64)
        levels[:, prices] = np.rint(price_level)
        for decision, chosen in decided.items():
            levels[:, codec.columns(decision)] = chosen
        for lever in self._levers:
            levels[:, codec.columns(lever.decision)] = lever.levels(view, codec, self.params)
        return price_level, levels

    def per_product(self, name: str) -> Floats:
        """(M,) values of a parameter that exists once for each product of the shop; 0 for a rival's."""
        products = self.scenario.products
        return np.array([0.0 if product.owner else self.params[own(name, product.title)] for product in products])


class Merchant(Shop):
    """A pricing rule without memory: its prices are a function of the current observation."""

    def price_level(self, view: View) -> Floats:
        """(N, M) price levels for the next tick; levels outside the range are clipped."""
        raise NotImplementedError

    def act(
        self, observations: npt.NDArray[np.float32], state: Any, episode_start: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[Any], Any]:
        view = self.view(observations)
        return self.actions(view, self.price_level(view)), state

    def advise(self, observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The same decisions as box actions (N, C) that vary smoothly: learners start from them.

        A price keeps its unrounded level, between the middles of the cells around it. The other decisions are spread
        out to the far ends of the box, so that a little exploration noise neither orders nor promotes anything.
        """
        view = self.view(observations)
        price_level, levels = self._decide(view, self.price_level(view), {})
        codec, prices = self.codec, self.codec.columns("price")
        # Shares of the box: level l of L lies in [l, l + 1] / L for prices, and at l / (L - 1) for the others.
        share = levels / np.maximum(codec.n_levels - 1, 1)
        share[:, prices] = (price_level + 0.5) / codec.n_levels[prices]
        return np.asarray(2.0 * share - 1.0, np.float32)


def last_price_level(scenario: Scenario) -> Floats:
    """(M,) level of the lowest price; 0 for a rival's product."""
    return np.array([len(product.price_levels) - 1.0 for product in scenario.products]) * scenario.own


def why_rivals(scenario: Scenario) -> str | None:
    """Why a rule that estimates demand from its sales cannot play, or None where it can."""
    if scenario.rivals is None:
        return None
    return "the agent estimates demand from its own prices and sales, and the scenario has rivals, whose prices move it"


def why_no_price(scenario: Scenario) -> str | None:
    """Why a pricing rule has nothing to decide, or None where it has."""
    return "the scenario has no product with a second price" if not last_price_level(scenario).any() else None
