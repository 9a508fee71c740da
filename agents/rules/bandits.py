"""Learning demand during the sale: upper confidence bounds, Thompson sampling, EXP3.

Owns    the belief about demand of a seller who knows only the prices, and rules that explore prices to estimate it.
Leaves  rules that fit a demand curve to `demand_curves`; the other decisions to `levers`.
Axes    N sales, M products, A arms. An arm is a price level of a product. Every product learns by itself; products with
        fewer levels than the longest list are padded with arms that are never played.
Units   `units` sold, `customers`; demand is units a customer; money in currency.

**Observation model.** A sale shows units sold, neither demand nor customers. The customers of a tick are the expected
ones, times the traffic where that is observed. A product that sold out in a tick counts only the customers up to its
last unit, in expectation under the belief before the tick (`customers_until_sold_out`); a product without stock counts
none. Effects of coupons and of the other products' prices are attributed to the price.

**Memory** is the `state` of `predict` and nothing else. A sale starts from the prior, or with `carry` c from
(1 - c) · prior + c · the row's belief after its earlier sales. The last tick of a sale adds nothing, because no call
follows it. With the default 0 the sales of an evaluation are independent.

Demand that drifts within a sale is not modelled: these agents do not apply there.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy.special import gammainc, softmax

from flashsale_env import Scenario
from flashsale_env.agents.base import Space
from flashsale_env.agents.rules.levers.base import own
from flashsale_env.agents.rules.merchant import Shop, why_no_price, why_rivals
from flashsale_env.agents.rules.view import View

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Belief = dict[str, Floats]  # arrays with N first
# Below it, units per expected customer overflow.
_FEWEST_CUSTOMERS = 1e-9


@dataclass(frozen=True)
class Memory:
    """What a learning seller carries from call to call; `predict` returns a new one and keeps the old one unchanged."""

    calls: int  # number of the next stream of random draws
    customers_left: Floats  # (N, 1) share of the sale's customers, at the last call
    sold: Integers  # (N, M) units sold until the last call
    arm: Integers  # (N, M) played since
    intents: Floats | None  # (N, I) intent shares at the last call; None where the scenario shows none
    belief: Belief


@dataclass(frozen=True)
class Outcome:
    """A tick that has ended; rows whose sale has just begun hold zeros."""

    arm: Integers  # (N, M)
    units: Floats  # (N, M)
    customers: Floats  # (N, M) who could have bought
    intents: Floats | None  # (N, I) intent shares observed before the tick, as in `Memory`

    def in_arms(self, values: Floats, arms: int) -> Floats:
        """(N, M, A) the values (N, M) at the arm played, 0 at the others."""
        return np.asarray(values[:, :, None] * (np.arange(arms) == self.arm[:, :, None]))


@dataclass(frozen=True)
class Prospect:
    """The rest of the sale: stock and expected customers."""

    stock: Floats  # (N, M, 1) units, those on their way included
    customers: Floats  # (N, 1, 1) still expected
    intents: Floats | None  # (N, I) intent shares observed now, as in `Memory`


class Bandit(Shop):
    """A seller who learns demand from the sales at the prices tried.

    A subclass declares `price_space` and `price_defaults`, begins with `prior`, and decides in `update` and `choose`.

    Args:
        scenario: name, path or object.
        seed: of the draws.
        carry: weight of the belief after a row's earlier sales at the start of its next one.
        params: value of any parameter; the others take their defaults.

    Raises:
        ValueError: a parameter is unknown or out of its range, or the agent does not apply to the scenario.
    """

    reads: ClassVar[tuple[str, ...]] = ("time_left", "on_hand")
    estimates: ClassVar[bool] = True  # demand by price, with a model

    def __init__(self, scenario: str | Path | Scenario, *, seed: int = 0, carry: float = 0.0, **params: float) -> None:
        super().__init__(scenario, seed=seed, **params)
        self.require_applies()
        if not 0 <= carry <= 1:
            raise ValueError(f"{self.name}: carry must lie in 0..1, got {carry}.")
        # A parameter, so that `save` stores it; not tuned, because it changes the meaning of an evaluation.
        self.params = {**self.params, "carry": carry}
        products = self.scenario.products
        self._arms = np.array([len(product.price_levels) for product in products])
        self._last = self._arms[:, None] - 1
        level = np.minimum(np.arange(self._arms.max()), self._last)
        self.prices = np.array([np.array(p.price_levels)[at] for p, at in zip(products, level, strict=True)])  # (M, A)
        self.playable = np.arange(self._arms.max()) <= self._last  # (M, A)
        self.list_prices = self.prices[:, :1]
        # An unsold unit is salvaged, so a sale adds its price minus the salvage value.
        self.margins = self.prices - np.array([[product.salvage_value] for product in products])
        self.all_units = self.scenario.stock_scale  # (M,)
        self.expected_customers = float(self.scenario.customers_per_tick.sum())

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        reason = why_no_price(scenario) or (why_rivals(scenario) if cls.estimates else None)
        reason = reason or super().applies(scenario)
        if reason is None and len(set(scenario.choice.drift)) > 1:
            reason = "the agent learns one demand for the whole sale, and the scenario's willingness to pay drifts"
        if reason is None and scenario.arrivals.customers_per_minute == 0:
            reason = "the agent learns units a customer, and the scenario expects no customer"
        return reason

    def prior(self) -> Belief:
        """The belief without evidence, N = 1."""
        raise NotImplementedError

    def demand(self, belief: Belief, outcome: Outcome) -> Floats | None:
        """(N, M) units a customer expected at the arms just played; None if the belief has no model of demand."""
        raise NotImplementedError

    def update(self, belief: Belief, outcome: Outcome) -> Belief:
        """The belief after a tick, in new arrays."""
        raise NotImplementedError

    def choose(self, belief: Belief, prospect: Prospect, rng: np.random.Generator) -> Integers:
        """(N, M) arms for the next tick."""
        raise NotImplementedError

    def act(
        self, observations: npt.NDArray[np.float32], state: Any, episode_start: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[Any], Memory]:
        view, n = self.view(observations), len(observations)
        if state is not None and len(state.arm) != n:
            raise ValueError(
                f"{self.name}: the state is of {len(state.arm)} sales and the observations are of {n}. Pass the state "
                f"that the last call returned, or None to begin anew."
            )
        blank = {key: np.broadcast_to(value, (n, *value.shape[1:])) for key, value in self.prior().items()}
        intents = None
        if "intent_mean" in self.layout:
            intents = observations[:, self.layout["intent_mean"]].astype(np.float64)
        if state is None:
            belief, calls = blank, 0
        else:
            belief, calls = self._learned(state, view, ~episode_start), state.calls
            carry = self.params["carry"]
            belief = {
                key: np.where(
                    episode_start.reshape(-1, *[1] * (value.ndim - 1)),
                    carry * value + (1.0 - carry) * blank[key],
                    value,
                )
                for key, value in belief.items()
            }
        prospect = Prospect(
            stock=view.stock[:, :, None].astype(np.float64),
            customers=(view.customers_left * self.expected_customers * view.traffic)[:, :, None],
            intents=intents,
        )
        rng = np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, 0, calls]))
        arm = self.choose(belief, prospect, rng)
        memory = Memory(calls + 1, view.customers_left, view.sold, arm, intents, belief)
        return self.actions(view, arm.astype(np.float64)), memory

    def _learned(self, state: Memory, view: View, goes_on: npt.NDArray[np.bool_]) -> Belief:
        """The belief after the tick that has just ended, in the rows whose sale goes on."""
        arrived = (state.customers_left - view.customers_left) * self.expected_customers * view.traffic  # (N, 1)
        units = np.where(goes_on[:, None], view.sold - state.sold, 0).astype(np.float64)
        customers = np.where(goes_on[:, None] & (view.on_hand + units > 0), arrived, 0.0)
        outcome = Outcome(state.arm, units, customers, state.intents)
        demand = self.demand(state.belief, outcome)
        if demand is not None:
            # Customers after the last unit could not have bought.
            sold_out = (view.on_hand == 0) & (units > 0)
            until = customers_until_sold_out(units, customers, demand)
            outcome = dataclasses.replace(outcome, customers=np.where(sold_out, until, customers))
        return self.update(state.belief, outcome)

    def best_arm(self, demand: Floats, prospect: Prospect) -> Integers:
        """(N, M) arms that earn most if demand is (N, M, A) and the price stays to the close.

        Source:
            The cap by the stock: Babaioff, Dughmi, Kleinberg & Slivkins (2015), Dynamic pricing with limited
            supply, ACM Transactions on Economics and Computation 3(1), section 3.
        """
        earned = self.margins * np.minimum(prospect.stock, prospect.customers * demand)
        return np.asarray(np.where(self.playable, earned, -np.inf).argmax(axis=2))


class CountingBandit(Bandit):
    """Each arm's demand is Gamma(shape, rate = customers), conjugate to Poisson sales.

    The prior of an arm has the weight of `prior_units` units sold. Its mean is
    `prior_sales` · all units / customers · e^(`prior_slope`·(1 - price / list price)): at list price the share
    `prior_sales` of all units is sold over the whole sale.
    """

    @classmethod
    def price_space(cls, scenario: Scenario) -> Space:
        space: Space = {"prior_units": (0.1, 100.0)}
        for product in scenario.products:
            space |= {own("prior_sales", product.title): (0.01, 2.0), own("prior_slope", product.title): (0.0, 12.0)}
        return space

    @classmethod
    def price_defaults(cls, scenario: Scenario) -> dict[str, float]:
        values = {"prior_units": 1.0}
        for product in scenario.products:
            # A tenth of the units at list price, nine tenths at a third of it. A prior that is too low is corrected
            # quickly by sales; one that is too high holds the list price while few customers buy.
            values |= {own("prior_sales", product.title): 0.1, own("prior_slope", product.title): 3.3}
        return values

    def prior_demand(self) -> Floats:
        """(M, A) units a customer."""
        fall = self.per_product("prior_slope")[:, None] * (1.0 - self.prices / self.list_prices)
        wanted = self.per_product("prior_sales") * self.all_units / max(self.expected_customers, _FEWEST_CUSTOMERS)
        return np.asarray(wanted[:, None] * np.exp(fall))

    def prior(self) -> Belief:
        shape = np.full(self.prices.shape, self.params["prior_units"])
        return {"shape": shape[None], "customers": (shape / self.prior_demand())[None], "ticks": np.zeros((1, 1))}

    def demand(self, belief: Belief, outcome: Outcome) -> Floats | None:
        mean = belief["shape"] / belief["customers"]
        return np.asarray(np.take_along_axis(mean, outcome.arm[:, :, None], axis=2)[:, :, 0])

    def update(self, belief: Belief, outcome: Outcome) -> Belief:
        arms = self.prices.shape[1]
        return {
            "shape": belief["shape"] + outcome.in_arms(outcome.units, arms),
            "customers": belief["customers"] + outcome.in_arms(outcome.customers, arms),
            "ticks": belief["ticks"] + (outcome.customers > 0).any(axis=1, keepdims=True),
        }


class UpperConfidence(CountingBandit):
    """The best price under an upper confidence bound of demand (UCB1), capped by the stock.

    After t ticks, an arm with mean demand d from c customers has the bound

        d + sqrt(e·ln(1 + t)·d / c) + e·ln(1 + t) / c,    e = `exploration`.

    Source:
        Auer, Cesa-Bianchi & Fischer (2002), Machine Learning 47; with a stock, and with a radius for rare sales:
        Babaioff, Dughmi, Kleinberg & Slivkins (2015), section 3.
    """

    name = "ucb"

    @classmethod
    def price_space(cls, scenario: Scenario) -> Space:
        return super().price_space(scenario) | {"exploration": (0.0, 4.0)}

    @classmethod
    def price_defaults(cls, scenario: Scenario) -> dict[str, float]:
        return super().price_defaults(scenario) | {"exploration": 0.5}

    def optimistic(self, belief: Belief) -> Floats:
        """(N, M, A) units a customer."""
        mean = belief["shape"] / belief["customers"]
        width = self.params["exploration"] * np.log1p(belief["ticks"])[:, :, None] / belief["customers"]
        return np.asarray(mean + np.sqrt(width * mean) + width)

    def choose(self, belief: Belief, prospect: Prospect, rng: np.random.Generator) -> Integers:
        return self.best_arm(self.optimistic(belief), prospect)


class Thompson(CountingBandit):
    """The best price for one draw of demand from the posterior, capped by the stock.

    Source:
        Thompson (1933), Biometrika 25.
    """

    name = "thompson"

    def choose(self, belief: Belief, prospect: Prospect, rng: np.random.Generator) -> Integers:
        return self.best_arm(rng.standard_gamma(belief["shape"]) / belief["customers"], prospect)


class ThompsonLp(CountingBandit):
    """Thompson sampling with the mix of prices that is optimal for the drawn demand and the remaining stock.

    The mix solves a linear programme anew every tick, and the price of the tick is drawn from it. Every product is its
    own resource with its own demand, so the programme separates by product. Where it offers nothing, the list price is
    shown.

    Source:
        Ferreira, Simchi-Levi & Wang (2018), Online network revenue management using Thompson sampling, Operations
        Research 66(6), algorithm 2 (TS-update).
    """

    name = "thompson_lp"

    def choose(self, belief: Belief, prospect: Prospect, rng: np.random.Generator) -> Integers:
        demand = np.where(self.playable, rng.standard_gamma(belief["shape"]) / belief["customers"], 0.0)
        customers = np.maximum(prospect.customers, 1e-12)
        share = best_mix(demand, self.margins, (prospect.stock / customers)[:, :, 0])
        share[:, :, 0] += 1.0 - share.sum(axis=2)
        return draw(share, rng)


class Exp3(Bandit):
    """Prices drawn with exponential weights of their rewards, without assumptions on demand or stock.

    An arm with weight w is played with probability q = (1 - e)·w / sum of w + e / A, e = `exploration`. The weight of
    the arm played is then multiplied by exp(`learning_rate`·x / q); the paper's learning rate is e / A. The reward x,
    clipped to 0..1, is the margin per customer of the tick, divided by `reward_scale` times the margin per customer of
    selling all units at list price.

    Source:
        Auer, Cesa-Bianchi, Freund & Schapire (2002), SIAM Journal on Computing 32(1), algorithm Exp3.
    """

    name = "exp3"
    estimates: ClassVar[bool] = False

    @classmethod
    def price_space(cls, scenario: Scenario) -> Space:
        return {"exploration": (0.01, 1.0), "learning_rate": (0.0, 2.0), "reward_scale": (0.2, 20.0)}

    @classmethod
    def price_defaults(cls, scenario: Scenario) -> dict[str, float]:
        arms = max(len(product.price_levels) for product in scenario.products)
        return {"exploration": 0.3, "learning_rate": 0.3 / arms, "reward_scale": 4.0}

    def prior(self) -> Belief:
        return {"log_weight": np.zeros((1, *self.prices.shape))}

    def chances(self, belief: Belief) -> Floats:
        """(N, M, A) probabilities of being played."""
        weight = softmax(np.where(self.playable, belief["log_weight"], -np.inf), axis=2)
        e = self.params["exploration"]
        return np.asarray((1.0 - e) * weight + e * self.playable / self._arms[:, None])

    def demand(self, belief: Belief, outcome: Outcome) -> None:
        return None  # the reward is what was earned, sold out or not

    def update(self, belief: Belief, outcome: Outcome) -> Belief:
        played = outcome.arm[:, :, None]
        margin = np.take_along_axis(np.broadcast_to(self.margins, belief["log_weight"].shape), played, axis=2)
        chance = np.take_along_axis(self.chances(belief), played, axis=2)
        unit = self.params["reward_scale"] * self.margins[:, 0] * self.all_units / self.expected_customers
        earned = margin[:, :, 0] * outcome.units / np.maximum(outcome.customers, 1e-12)
        reward = np.clip(earned / unit, 0.0, 1.0)
        # Importance weighting: reward / probability is an unbiased estimate of the arm's reward.
        gain = self.params["learning_rate"] * reward / chance[:, :, 0]
        return {"log_weight": belief["log_weight"] + outcome.in_arms(gain, self.prices.shape[1])}

    def choose(self, belief: Belief, prospect: Prospect, rng: np.random.Generator) -> Integers:
        return draw(self.chances(belief), rng)


def customers_until_sold_out(units: Floats, customers: Floats, demand: Floats) -> Floats:
    """Expected number of customers up to the buyer of the last unit, given `units` sold to at most `customers`.

    Buyers are a Poisson process of rate `demand` (d) a customer. The n-th buyer arrives at T ~ Gamma(n, d), and did so
    before the end of the tick: E[T | T <= c] = n/d · P(n + 1, d·c) / P(n, d·c), P the regularised gamma function.

    >>> customers_until_sold_out(np.array(1.0), np.array(1e9), np.array(0.5)).item()
    2.0
    """
    n, c, d = units, customers, demand
    within = gammainc(np.maximum(n, 1.0), d * c)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        expected = n / d * gammainc(n + 1.0, d * c) / within
    # If P(n, d·c) underflows, the n buyers are taken as uniform on 0..c, and the last one expected at c·n / (n + 1).
    return np.asarray(np.where(within > 0, np.minimum(expected, c), c * n / (n + 1.0)))


def best_mix(demand: Floats, margins: Floats, supply: Floats) -> Floats:
    """Optimal shares of the customers to whom each price is shown, for the expected margin a customer.

    max sum_a x_a·demand_a·margin_a  subject to  sum_a x_a·demand_a <= supply, sum_a x_a <= 1, x >= 0

    With two constraints some optimum mixes at most two of the prices and "not offered". All pairs are tried, for all
    programmes at once; a solver would be called for each one.

    Args:
        demand: (N, M, A) units a customer.
        margins: (M, A) currency a unit.
        supply: (N, M) units a customer.

    Returns:
        (N, M, A) shares x.
    """
    arms = demand.shape[2] + 1
    demand = np.concatenate([demand, np.zeros_like(demand[:, :, :1])], axis=2)  # the last one: not offered
    earns = demand * np.append(margins, np.zeros((len(margins), 1)), axis=1)
    first, second = np.triu_indices(arms)  # an arm with itself is the arm alone
    high, low = demand[:, :, first], demand[:, :, second]
    gap, room = high - low, supply[:, :, None] - low
    # The share x of the first arm that uses up the supply: x·high + (1 - x)·low = supply. A pair is feasible if x lies
    # in 0..1; an arm alone, or a pair of equal demand, if the supply suffices.
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(gap != 0, room / gap, np.where(room >= 0, 1.0, -1.0))
    feasible = (share >= 0) & (share <= 1)
    share = np.where(feasible, share, 0.0)
    value = np.where(feasible, share * earns[:, :, first] + (1.0 - share) * earns[:, :, second], -np.inf)
    best = value.argmax(axis=2)[:, :, None]
    x = np.take_along_axis(share, best, axis=2)
    mix = x * (np.arange(arms) == first[best]) + (1.0 - x) * (np.arange(arms) == second[best])
    return np.asarray(mix[:, :, :-1])


def draw(share: Floats, rng: np.random.Generator) -> Integers:
    """(N, M) arms drawn with probabilities (N, M, A), which sum to 1."""
    cumulative = share.cumsum(axis=2)
    # Scaled by the rounded sum, so that an arm of probability 0 is never drawn.
    mark = rng.random(share.shape[:2]) * cumulative[:, :, -1]
    return np.asarray((mark[:, :, None] >= cumulative).sum(axis=2))
