"""Price elasticities from weekly sales.

Owns    the elasticity of each category and of each product, and the warnings about them.
Leaves  the panel to `panel`, the regression to `count_regression`, standard errors to `clusters`, instruments to
        `endogeneity`, choices to `choices`.
Units   elasticities are per cent of units per per cent of price.

    E[demand_jt] = exp(elasticity · log price_jt + controls_jt + unit_j + week_t)

by Poisson pseudo-maximum likelihood. The elasticity rests on deviations of a product's price from its own mean and from
the mean of its category in the week. It is causal if prices do not answer demand that the effects and controls leave,
or if an instrument moves them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from flashsale_env.encoders.demand.clusters import Uncertainty, uncertainty
from flashsale_env.encoders.demand.count_regression import (
    CountFit,
    Effects,
    count_regression,
    slopes_by_group,
)
from flashsale_env.encoders.demand.counts import Counts
from flashsale_env.encoders.demand.endogeneity import (
    STRONG_F,
    WEAK_F,
    FirstStage,
    Prices,
    first_stage,
    p_value,
    tie_that_halves,
)
from flashsale_env.encoders.demand.panel import Panel
from flashsale_env.encoders.demand.shrinkage import shrink

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Advance = Callable[[int, int, str], None]

# Share of a product's price variation that must differ from that of the others in the week, to allow for its demand.
_LEAST_OF_WEEK = 1e-3
# Share of sold-out weeks above which the law of demand matters. Synthetic shops whose demand varies lognormally, where
# the negative binomial law is assumed, have intervals that cover about 92 %.
_MOST_SOLD_OUT = 0.1
# One-sided, at 1 %: false alarms are rare, and a tie that matters has a far larger statistic.
_ALARM_LEVEL = 0.01
_ALARM = float(stats.norm.ppf(1 - _ALARM_LEVEL))
# Weeks followed by another one, a third of those that test whether next week's price says something.
_LEAST_AHEAD = 10


@dataclass(frozen=True)
class Elasticity:
    """An own-price elasticity with its 95 % interval and the size of its sample.

    Args:
        estimate, standard_error, low, high: of the elasticity.
        products, cells: in the regression.
        clusters: what may be correlated in the standard error, e.g. "product and week".
    """

    estimate: float
    standard_error: float
    low: float
    high: float
    products: int
    cells: int
    clusters: str


@dataclass(frozen=True)
class ProductElasticity:
    """An elasticity of one product, before and after it was drawn towards the mean of its category."""

    own: float
    own_standard_error: float
    shrunk: float
    shrunk_standard_error: float


@dataclass(frozen=True, eq=False)
class Estimate:
    """What the cells of a category say.

    Args:
        elasticity: of all its products together.
        prices: whether prices answer demand.
        ignoring_stock: the elasticity that takes sales for demand; None where no week is known to have sold out.
        sold_out: share of the cells.
        demand_sd: standard deviation of log demand that prices and effects do not explain, net of counting noise.
        warnings: sentences, none if the interval can be taken at its word.
        by_product: product -> its elasticity.
        by_product_sd: product -> its own `demand_sd`.
        unmet: product, week, units: expected demand beyond the sales of weeks that ended with the stock.
    """

    elasticity: Elasticity
    prices: Prices
    ignoring_stock: float | None
    sold_out: float
    demand_sd: float
    warnings: tuple[str, ...]
    by_product: dict[str, ProductElasticity] = field(default_factory=dict)
    by_product_sd: dict[str, float] = field(default_factory=dict)
    unmet: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["product", "week", "units"]))


@dataclass(frozen=True, eq=False)
class Elasticities:
    """Estimates of one panel, or of one log of choices.

    Args:
        overall: one elasticity for all products.
        categories: by category, each with its own week effects.
        left_out: category -> why it has no estimate.
        details: category -> all that its cells say; {} for choices.
    """

    overall: Elasticity
    categories: dict[str, Elasticity]
    left_out: dict[str, str]
    details: dict[str, Estimate] = field(default_factory=dict)


def estimate_elasticities(
    panel: Panel, *, instruments: Sequence[str] = (), controls: Sequence[str] = (), advance: Advance | None = None
) -> Elasticities:
    """The elasticities of a panel: overall, by category, and by product.

    Args:
        panel: see `weekly_panel`.
        instruments: columns of its cells that move prices and leave demand alone.
        controls: columns of its cells that move demand.
        advance: is told of the progress: done, total, what.

    Raises:
        ValueError: no category has an estimate; the message has the reason of each.
    """
    cells = panel.cells
    categories = cells["category"].cat.categories[np.unique(cells["category"].cat.codes)]
    work = len(categories) + 1
    details: dict[str, Estimate] = {}
    left_out: dict[str, str] = {}
    for done, name in enumerate(categories):
        if advance is not None:
            advance(done, work, f"category {name}")
        try:
            part = cells[cells["category"] == name]
            details[str(name)] = _Cells(part, panel, instruments, controls).estimate(by_product=True)
        except ValueError as error:
            left_out[str(name)] = str(error)
    if not details:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise ValueError(f"no category has an elasticity. {reasons}")
    if advance is not None:
        advance(work - 1, work, "all products")
    if len(details) == 1:
        (overall,) = (estimate.elasticity for estimate in details.values())
    else:
        both = cells[cells["category"].isin(list(details))]
        overall = _Cells(both, panel, instruments, controls).estimate(by_product=False).elasticity
    if advance is not None:
        advance(work, work, "")
    return Elasticities(overall, {name: e.elasticity for name, e in details.items()}, left_out, details)


class _Cells:
    """The cells of one regression, as arrays."""

    def __init__(self, cells: pd.DataFrame, panel: Panel, instruments: Sequence[str], controls: Sequence[str]) -> None:
        self.panel, self.instruments = panel, tuple(instruments)
        self.warnings: list[str] = []
        has_weeks = self._has_week_effects(cells)
        if has_weeks:
            # A week in which nothing sold has no effect: its cells say nothing about prices.
            cells = cells[cells.groupby("week")["units"].transform("sum") > 0]
        self.counts = Counts(
            cells["units"].to_numpy(np.float64), cells["sold_out"].to_numpy(bool), truncated=panel.truncated
        )
        self.price = np.log(cells["price"].to_numpy(np.float64))
        # Shares of cost move shares of price: logarithms, unless a value has none.
        given = cells[list(instruments)].to_numpy(np.float64)
        self.z = np.where((given > 0).all(axis=0), np.log(np.where(given > 0, given, 1.0)), given)
        self.controls = cells[list(controls)].to_numpy(np.float64)
        self.product, names = _codes(cells["product"])
        self.names = [str(name) for name in names]
        self.week, self.weeks = _codes(cells["week"])
        self.by_week = self.week if has_weeks else None  # the effects of weeks
        self.number = cells["week"].to_numpy(np.int64)
        self.unit = _unit(cells, panel)
        self.of_cell = {"product": self.product}
        if panel.stores == "apart":
            self.of_cell |= {"store": _codes(cells["store"])[0], "store and product": self.unit}
        self.of_cell["week"] = self.week

    def _has_week_effects(self, cells: pd.DataFrame) -> bool:
        """Whether the effects of weeks leave something of the prices."""
        unit, week = _unit(cells, self.panel), _codes(cells["week"])[0]
        units = int(unit.max()) + 1
        if units > 1:
            price = np.log(cells["price"].to_numpy(np.float64))[:, None]
            weight = (np.bincount(unit, cells["units"]) / np.bincount(unit))[unit]
            within = Effects(unit, None, weight).without(price)[:, 0]
            left = Effects(unit, week, weight).without(price)[:, 0]
            if weight @ left**2 > _LEAST_OF_WEEK * (weight @ within**2):
                return True
        why = "there is one product" if units == 1 else "prices move together in all products and stores"
        self.warnings.append(
            f"no effects of weeks, because {why}: a season that prices follow counts as their effect. Give a column of "
            f"it as --control"
        )
        return False

    def estimate(self, *, by_product: bool) -> Estimate:
        """See `Estimate`.

        Raises:
            ValueError: the cells identify no elasticity.
        """
        stage = self._first_stage()
        fit = count_regression(self.counts, self._regressors(stage), self.unit, self.by_week)
        found = uncertainty(fit, self.of_cell, further=self._further(fit, stage))
        value = float(fit.coefficients[0])
        ignoring = None
        if self.counts.sold_out.any():
            value = self._without_bias_of_effects(fit, stage)
            plain = replace(self.counts, sold_out=np.zeros(len(self.price), bool))
            ignoring = float(count_regression(plain, self._regressors(stage), self.unit, self.by_week).coefficients[0])
        half = found.quantile * found.standard_error
        elasticity = Elasticity(
            value, found.standard_error, value - half, value + half, len(self.names), len(self.price),
            " and ".join(found.clusters),
        )  # fmt: skip
        demand_sd = _demand_sd(fit, np.zeros(len(self.price), np.int64), self.counts.plain)[0]
        prices = self._prices(fit, found, stage, value, demand_sd)
        warnings = [*self.warnings, *self._warnings(fit, found, prices)]
        estimate = Estimate(
            elasticity, prices, ignoring, float(self.counts.sold_out.mean()), demand_sd, tuple(warnings)
        )
        if not by_product:
            return estimate
        return replace(
            estimate,
            by_product=self._by_product(fit, stage, value),
            by_product_sd=dict(zip(self.names, _demand_sd(fit, self.product, self.counts.plain).tolist(), strict=True)),
            unmet=self._unmet(fit),
        )

    def _unmet(self, fit: CountFit) -> pd.DataFrame:
        out = self.counts.sold_out
        units = self.counts.unmet(fit.mean, fit.dispersion)[out]
        return pd.DataFrame(
            {"product": np.array(self.names)[self.product[out]], "week": self.weeks[self.week[out]], "units": units}
        )

    def _regressors(self, stage: FirstStage | None) -> Floats:
        residual = [] if stage is None else [stage.residual]
        return np.column_stack([self.price, *residual, self.controls])

    def _first_stage(self) -> FirstStage | None:
        if not self.instruments:
            return None
        clusters = self.product if len(self.names) >= 10 else self.unit if int(self.unit.max()) >= 9 else None
        return first_stage(self.price, self.z, self.controls, self.unit, self.by_week, clusters)

    def _without_bias_of_effects(self, fit: CountFit, stage: FirstStage | None) -> float:
        """Twice the estimate minus the mean of those from odd and even weeks.

        The estimating equation of sold-out weeks bends with the mean, so that the error of the unit effects does not
        average out: a bias in proportion to 1 / T, which the half-panel jackknife removes (Dhaene & Jochmans 2015, doi
        10.1093/restud/rdv007).
        """
        halves = []
        regressors = self._regressors(stage)
        for parity in (0, 1):
            rows = self.week % 2 == parity
            rows &= self._useful(rows)[self.unit]
            try:
                half = count_regression(
                    self.counts.part(rows),
                    regressors[rows],
                    np.unique(self.unit[rows], return_inverse=True)[1],
                    None if self.by_week is None else np.unique(self.by_week[rows], return_inverse=True)[1],
                )
            except ValueError:
                return float(fit.coefficients[0])  # too few weeks to halve
            halves.append(float(half.coefficients[0]))
        return 2 * float(fit.coefficients[0]) - sum(halves) / 2

    def _further(self, fit: CountFit, stage: FirstStage | None) -> Floats:
        """(n,) influence of each cell on the elasticity through the first stage, and through the dispersion.

        The dispersion a solves the sum of d log-likelihood / da = 0 at the means that belong to it: another estimating
        equation, whose influence is carried on by the change of the elasticity with a.
        """
        further = np.zeros(len(self.price)) if stage is None else stage.carried(fit, 1)
        if self.counts.plain or fit.dispersion == 0:
            return further
        regressors = self._regressors(stage)
        step = 0.05 * fit.dispersion
        moved = count_regression(self.counts, regressors, self.unit, self.by_week, dispersion=fit.dispersion + step)
        scores = self._dispersion_slope(fit.mean, fit.dispersion)
        curvature = float((scores - self._dispersion_slope(moved.mean, fit.dispersion + step)).sum()) / step
        if curvature <= 0:
            return further
        # The means are estimated too: what their errors add to the scores, cell by cell.
        bend = (
            self._dispersion_slope(fit.mean * 1.01, fit.dispersion)
            - self._dispersion_slope(fit.mean / 1.01, fit.dispersion)
        ) / (2 * math.log(1.01))
        linear = regressors @ (fit.bread @ (fit.left.T @ bend))
        carried = (linear + fit.effects.solve(bend - fit.weight * linear)[0]) * fit.score
        change = float(moved.coefficients[0] - fit.coefficients[0]) / step
        return np.asarray(further + change * (scores + carried) / curvature)

    def _dispersion_slope(self, mean: Floats, at: float) -> Floats:
        """(n,) d log-likelihood / da of each cell."""
        up, down = (self.counts.log_likelihood(mean, at * factor) for factor in (1.01, 0.99))
        return np.asarray((up - down) / (0.02 * at))

    def _useful(self, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """(U,) whether a unit has a finite effect in these rows."""
        units = int(self.unit.max()) + 1
        sold = np.bincount(self.unit[rows], self.counts.units[rows], units)
        open_weeks = np.bincount(self.unit[rows], ~self.counts.sold_out[rows], units)
        shown = np.bincount(self.unit[rows], minlength=units) if self.counts.truncated else 0
        return np.asarray((sold > shown) & (open_weeks > 0))

    def _prices(
        self,
        fit: CountFit,
        found: Uncertainty,
        stage: FirstStage | None,
        value: float,
        demand_sd: float,
    ) -> Prices:
        if stage is None:
            return Prices(tie=tie_that_halves(value, fit, demand_sd), p_next_price=self._next_price(fit.dispersion))
        residual = uncertainty(fit, self.of_cell, k=1)
        given = count_regression(
            self.counts, np.column_stack([self.price, self.controls]), self.unit, self.by_week
        ).coefficients[0]
        p = p_value(float(fit.coefficients[1]), residual.standard_error, residual.freedom)
        return Prices(self.instruments, stage.strength, p, float(given))

    def _next_price(self, dispersion: float) -> float:
        """p value of next week's log price beside this week's; NaN without enough weeks that follow each other.

        Prices that are set without regard to demand say nothing about the week before: a test of strict exogeneity
        (Wooldridge 2010, Econometric Analysis of Cross Section and Panel Data, section 10.7.1).
        """
        order = np.lexsort((self.week, self.unit))
        unit, number = self.unit[order], self.number[order]
        follows = (unit[1:] == unit[:-1]) & (number[1:] == number[:-1] + 1)
        rows = order[:-1][follows]
        ahead = self.price[order[1:][follows]]
        useful = self._useful(np.isin(np.arange(len(self.price)), rows))[self.unit[rows]]
        rows, ahead = rows[useful], ahead[useful]
        if len(rows) < 3 * _LEAST_AHEAD:
            return math.nan
        mask = np.zeros(len(self.price), bool)
        mask[rows] = True
        value = np.zeros(len(self.price))
        value[rows] = ahead
        regressors = np.column_stack([self.price, value, self.controls])[mask]
        week = None if self.by_week is None else _codes(pd.Series(self.by_week[mask]))[0]
        try:
            fit = count_regression(
                self.counts.part(mask), regressors, _codes(pd.Series(self.unit[mask]))[0], week, dispersion=dispersion
            )
            of_cell = {name: _codes(pd.Series(codes[mask]))[0] for name, codes in self.of_cell.items()}
            found = uncertainty(fit, of_cell, k=1)
        except ValueError:
            return math.nan
        return p_value(float(fit.coefficients[1]), found.standard_error, found.freedom)

    def _warnings(self, fit: CountFit, found: Uncertainty, prices: Prices) -> list[str]:
        warnings = []
        if prices.weak:
            warnings.append(
                f"weak instrument: F {prices.strength:.1f}, want {WEAK_F:g} or more. The estimate leans towards "
                f"{prices.without_instruments:.2f}, and its interval means nothing"
            )
        elif prices.instruments and prices.strength < STRONG_F:
            warnings.append(
                f"instrument with F {prices.strength:.1f}: below {STRONG_F:g} the interval may be too narrow"
            )
        if prices.p_next_price < _ALARM_LEVEL:
            warnings.append(
                f"next week's price goes with this week's sales (p {prices.p_next_price:.1g}): prices seem to follow "
                f"demand, or customers wait for them. Give an --instrument, such as cost"
            )
        if prices.instruments and self.counts.truncated and _missing_share(fit) > 0.02:
            warnings.append(
                "instrument, and weeks without a sale are missing: which weeks are seen depends on the price. Give "
                "rows of 0 units with their prices"
            )
        if (share := float(self.counts.sold_out.mean())) > _MOST_SOLD_OUT:
            warnings.append(
                f"{share:.0%} of the weeks sold out: what they would have sold follows from an assumed law of demand, "
                f"and intervals are a little too narrow"
            )
        if not self.panel.has_stock and (share := self._piled_up(fit)) > 0:
            warnings.append(
                f"{share:.0%} of the weeks end at a product's highest number of units, more than chance allows: the "
                f"stock may have ended. Give a column `stock` or `sold_out`"
            )
        if "product" not in found.clusters and (lasting := self._lasting(fit)):
            warnings.append(
                f"demand stays high or low for weeks (correlation {lasting:.2f} from week to week), and too few "
                f"products allow for it: the interval is too narrow"
            )
        return warnings

    def _piled_up(self, fit: CountFit) -> float:
        """Share of the cells at their unit's highest number beyond chance; 0 where chance suffices."""
        units = self.counts.units
        top = np.zeros(int(self.unit.max()) + 1)
        np.maximum.at(top, self.unit, units)
        at_top = units == top[self.unit]
        often = np.bincount(self.unit, at_top)
        dispersion = max(self.counts.dispersion(fit.mean), 1e-9)
        size = 1 / dispersion
        expected = float(stats.nbinom.pmf(top[self.unit], size, size / (size + fit.mean)).sum())
        repeated = float((often - 1).sum())  # one week of each unit is the highest in any case
        if top.max() < 2 or repeated < 0.01 * len(units) or repeated < 2 * expected + 5 * math.sqrt(expected + 1):
            return 0.0
        return float(at_top.mean())

    def _lasting(self, fit: CountFit) -> float:
        """Correlation of the weeks' scores with those of the week before, if it is above 0 beyond chance; else 0."""
        along = fit.left @ fit.bread[:, 0] * fit.score
        sums = np.bincount(self.week, along)
        if len(sums) < 8:
            return 0.0
        correlation = float((sums[1:] * sums[:-1]).sum() / max((sums**2).sum(), 1e-300))
        return correlation if correlation * math.sqrt(len(sums)) > _ALARM else 0.0

    def _by_product(self, fit: CountFit, stage: FirstStage | None, value: float) -> dict[str, ProductElasticity]:
        """The elasticity of each product, shifted so that effects bias it no more than the pooled one, and shrunk."""
        found = slopes_by_group(self.counts, fit, self.price, self._regressors(stage)[:, 1:], self.product)
        own = found.values + (value - float(fit.coefficients[0]))
        sold = np.asarray(np.bincount(self.product, self.counts.units), np.float64)
        after = shrink(own, found.variance, sold)
        rows = zip(
            own.tolist(), np.sqrt(found.variance).tolist(), after.values.tolist(), after.standard_errors.tolist(),
            strict=True,
        )  # fmt: skip
        return {name: ProductElasticity(*row) for name, row in zip(self.names, rows, strict=True)}


def _codes(column: pd.Series) -> tuple[Integers, pd.Index]:
    """(n,) codes of the sorted values, and the values."""
    codes, values = pd.factorize(column, sort=True)
    return codes.astype(np.int64), values


def _unit(cells: pd.DataFrame, panel: Panel) -> Integers:
    """(n,) codes of the units."""
    product = _codes(cells["product"])[0]
    if panel.stores != "apart":
        return product
    store = _codes(cells["store"])[0]
    return np.asarray(np.unique(product * (int(store.max()) + 1) + store, return_inverse=True)[1], np.int64)


def _missing_share(fit: CountFit) -> float:
    """Expected share of weeks without a sale."""
    alpha = max(fit.dispersion, 1e-9)
    return float(np.exp(-np.log1p(alpha * fit.mean) / alpha).mean())


def _demand_sd(fit: CountFit, group: Integers, plain: bool) -> Floats:
    """(G,) standard deviation of log demand beyond price, effects and counting noise, for groups of cells.

    A count with a lognormal mean has variance μ + μ²(e^{σ²} - 1).
    """
    count = int(group.max()) + 1
    if not plain:
        return np.full(count, math.sqrt(math.log1p(fit.dispersion)))
    n = len(group)
    absorbed = len(fit.effects.of_unit) + max(fit.effects.weeks - 1, 0) + len(fit.coefficients)
    square = fit.score**2 * n / max(n - absorbed, 1)
    ratio = np.bincount(group, square - fit.mean) / np.maximum(np.bincount(group, fit.mean**2), 1e-300)
    return np.asarray(np.sqrt(np.log1p(np.maximum(ratio, 0.0))))
