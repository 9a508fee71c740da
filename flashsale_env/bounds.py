"""Upper bounds on what any policy can earn.

Owns    the Lagrangian dual of the stock constraints with prices relaxed to one for each voice.
Units   currency per sale, on the scale of the metric `profit`.

A bound is never called optimal: it says that no policy earns more in expectation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.stats import norm

from flashsale_env.population import Population
from flashsale_env.scenario import Scenario
from flashsale_env.simulator import Simulator

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bound:
    """An upper bound, averaged over sales with their shocks known.

    Args:
        name: always printed beside the value.
        value: mean over the sales, currency.
        half_width: of the 95 % interval of that mean; 0 where sales do not differ.
        per_sale: (n,) the bound given the shocks of each sale.
    """

    name: str
    value: float
    half_width: float
    per_sale: Floats


def lagrangian_dual_bound(
    scenario: str | Scenario,
    population: str | Population | None = None,
    *,
    seeds: Sequence[int] | npt.NDArray[np.uint64],
) -> Bound:
    """Upper bound on the expected profit of any policy, by weak duality, valid for any multiplier.

    Relaxed in the policy's favour: it knows the shocks of the sale; it sets a price for each voice and product, up to
    the list price, or offers nothing; every customer whom the deepest coupon attracts comes; orders arrive at once and
    cost no fixed fee; stock holds on average only and costs nothing to hold. With w_j the worth of a unit,

        D(w) = sum_voices customers_v · R_v(w)
             + sum_j w_j·stock_j + (w_j - unit_cost_j - freight)^+·reserve_j - opening cost

    for every w >= salvage value, where R_v = max sum_j (p_j - w_j)·q_j(p) is one customer's best margin. For MNL it is
    the root of R = sum_j max_p e^(a_j - b_j·p)·(p - w_j - R)^+ (Dinkelbach 1967, doi 10.1287/mnsc.13.7.492), by
    Newton's method; for exponential willingness to pay it is at most sum_j max_p e^(-p/theta_j)·(p - w_j).

    Args:
        scenario, population: as for `Simulator`.
        seeds: the sales whose shocks are averaged over; one is enough where a scenario has no shocks.
    """
    simulator = Simulator(scenario, population, sales=len(seeds))
    simulator.open(np.asarray(seeds, np.uint64), np.zeros(len(seeds), np.int64))
    problem = _DualProblem(simulator)
    per_sale = np.array([problem.solve(row) for row in range(len(seeds))])
    spread = float(per_sale.std(ddof=1)) if len(seeds) > 1 else 0.0
    half_width = float(norm.ppf(0.975)) * spread / len(seeds) ** 0.5
    return Bound("Lagrangian dual, one price per voice", float(per_sale.mean()), half_width, per_sale)


class _DualProblem:
    """D(w) of each sale of a batch that was just opened."""

    def __init__(self, simulator: Simulator) -> None:
        rules, voices = simulator.instance.rules[0], simulator.instance.voices
        self._sales = simulator.sales
        self._exponential = simulator.scenario.choice.model == "exponential"
        self._utility = voices["utility"].astype(np.float64)
        self._sensitivity = voices["price_sensitivity"].astype(np.float64)[:, None] / rules["reference_price"]
        # customers by drift of willingness to pay: the sale is one static problem for each value of it
        drift, phase = np.unique(simulator.instance.schedule[:, 1], return_inverse=True)
        customers = np.bincount(phase, simulator.instance.schedule[:, 0]) * (1 + rules["coupon_traffic_lift"])
        self._phases = list(zip(drift.tolist(), customers.tolist(), strict=True))
        self._cap = rules["list_price"]
        self._stock = rules["initial_stock"].astype(np.float64)
        self._reserve = rules["initial_reserve"].astype(np.float64)
        self._landed_cost = rules["unit_cost"] + rules["freight_per_unit"]
        self._salvage = rules["salvage_value"]
        self._opening_cost = float((rules["initial_stock"] * rules["unit_cost"]).sum())
        self._class_of, self._within = _weight_within_class(rules, simulator)
        self._start = np.maximum(self._salvage, 0.5 * rules["unit_cost"])

    def solve(self, row: int) -> float:
        """The smallest D(w) found for this sale; any w is a valid bound, so the minimiser need not be exact."""
        sale = self._sales[row]
        mix = np.diff(sale["mix"], prepend=0.0)
        share = mix[self._class_of] * self._within * sale["traffic"]
        attraction = self._utility + sale["appeal"]
        found = minimize(
            self._dual,
            self._start,
            args=(share, attraction),
            jac=True,
            method="L-BFGS-B",
            bounds=[(salvage, None) for salvage in self._salvage],
            options={"maxiter": 40, "ftol": 1e-7},
        )
        self._start = found.x  # sales resemble each other: the next search starts here
        return float(found.fun)

    def _dual(self, worth: Floats, share: Floats, attraction: Floats) -> tuple[float, Floats]:
        ordered = worth > self._landed_cost
        value = worth @ self._stock + ((worth - self._landed_cost) * self._reserve)[ordered].sum()
        slope = self._stock + self._reserve * ordered
        for drift, customers in self._phases:
            slopes = self._sensitivity / drift
            if self._exponential:
                margin, demand = _best_exponential_margin(slopes, self._cap, worth)
            else:
                margin, demand = _best_mnl_margin(attraction, slopes, self._cap, worth)
            value += customers * (share @ margin)
            slope = slope - customers * (share @ demand)
        return float(value - self._opening_cost), slope


def _weight_within_class(rules: np.void, simulator: Simulator) -> tuple[npt.NDArray[np.int64], Floats]:
    """Class number of each voice and its share inside that class."""
    weight = simulator.population.weight[simulator.instance.voice_rows].astype(np.float64)
    sizes = rules["class_size"][: rules["n_classes"]]
    class_of = np.repeat(np.arange(len(sizes)), sizes)
    return class_of, weight / np.bincount(class_of, weight)[class_of]


def _best_mnl_margin(attraction: Floats, slopes: Floats, cap: Floats, worth: Floats) -> tuple[Floats, Floats]:
    """Best expected margin of one customer of each voice (V,) and the purchase probabilities there (V, M)."""
    margin = np.zeros(len(attraction))
    for _ in range(50):
        price = np.minimum(cap, worth + margin[:, None] + 1.0 / slopes)
        gain = price - worth - margin[:, None]
        odds = np.where(gain > 0, np.exp(attraction - slopes * price), 0.0)
        total = odds.sum(axis=1)
        step = ((odds * gain).sum(axis=1) - margin) / (1.0 + total)
        margin = margin + step
        if np.abs(step).max() < 1e-9 * (1.0 + margin.max()):
            break
    return margin, odds / (1.0 + total)[:, None]


def _best_exponential_margin(slopes: Floats, cap: Floats, worth: Floats) -> tuple[Floats, Floats]:
    """Sum of the best margins of each product on its own, which bounds the margin of a choice among them."""
    price = np.minimum(cap, worth + 1.0 / slopes)
    demand = np.where(price > worth, np.exp(-slopes * price), 0.0)
    return (demand * (price - worth)).sum(axis=1), demand
