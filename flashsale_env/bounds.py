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

from flashsale_env.core import dual
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
        self._model = int(rules["choice_model"])
        self._utility = voices["utility"].astype(np.float64)
        sensitivity = voices["price_sensitivity"].astype(np.float64)[:, None] / rules["reference_price"]
        # Customers by drift of willingness to pay: the sale is one static problem for each value of it.
        drift, phase = np.unique(simulator.instance.schedule[:, 1], return_inverse=True)
        customers = np.bincount(phase, simulator.instance.schedule[:, 0]) * (1 + rules["coupon_traffic_lift"])
        self._phases = [(sensitivity / d, float(c)) for d, c in zip(drift, customers, strict=True)]
        self._cap = np.array(rules["list_price"])
        self._stock = rules["initial_stock"].astype(np.float64)
        self._reserve = rules["initial_reserve"].astype(np.float64)
        self._landed_cost = rules["unit_cost"] + rules["freight_per_unit"]
        self._salvage = rules["salvage_value"]
        self._opening_cost = float((rules["initial_stock"] * rules["unit_cost"]).sum())
        self._class_of, self._within = _weight_within_class(rules, simulator)
        # Neighbouring problems resemble each other, so each search starts where the last one ended.
        self._worth = np.maximum(self._salvage, 0.5 * rules["unit_cost"])
        self._margins = [np.zeros(len(voices)) for _ in self._phases]

    def solve(self, row: int) -> float:
        """The smallest D(w) found for this sale; any w is a valid bound, so the minimiser need not be exact."""
        sale = self._sales[row]
        mix = np.diff(sale["mix"], prepend=0.0)
        share = mix[self._class_of] * self._within * sale["traffic"]
        appeal = sale["appeal"].astype(np.float64)
        found = minimize(
            self._dual,
            self._worth,
            args=(share, appeal),
            jac=True,
            method="L-BFGS-B",
            bounds=[(salvage, None) for salvage in self._salvage],
            options={"maxiter": 30, "ftol": 1e-6},
        )
        self._worth = found.x
        return float(found.fun)

    def _dual(self, worth: Floats, share: Floats, appeal: Floats) -> tuple[float, Floats]:
        ordered = worth > self._landed_cost
        value = worth @ self._stock + ((worth - self._landed_cost) * self._reserve)[ordered].sum()
        slope = self._stock + self._reserve * ordered
        demand = np.empty(len(worth))
        for (slopes, customers), margins in zip(self._phases, self._margins, strict=True):
            margin = dual.expected_margin(
                self._model, self._utility, appeal, slopes, self._cap, worth, share, margins, demand
            )
            value += customers * margin
            slope = slope - customers * demand
        return float(value - self._opening_cost), slope


def _weight_within_class(rules: np.void, simulator: Simulator) -> tuple[npt.NDArray[np.int64], Floats]:
    """Class number of each voice and its share inside that class."""
    weight = simulator.population.weight[simulator.instance.voice_rows].astype(np.float64)
    sizes = rules["class_size"][: rules["n_classes"]]
    class_of = np.repeat(np.arange(len(sizes)), sizes)
    return class_of, weight / np.bincount(class_of, weight)[class_of]
