"""Learning a demand curve during the sale: certainty-equivalent prices, and a curve that depends on the intent mix.

Owns    sellers whose belief links the prices of a product, so that each tick is evidence about all of them.
Leaves  the memory of a sale, and the treatment of censored sales, to `rules.bandits`.
Axes    N sales, M products, A arms (price levels), I intents.
Units   as in `rules.bandits`.
"""

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from flashsale_env import INTENTS, Scenario
from flashsale_env.agents.base import Space
from flashsale_env.agents.rules.bandits import Bandit, Belief, CountingBandit, Integers, Outcome, Prospect
from flashsale_env.agents.rules.levers.base import own
from flashsale_env.agents.rules.view import Floats

# Range of the fitted decline: demand falls by a factor of e^-0.1 to e^-40 from a price of 0 to the list price.
_LEAST_DECLINE, _MOST_DECLINE = 0.1, 40.0
# Bisections after which the bracket is below 1e-9 / list price.
_HALVINGS = 36


class CertaintyEquivalent(CountingBandit):
    """The fluid price of the demand estimated so far, kept at a distance from the average price to learn more.

    Demand e^(level - decline·price) is fitted by maximum likelihood with Poisson sales; the prior counts as earlier
    sales. The fluid price maximises the margin a customer or, if higher, sells exactly the remaining stock. The nearest
    price level is shown among those whose distance from the average price so far is at least
    `exploration` · (list price - lowest price) · t^(-1/4) after t ticks.

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
        # argmax (p - salvage)·e^(-decline·p), and the solution of customers·e^(level - decline·p) = stock.
        wanted = np.maximum(salvage + 1.0 / decline, (level + np.log(customers / stock)) / decline)
        near = np.abs(self.prices - wanted[:, :, None])
        average, least = self.average_price(belief), self._least_distance(belief)
        apart = np.abs(self.prices - average[:, :, None])
        # If no level keeps the distance, the one farthest from the average is shown.
        rank = np.where(apart >= least[:, :, None], near, 1e9 - apart)
        return np.asarray(np.where(self.playable, rank, np.inf).argmin(axis=2))

    def average_price(self, belief: Belief) -> Floats:
        """(N, M) mean price shown so far, weighted by customers; infinite before the first tick."""
        shown = (belief["customers"] - self.prior()["customers"]) * self.playable
        total = shown.sum(axis=2)
        average = (shown * self.prices).sum(axis=2) / np.maximum(total, 1e-12)
        return np.asarray(np.where(total > 0, average, np.inf))

    def _least_distance(self, belief: Belief) -> Floats:
        """(N, M) least distance from the average price, currency."""
        price_range = self.list_prices - np.take_along_axis(self.prices, self._last, axis=1)
        return np.asarray(self.params["exploration"] * price_range[:, 0] * np.maximum(belief["ticks"], 1.0) ** -0.25)


class Contextual(Bandit):
    """The best price under an upper confidence bound of demand, given the intent mix (LinUCB).

    Demand is linear in the intent mix and the price, sum_i level_i·mix_i - decline·price / list price; a demand of 1
    sells all units over the whole sale. It is fitted by ridge regression, with ticks weighted by their customers, and
    raised by `exploration` standard deviations. The prior demand of a customer with intent i is
    `prior_sales`·(1 + `lift[i]`) at list price and `prior_slope` more at a price of 0, with the weight of `prior_units`
    units.

    The mix hardly changes within a sale, so its effect shows only between sales. It is learned through the prior, that
    is by tuning on past sales, or through `carry`.

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
        """(M,) units a customer at which all units are sold."""
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
        # A straight line may fall below 0.
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
        # The features of an arm are u + price·v, with u = (mix, 0) and v = (0, ..., 0, 1). With S = precision^-1,
        # their variance is u'Su + 2·price·u'Sv + price²·v'Sv: two solves serve all arms.
        ends = np.zeros((*response.shape, 2))
        ends[:, :, :-1, 0], ends[:, :, -1, 1] = mix[:, None], 1.0
        solved = np.linalg.solve(belief["precision"], np.concatenate([response[..., None], ends], axis=3))
        weights, covariance = solved[..., 0], np.einsum("nmfa,nmfb->nmab", ends, solved[..., 1:])
        price = self.prices / self.list_prices  # (M, A)
        mean = (mix[:, None] * weights[..., :-1]).sum(axis=2)[..., None] + weights[..., -1:] * price
        a, b, c = (covariance[..., i, j, None] for i, j in ((0, 0), (0, 1), (1, 1)))
        sd = np.sqrt(np.maximum(a + 2.0 * b * price + c * price**2, 0.0))
        return np.asarray(np.maximum(mean + self.params["exploration"] * sd, 0.0) * self.unit[:, None])

    def _features(self, outcome: Outcome) -> Floats:
        """(N, M, I + 1) features of the tick that has ended: the intent mix before it, and the price shown."""
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
    """Maximum likelihood fit of demand e^(level - decline·price) to Poisson sales.

    Setting the derivative of the likelihood to 0 gives: mean price paid = mean price shown, with each customer weighted
    by e^(-decline·price). The right-hand side falls as the decline rises, so bisection finds it. If sales do not fall
    with the price, the decline is the lower end of its range.

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
    # Prices relative to the cheapest: its exponential is 1, so the sum never underflows.
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
