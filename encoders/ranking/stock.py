"""Stock: a unit that will sell out anyway need not take the first place.

Owns    the bid prices of the products: what one more unit would be worth to the sale.
Leaves  the linear program to scipy's HiGHS.
Axes    I predicted intents, M products, K places.

In expectation, and with x[i, j, k] the share of the customers of intent i who see product j at place k, the best lists
solve

    max  N · sum of w_i · e_k · a_ij · m_j · x_ijk
    s.t. one product a place, one place a product, and N · sum of w_i · e_k · a_ij · x_ijk <= stock_j,

where a_ij is the chance that j is bought where it is examined, m_j its margin, e_k the share who examine place k. The
dual values of the last rows are the bid prices; a list by margin less bid price is optimal for a customer at these
(Talluri & van Ryzin 2004, The Theory and Practice of Revenue Management, ch. 3).
"""

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog
from scipy.sparse import coo_array

from flashsale_env import INTENTS
from flashsale_env.encoders.ranking.evidence import Evidence
from flashsale_env.encoders.ranking.margin import demand

Floats = npt.NDArray[np.float64]


def margin_over_bid_price(evidence: Evidence) -> Floats:
    """(I, M) chance that the product is bought times its margin less its bid price."""
    return demand(evidence) * (evidence.margins - bid_prices(evidence))


def bid_prices(evidence: Evidence) -> Floats:
    """(M,) bid price of each product, currency; 0 where stock lasts.

    Raises:
        ValueError: the scenario has no list.
    """
    scenario = evidence.scenario
    if scenario.slate is None:
        raise ValueError(f"scenario {scenario.name!r} has no [slate], so no stock is sold through a list.")
    examined, buys = np.array(scenario.slate.examined), demand(evidence)
    products, places = buys.shape[1], len(examined)
    weight = np.bincount(evidence.predicted, evidence.population.weight, len(INTENTS))
    customers = scenario.arrivals.customers_per_minute * scenario.sale_minutes * weight / weight.sum()
    units = customers[:, None, None] * buys[:, :, None] * examined  # (I, M, K) sold if shown there to everybody
    intent, product, place = (axis.ravel() for axis in np.indices(units.shape))
    rows = [intent * places + place, len(INTENTS) * places + intent * products + product]
    rows.append(len(INTENTS) * (places + products) + product)
    entries = np.concatenate([np.ones(2 * units.size), units.ravel()])
    columns = np.tile(np.arange(units.size), 3)
    limits = np.concatenate([np.ones(len(INTENTS) * (places + products)), np.array(scenario.stock_scale, float)])
    matrix = coo_array((entries, (np.concatenate(rows), columns)), shape=(len(limits), units.size)).tocsr()
    gain = units * evidence.margins[:, None]
    solved = linprog(-gain.ravel(), A_ub=matrix, b_ub=limits, bounds=(0.0, None), method="highs")
    if not solved.success:
        raise ValueError(f"the linear program of the list has no solution: {solved.message}")
    return np.asarray(-solved.ineqlin.marginals[-products:], np.float64)
