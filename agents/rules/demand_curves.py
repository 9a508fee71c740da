"""Learning a demand curve while selling: certainty-equivalent prices, and a curve that depends on who is coming.

Owns    sellers whose belief ties the prices of a ladder together, so that each tick teaches about all of them.
Leaves  the memory of a sale, and what is done about censored sales, to `agents.rules.bandits`.
Axes    N sales, M products, A arms (rungs of the ladder), I intents.
Units   as in `agents.rules.bandits`.
"""

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from flashsale_env import INTENTS, Scenario
from flashsale_env.agents.base import Space
from flashsale_env.agents.rules.bandits import Bandit, Belief, CountingBandit, Integers, Outcome, Prospect
from flashsale_env.agents.rules.merchant import Floats, own

# Declines of demand that are looked for: by a factor e^-0.1 (next to none) to e^-40 from a price of 0 to list price.
_LEAST_DECLINE, _MOST_DECLINE = 0.1, 40.0
# Halvings that bring the bracket below a billionth of the list price's inverse.
_HALVINGS = 36


class CertaintyEquivalent(CountingBandit):
    """The fluid price of the demand estimated so far, kept away from the average price so that there is more to learn.

    Demand e^(level - decline·price) is fitted by maximum likelihood, sales being Poisson; the prior counts as sales
    seen before. The price is the fluid problem's: the one that earns most a customer, or the one that sells just what
    is left if that is higher. Of the rungs, the one next to it is shown that keeps away from the average of the prices
    shown so far, by `exploration` of the ladder's range times t^(-1/4) after t ticks.

    Source:
        Keskin & Zeevi (2014), Operations Research 62(5), constrained iterated least squares; den Boer & Zwart (2014),
        Management Science 60(3), controlled variance pricing.
    """

    name = "certainty_equivalent"

    @classmethod
    def price_space(cls, scenario: Scenario) -> Space:
        return super().price_space(scenario) | {"exploration": (0.0, 0.5)}

    @classmethod
    def price_defaults(cls, scenario: Scenario) -> dict[str, float]:
        return super().price_defaults(scenario) | {"exploration": 0.2}

    def fit(self, belief: Belief) -> tuple[Floats, Floats]:
        """(N, M) level and (N, M) decline of the most likely demand."""
        seen = belief["customers"] * self.playable
        return exponential_fit(belief["shape"] * self.playable, seen, self.prices)

    def demand(self, belief: Belief, outcome: Outcome) -> Floats:
        level, decline = self.fit(belief)
        price = np.take_along_axis(np.broadcast_to(self.prices, belief["shape"].shape), outcome.arm[:, :, None], axis=2)
        return np.asarray(np.exp(level - decline * price[:, :, 0]))

    def choose(self, belief: Belief, prospect: Prospect, rng: np.random.Generator) -> Integers:
        level, decline = self.fit(belief)
        stock, customers = np.maximum(prospect.stock[:, :, 0], 1e-9), np.maximum(prospect.customers[:, :, 0], 1e-12)
        salvage = (self.prices - self.margins)[:, 0]
        wanted = np.maximum(salvage + 1.0 / decline, (level + np.log(customers / stock)) / decline)
        near = np.abs(self.prices - wanted[:, :, None])
        average, least = self.average_price(belief), self._least_distance(belief)
        apart = np.abs(self.prices - average[:, :, None])
        # Where no rung keeps away, the one farthest from the average does best.
        rank = np.where(apart >= least[:, :, None], near, 1e9 - apart)
        return np.asarray(np.where(self.playable, rank, np.inf).argmin(axis=2))

    def average_price(self, belief: Belief) -> Floats:
        """(N, M) mean price shown so far, over customers; infinitely far from every rung before the first."""
        shown = (belief["customers"] - self.prior()["customers"]) * self.playable
        total = shown.sum(axis=2)
        average = (shown * self.prices).sum(axis=2) / np.maximum(total, 1e-12)
        return np.asarray(np.where(total > 0, average, np.inf))

    def _least_distance(self, belief: Belief) -> Floats:
        """(N, M) from the average price, currency."""
        ladder = self.list_prices - np.take_along_axis(self.prices, self._last, axis=1)
        return np.asarray(self.params["exploration"] * ladder[:, 0] * np.maximum(belief["ticks"], 1.0) ** -0.25)


class Contextual(Bandit):
    """The price that would earn most if demand were as high as it may well be, given the mix of intents (LinUCB).

    Demand is linear in the intent mix and the price, sum_i level_i·mix_i - decline·price / list price, where 1 sells
    all units there can be in the whole sale. It is fitted by ridge regression, a tick having the weight of the sales
    expected from its customers, and raised by `exploration` standard deviations. The prior of a customer with intent i
    is `prior_sales`·(1 + `lift[i]`) at list price and `prior_slope` more at a price of 0, with the weight of
    `prior_units` units.

    The mix hardly changes within a sale, so what it means shows only from sale to sale. It comes from the prior, that
    is from tuning on past sales, or from `carry`.

    Source:
        Li, Chu, Langford & Schapire (2010), A contextual-bandit approach to personalized news article recommendation,
        WWW, algorithm 1; the demand model: Qiang & Bayati (2016), Dynamic pricing with demand covariates,
        arXiv:1604.07463.
    """

    name = "contextual"
    reads: ClassVar[tuple[str, ...]] = ("time_left", "on_hand", "intent_mean")

    @classmethod
    def price_space(cls, scenario: Scenario) -> Space:
        space: Space = {"prior_units": (0.1, 100.0), "exploration": (0.0, 3.0)}
        space |= {own("lift", intent): (-1.0, 3.0) for intent in INTENTS}
        for product in scenario.products:
            space |= {own("prior_sales", product.title): (0.01, 2.0), own("prior_slope", product.title): (0.0, 12.0)}
        return space

    @classmethod
    def price_defaults(cls, scenario: Scenario) -> dict[str, float]:
        values = {"prior_units": 1.0, "exploration": 0.5} | {own("lift", intent): 0.0 for intent in INTENTS}
        for product in scenario.products:
            # A third of the units at list price, all of them at four tenths of it.
            values |= {own("prior_sales", product.title): 0.33, own("prior_slope", product.title): 1.1}
        return values

    @property
    def unit(self) -> Floats:
        """(M,) units a customer at which all units there can be are sold."""
        return np.asarray(self.all_units / self.expected_customers)

    def prior(self) -> Belief:
        sales, slope = self.per_product("prior_sales"), self.per_product("prior_slope")
        lift = np.array([self.params[own("lift", intent)] for intent in INTENTS])
        weights = np.column_stack([sales[:, None] * (1.0 + lift) + slope[:, None], -slope])
        precision = np.eye(len(INTENTS) + 1) * self.params["prior_units"]
        return {
            "precision": np.repeat(precision[None, None], len(sales), axis=1),  # (1, M, I + 1, I + 1)
            "response": (self.params["prior_units"] * weights)[None],  # (1, M, I + 1)
        }

    def demand(self, belief: Belief, outcome: Outcome) -> Floats:
        features = self._features(outcome)
        weights = np.linalg.solve(belief["precision"], belief["response"][..., None])[..., 0]
        # Above 0 by a thousandth: a straight line may fall below.
        return np.asarray(np.maximum((features * weights).sum(axis=2), 1e-3) * self.unit)

    def update(self, belief: Belief, outcome: Outcome) -> Belief:
        features = self._features(outcome)
        weight = (outcome.customers * self.unit)[:, :, None]
        seen = (weight * features)[..., None] * features[..., None, :]
        return {
            "precision": belief["precision"] + seen,
            "response": belief["response"] + outcome.units[:, :, None] * features,
        }

    def choose(self, belief: Belief, prospect: Prospect, rng: np.random.Generator) -> Integers:
        return self.best_arm(self.optimistic(belief, prospect), prospect)

    def optimistic(self, belief: Belief, prospect: Prospect) -> Floats:
        """(N, M, A) units a customer."""
        mix, response = prospect.intents, belief["response"]
        assert mix is not None
        # Every arm's features are the mix plus its price times the last axis: two directions span them all.
        ends = np.zeros((*response.shape, 2))
        ends[:, :, :-1, 0], ends[:, :, -1, 1] = mix[:, None], 1.0
        solved = np.linalg.solve(belief["precision"], np.concatenate([response[..., None], ends], axis=3))
        weights, spread = solved[..., 0], np.einsum("nmfa,nmfb->nmab", ends, solved[..., 1:])
        price = self.prices / self.list_prices  # (M, A)
        mean = (mix[:, None] * weights[..., :-1]).sum(axis=2)[..., None] + weights[..., -1:] * price
        a, b, c = (spread[..., i, j, None] for i, j in ((0, 0), (0, 1), (1, 1)))
        deviation = np.sqrt(np.maximum(a + 2.0 * b * price + c * price**2, 0.0))
        return np.asarray(np.maximum(mean + self.params["exploration"] * deviation, 0.0) * self.unit[:, None])

    def _features(self, outcome: Outcome) -> Floats:
        """(N, M, I + 1) of the tick that has ended: the mix before it, and the price shown."""
        assert outcome.intents is not None
        shape = (*outcome.arm.shape, 1)
        shown = (
            np.take_along_axis(
                np.broadcast_to(self.prices, (*outcome.arm.shape, self.prices.shape[1])),
                outcome.arm.reshape(shape),
                axis=2,
            )
            / self.list_prices
        )
        mix = np.broadcast_to(outcome.intents[:, None], (*outcome.arm.shape, outcome.intents.shape[1]))
        return np.concatenate([mix, shown], axis=2)


def exponential_fit(units: Floats, customers: Floats, prices: Floats) -> tuple[Floats, Floats]:
    """Most likely demand e^(level - decline·price), sales being Poisson.

    The likelihood is stationary where the mean price paid is the mean price shown, each customer weighted by the
    demand fitted at that price. That falls as the decline rises, so halving finds it. Where sales do not fall with the
    price, the decline is the least that is looked for.

    Args:
        units: (..., A) sold at each price, some above 0.
        customers: (..., A) to whom it was shown, at least where units were sold.
        prices: (..., A) currency, above 0.

    Returns:
        (...) level, the logarithm of units a customer at price 0, and (...) decline, 1 over currency.

    >>> price = np.array([1.0, 2.0, 4.0])
    >>> level, decline = exponential_fit(50.0 * np.exp(0.5 - 0.7 * price), np.full(3, 50.0), price)
    >>> round(level.item(), 6), round(decline.item(), 6)
    (0.5, 0.7)
    """
    sold = units.sum(axis=-1)
    paid = (units * prices).sum(axis=-1) / sold
    dearest = np.max(prices, axis=-1)
    low = np.broadcast_to(_LEAST_DECLINE / dearest, sold.shape)
    high = np.broadcast_to(_MOST_DECLINE / dearest, sold.shape)
    # Taken from the cheapest price, the exponentials never underflow together.
    above = prices - np.min(prices, axis=-1, keepdims=True)

    def weights(decline: Floats) -> npt.NDArray[np.float64]:
        return np.asarray(customers * np.exp(-decline[..., None] * above))

    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        weight = weights(middle)
        steeper = (weight * prices).sum(axis=-1) > paid * weight.sum(axis=-1)
        low, high = np.where(steeper, middle, low), np.where(steeper, high, middle)
    decline = 0.5 * (low + high)
    level = np.log(sold / weights(decline).sum(axis=-1)) + decline * np.min(prices, axis=-1)
    return np.asarray(level), np.asarray(decline)
