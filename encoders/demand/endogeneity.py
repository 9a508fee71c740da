"""Prices that answer demand: instruments by a control function, tests, and how much a tie would matter.

Owns    the first stage, the tests of strength and of endogeneity, and the tie that would move an estimate by half.
Leaves  the second stage to `count_regression`.
Axes    n cells, L instruments.

Where prices follow demand, price and unseen demand are correlated and the regression measures both. An instrument moves
prices and leaves demand alone, such as cost. The residual of the regression of log price on instruments and effects
holds what else moved the price; as a further regressor it takes the place of unseen demand (control function:
Wooldridge 2015, doi 10.3368/jhr.50.2.420; for counts with effects Lin & Wooldridge 2019, doi
10.1016/B978-0-12-815859-3.00002-5). A coefficient of it that differs from 0 is the test of endogeneity (Wu 1973;
Hausman 1978, doi 10.2307/1913827).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from flashsale_env.encoders.demand.count_regression import CountFit, Effects
from flashsale_env.encoders.demand.fixed_effects import fixed_effects_regression

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Staiger & Stock (1997, doi 10.2307/2171753): below 10 the estimate is biased towards the one without instruments.
WEAK_F = 10.0
# Lee, McCrary, Moreira & Porter (2022, doi 10.1257/aer.20211063): only above 104.7 do intervals of the usual width
# cover 95 % whatever the tie between price and demand.
STRONG_F = 104.7


@dataclass(frozen=True, eq=False)
class FirstStage:
    """Log price on instruments and controls, net of the effects.

    Args:
        residual: (n,) what moved the price beside the instruments.
        strength: F statistic of the instruments, robust to correlation within clusters.
        left: (n, L + controls) instruments and controls net of the effects.
    """

    residual: Floats
    strength: float
    left: Floats

    def carried(self, fit: CountFit, residual_at: int, k: int = 0) -> Floats:
        """(n,) influence of each cell on coefficient k through the estimation of the residual.

        With γ the first stage's coefficients and ρ that of the residual, the scores change by ρ X'W Z per unit of γ.
        """
        slope = fit.bread[k] @ (fit.left.T @ (fit.weight[:, None] * self.left)) * fit.coefficients[residual_at]
        gamma = np.linalg.pinv(self.left.T @ self.left, hermitian=True)
        return np.asarray((self.left @ (gamma @ slope)) * self.residual)


def first_stage(
    price: Floats,
    instruments: Floats,
    controls: Floats,
    unit: Integers,
    week: Integers | None,
    clusters: Integers | None,
) -> FirstStage:
    """Regress log prices on instruments (n, L) and controls, net of the effects.

    Raises:
        ValueError: an instrument does not vary beyond what effects, controls and other instruments explain.
    """
    effects = Effects(unit, week, np.ones(len(price)))
    left = effects.without(np.column_stack([price, instruments, controls]))
    found = fixed_effects_regression(left[:, 0], left[:, 1:], clusters=clusters)
    count = instruments.shape[1]
    gamma = found.coefficients[:count]
    strength = float(gamma @ np.linalg.solve(found.covariance[:count, :count], gamma)) / count
    return FirstStage(found.residuals, strength, left[:, 1:])


@dataclass(frozen=True)
class Prices:
    """Whether prices answer demand, as far as the data can tell.

    Args:
        instruments: names; () without any.
        strength: F statistic of the instruments; NaN without.
        p_exogenous: probability of so large a residual coefficient if prices do not answer demand; NaN without.
        without_instruments: the elasticity that takes prices as given.
        tie: the correlation between price and unseen demand that would move the estimate by half.
        p_next_price: probability of so large a coefficient of next week's price if prices do not follow demand; NaN
            where it is not tested.
    """

    instruments: tuple[str, ...] = ()
    strength: float = math.nan
    p_exogenous: float = math.nan
    without_instruments: float = math.nan
    tie: float = math.nan
    p_next_price: float = math.nan

    @property
    def weak(self) -> bool:
        """Whether the rule of thumb calls the instruments weak."""
        return bool(self.instruments) and not self.strength >= WEAK_F

    def as_dict(self) -> dict[str, object]:
        """As a table for a card, without what does not apply."""
        if self.instruments:
            return {
                "instruments": list(self.instruments),
                "first_stage_f": self.strength,
                "f_wanted": STRONG_F,
                "p_prices_do_not_answer_demand": self.p_exogenous,
                "elasticity_without_instruments": self.without_instruments,
            }
        return {
            "instruments": [],
            "correlation_that_moves_it_by_half": self.tie,
            "p_next_price_says_nothing": None if math.isnan(self.p_next_price) else self.p_next_price,
        }


def tie_that_halves(estimate: float, fit: CountFit, demand_sd: float) -> float:
    """Correlation r of price and unseen demand that would move the estimate by half, in 0..1.

    It shifts the slope by r · sd(demand) / sd(price), logarithms net of the effects. The regression takes what is tied
    to the price for its effect and leaves demand_sd = sd(demand) · √(1 - r²), so that r/√(1 - r²) is known.
    """
    price = fit.left[:, 0]
    sd = math.sqrt(float(fit.weight @ price**2) / float(fit.weight.sum()))
    # hypot keeps the limit of 1, which is reached where demand varies by no more than chance.
    half = abs(estimate) / 2 * sd
    return half / max(math.hypot(half, demand_sd), 1e-300)


def p_value(estimate: float, standard_error: float, freedom: float) -> float:
    """Two-sided probability of an estimate as far from 0."""
    return float(2 * stats.t.sf(abs(estimate / standard_error), freedom))
