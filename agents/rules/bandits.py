"""Learning demand while selling: upper confidence bounds, Thompson sampling, EXP3.

Owns    what a seller knows who was given the prices and not the demand: the memory of a sale, and rules that try
        prices in order to learn what they sell.
Leaves  rules that learn a demand curve to `demand_curves`; orders, coupon and offers to `merchant`.
Axes    N sales, M products, A arms. An arm is a rung of a product's ladder; every product learns for itself, ladders
        shorter than the longest are filled up with arms that are never played.
Units   `units` sold, `customers`; demand is units a customer; money in currency.

**What is seen.** A sale shows what was sold, not what was wanted or who came. The customers of a tick are those the
scenario expects, times the traffic where that is shown. A product that sold out in a tick counts with the customers up
to its last unit, as the belief before the tick expects them (`customers_until_sold_out`); a product with an empty
shelf counts with nobody. Coupons and what the other products cost are not told apart from the price.

**Memory** is the `state` of `predict` and nothing else. A sale opens with the prior and, with `carry`, with that share
of what the same row learned in its earlier sales; a sale's last tick teaches nothing, as nobody is asked after it. At
0, the default, the sales of an evaluation stay independent.

Demand that drifts in the course of a sale is not modelled: these agents do not apply there.
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
from flashsale_env.agents.rules.merchant import Shop, View, own, why_no_price

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Belief = dict[str, Floats]  # arrays with N first


@dataclass(frozen=True)
class Memory:
    """What a learning seller carries from call to call; `predict` makes a new one and leaves the old one alone."""

    calls: int  # numbers the stream of random draws
    customers_left: Floats  # (N, 1) share of the sale, at the last call
    sold: Integers  # (N, M) units of this sale, until the last call
    arm: Integers  # (N, M) shown since
    intents: Floats | None  # (N, I) shares by which it was chosen; None where the scenario shows none
    belief: Belief


@dataclass(frozen=True)
class Outcome:
    """A tick that has ended; rows of a sale that has just opened have nobody and nothing."""

    arm: Integers  # (N, M)
    units: Floats  # (N, M)
    customers: Floats  # (N, M) who could have bought
    intents: Floats | None  # (N, I) shares as they were shown before the tick, as in `Memory`

    def in_arms(self, values: Floats, arms: int) -> Floats:
        """(N, M, A) the values (N, M), each in the arm played and 0 in the others."""
        return np.asarray(values[:, :, None] * (np.arange(arms) == self.arm[:, :, None]))


@dataclass(frozen=True)
class Prospect:
    """What is still to be sold, and to whom."""

    stock: Floats  # (N, M, 1) units, those on their way included
    customers: Floats  # (N, 1, 1) still expected
    intents: Floats | None  # (N, I) shares as they are shown now, as in `Memory`


class Bandit(Shop):
    """A seller who learns demand from the sales of the prices tried.

    A subclass declares `price_space` and `price_defaults`, begins with `prior`, and decides in `update` and `choose`.

    Args:
        scenario: name, path or object.
        seed: of the draws.
        carry: share of what was learned that is kept from one sale of a row to the next.
        params: value of any parameter; the others are at their defaults.

    Raises:
        ValueError: a parameter is unknown or out of its range, or the agent does not apply to the scenario.
    """

    reads: ClassVar[tuple[str, ...]] = ("time_left", "on_hand")

    def __init__(self, scenario: str | Path | Scenario, *, seed: int = 0, carry: float = 0.0, **params: float) -> None:
        super().__init__(scenario, seed=seed, **params)
        self.require_applies()
        if not 0 <= carry <= 1:
            raise ValueError(f"{self.name}: carry must lie in 0..1, got {carry}.")
        # Beside the tuned parameters, so that `save` keeps it; it says what an evaluation means, so it is not tuned.
        self.params = {**self.params, "carry": carry}
        products = self.scenario.products
        self._arms = np.array([len(product.price_levels) for product in products])
        self._last = self._arms[:, None] - 1
        rung = np.minimum(np.arange(self._arms.max()), self._last)
        self.prices = np.array([np.array(p.price_levels)[r] for p, r in zip(products, rung, strict=True)])  # (M, A)
        self.playable = np.arange(self._arms.max()) <= self._last  # (M, A)
        self.list_prices = self.prices[:, :1]
        # Unsold units are salvaged: what a sale adds is the price less that.
        self.margins = self.prices - np.array([[product.salvage_value] for product in products])
        self.all_units = self.scenario.stock_scale  # (M,)
        self.expected_customers = float(self.scenario.customers_per_tick.sum())

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        reason = why_no_price(scenario) or super().applies(scenario)
        if reason is None and len(set(scenario.choice.drift)) > 1:
            reason = "the agent learns one demand for the whole sale, and the scenario's willingness to pay drifts"
        if reason is None and scenario.arrivals.customers_per_minute == 0:
            reason = "the agent learns units a customer, and the scenario expects no customer"
        return reason

    def prior(self) -> Belief:
        """The belief of one sale that opens with no evidence, N = 1."""
        raise NotImplementedError

    def demand(self, belief: Belief, outcome: Outcome) -> Floats | None:
        """(N, M) units a customer that the belief expects of the arms just played; None if it has no such opinion."""
        raise NotImplementedError

    def update(self, belief: Belief, outcome: Outcome) -> Belief:
        """The belief after a tick; a new dictionary of new arrays."""
        raise NotImplementedError

    def choose(self, belief: Belief, prospect: Prospect, rng: np.random.Generator) -> Integers:
        """(N, M) arms for the coming tick."""
        raise NotImplementedError

    def act(
        self, observations: npt.NDArray[np.float32], state: Any, episode_start: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[Any], Memory]:
        view, n = View(self, observations), len(observations)
        if state is not None and len(state.arm) != n:
            raise ValueError(
                f"{self.name}: the state is of {len(state.arm)} sales and the observations are of {n}. Hand back what "
                f"the last call returned, or None to begin anew."
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
        return self.actions(view, arm.astype(np.float64), self.missing(view)), memory

    def _learned(self, state: Memory, view: View, goes_on: npt.NDArray[np.bool_]) -> Belief:
        """The belief after the tick that has just ended, in the rows whose sale goes on."""
        came = (state.customers_left - view.customers_left) * self.expected_customers * view.traffic  # (N, 1)
        units = np.where(goes_on[:, None], view.sold - state.sold, 0).astype(np.float64)
        customers = np.where(goes_on[:, None] & (view.on_hand + units > 0), came, 0.0)
        outcome = Outcome(state.arm, units, customers, state.intents)
        demand = self.demand(state.belief, outcome)
        if demand is not None:
            sold_out = (view.on_hand == 0) & (units > 0)
            until = customers_until_sold_out(units, customers, demand)
            outcome = dataclasses.replace(outcome, customers=np.where(sold_out, until, customers))
        return self.update(state.belief, outcome)

    def best_arm(self, demand: Floats, prospect: Prospect) -> Integers:
        """(N, M) arms that earn most if demand (N, M, A) is as said and the price stays to the close.

        Source:
            The cap by what is in stock: Babaioff, Dughmi, Kleinberg & Slivkins (2015), Dynamic pricing with limited
            supply, ACM Transactions on Economics and Computation 3(1), section 3.
        """
        earned = self.margins * np.minimum(prospect.stock, prospect.customers * demand)
        return np.asarray(np.where(self.playable, earned, -np.inf).argmax(axis=2))


class CountingBandit(Bandit):
    """A belief that each arm's demand is Gamma(shape, customers), with conjugate updates: Poisson sales.

    The prior of an arm has the weight of `prior_units` units sold, and its mean falls with the price p as
    e^(slope·(1 - p / list price)) from `prior_sales` of all units, in the whole sale at list price.
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
            # A tenth of the units at list price, nine tenths at a third of it. Who believes too little learns quickly
            # that more is sold; who believes too much waits at list price for buyers that do not come.
            values |= {own("prior_sales", product.title): 0.1, own("prior_slope", product.title): 3.3}
        return values

    def prior_demand(self) -> Floats:
        """(M, A) units a customer."""
        fall = self.per_product("prior_slope")[:, None] * (1.0 - self.prices / self.list_prices)
        wanted = self.per_product("prior_sales") * self.all_units / self.expected_customers
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
    """The price that would earn most if demand were as high as it may well be (UCB1), capped by the stock.

    After t ticks an arm with mean demand d of c customers may have d + sqrt(e·ln(1 + t)·d / c) + e·ln(1 + t) / c, with
    e the `exploration`.

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
    """The price that would earn most if demand were as one draw from the belief, capped by the stock.

    Source:
        Thompson (1933), Biometrika 25.
    """

    name = "thompson"

    def choose(self, belief: Belief, prospect: Prospect, rng: np.random.Generator) -> Integers:
        return self.best_arm(rng.standard_gamma(belief["shape"]) / belief["customers"], prospect)


class ThompsonLp(CountingBandit):
    """As Thompson sampling, with the mix of prices that the drawn demand makes best for the stock that is left.

    The mix solves a linear programme anew every tick, and the price of the tick is drawn from it. Each product is its
    own resource and its demand its own, so the programme falls apart into one a product; what it leaves to showing
    nothing is shown at list price.

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
    """Prices drawn with exponential weights of what they earned: no assumption on demand, and none on the stock.

    The chance of an arm is (1 - e)·w / sum of w + e / A, with e the `exploration`; the arm played has its weight
    multiplied by exp(`learning_rate`·x / chance), which is e / A in the paper. The reward x in 0..1 is what the tick
    earned a customer, less the salvage value, as a share of `reward_scale` times what selling all units there can be at
    list price would earn a customer.

    Source:
        Auer, Cesa-Bianchi, Freund & Schapire (2002), SIAM Journal on Computing 32(1), algorithm Exp3.
    """

    name = "exp3"

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
        """(N, M, A) of being played."""
        weight = softmax(np.where(self.playable, belief["log_weight"], -np.inf), axis=2)
        e = self.params["exploration"]
        return np.asarray((1.0 - e) * weight + e * self.playable / self._arms[:, None])

    def demand(self, belief: Belief, outcome: Outcome) -> None:
        return None  # it rewards what was earned, sold out or not

    def update(self, belief: Belief, outcome: Outcome) -> Belief:
        played = outcome.arm[:, :, None]
        margin = np.take_along_axis(np.broadcast_to(self.margins, belief["log_weight"].shape), played, axis=2)
        chance = np.take_along_axis(self.chances(belief), played, axis=2)
        unit = self.params["reward_scale"] * self.margins[:, 0] * self.all_units / self.expected_customers
        earned = margin[:, :, 0] * outcome.units / np.maximum(outcome.customers, 1e-12)
        reward = np.clip(earned / unit, 0.0, 1.0)
        gain = self.params["learning_rate"] * reward / chance[:, :, 0]
        return {"log_weight": belief["log_weight"] + outcome.in_arms(gain, self.prices.shape[1])}

    def choose(self, belief: Belief, prospect: Prospect, rng: np.random.Generator) -> Integers:
        return draw(self.chances(belief), rng)


def customers_until_sold_out(units: Floats, customers: Floats, demand: Floats) -> Floats:
    """Customers expected up to and with the last unit's buyer, when `units` were sold to at most `customers`.

    Buyers come at the rate of `demand` a customer; the last of them is the `units`-th, and came before the end:
    E[T | T <= c], T ~ Gamma(n, d), is n/d · P(n + 1, d·c) / P(n, d·c), with P the regularised gamma function.

    >>> customers_until_sold_out(np.array(1.0), np.array(1e9), np.array(0.5)).item()
    2.0
    """
    n, c, d = units, customers, demand
    within = gammainc(np.maximum(n, 1.0), d * c)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        expected = n / d * gammainc(n + 1.0, d * c) / within
    # Where so many buyers are next to impossible they are spread evenly: the last of n comes at n / (n + 1).
    return np.asarray(np.where(within > 0, np.minimum(expected, c), c * n / (n + 1.0)))


def best_mix(demand: Floats, margins: Floats, supply: Floats) -> Floats:
    """Shares of the customers to whom each price should be shown, so that a customer earns most in expectation.

    max sum_a x_a·demand_a·margin_a  subject to  sum_a x_a·demand_a <= supply, sum_a x_a <= 1, x >= 0

    With two constraints some optimum mixes at most two of the prices and "not offered", so all pairs are tried: in
    numpy for any number of programmes at once, where a solver would be called for each.

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
    # The share of the first arm that uses up the supply: where it lies in 0..1 the pair is tried. An arm alone, or a
    # pair of equal demand, counts if the supply suffices.
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
    """(N, M) arms drawn with these chances (N, M, A), which sum to 1."""
    cumulative = share.cumsum(axis=2)
    # Just below the sum, whatever its rounding: an arm without a chance is never drawn.
    mark = rng.random(share.shape[:2]) * cumulative[:, :, -1]
    return np.asarray((mark[:, :, None] >= cumulative).sum(axis=2))
