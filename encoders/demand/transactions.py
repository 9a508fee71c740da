"""Price elasticities from a shop's records: from transactions by fixed effects, from choices by conditional logit.

Owns    the panel of product and week, the regression that absorbs effects (with instruments too), elasticities by
        category, and the tastes that reproduce them in the choice model of the simulator.
Leaves  reading and checking rows to `calibration_data`, the likelihood of choices to `logit`.
Units   elasticities are per cent of units per per cent of price; prices in currency per unit, panels in weeks.

    log units_jt = elasticity · log price_jt + product_j + week_t + error_jt

An elasticity is that of a product whose own price moves against its usual price and against what every product of
its category does in that week. It is causal as far as prices do not answer to shocks of demand that the effects leave:
a price cut announced with a display counts the display too. Weeks without a sale have no price and are missing, which
draws elasticities of rarely sold products towards 0; hence `LEAST_PRESENCE`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from flashsale_env.encoders.demand.logit import ChoiceTable, fit

Floats = npt.NDArray[np.float64]

# Share of the weeks in which a product must have sold. On the worked example the overall elasticity goes from -.77
# (any product) by -1.06 (20 of 53 weeks) to -1.37 (40 of 53) as weeks without a sale leave the panel.
LEAST_PRESENCE = 0.75
# Weekly mean prices that range over less than this are one price and its rounding.
LEAST_PRICE_RANGE = 0.01
# Far enough below the outside option that nobody buys, near enough that single precision keeps the sum.
NEVER_BOUGHT = -40.0
# Cluster-robust intervals need clusters; below this a category has no estimate of its own.
LEAST_PRODUCTS = 5

_SWEEPS = 10_000
_TOLERANCE = 1e-11


@dataclass(frozen=True, eq=False)
class Regression:
    """A linear regression with K regressors after absorbing effects.

    Args:
        coefficients: (K,).
        covariance: (K, K) robust to whatever correlation there is inside a cluster.
        rows: observations.
        clusters: groups that are independent of each other; as many as rows where none were given.
        freedom: degrees of freedom of the t distribution for intervals; infinite without the finite-sample correction.
        residuals: (rows,).
    """

    coefficients: Floats
    covariance: Floats
    rows: int
    clusters: int
    freedom: float
    residuals: Floats = field(repr=False)

    @property
    def standard_errors(self) -> Floats:
        """(K,) square roots of the diagonal of the covariance."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))

    def interval(self, k: int = 0, level: float = 0.95) -> tuple[float, float]:
        """Two-sided interval of coefficient k."""
        half = float(stats.t.ppf(0.5 + level / 2, self.freedom)) * float(self.standard_errors[k])
        return float(self.coefficients[k]) - half, float(self.coefficients[k]) + half


def within(columns: Floats, effects: Sequence[npt.NDArray[np.int64]]) -> Floats:
    """What is left of each column, (n, K), after regressing it on the dummies of all effects.

    Alternating projections: subtract the means by each effect in turn until nothing moves (Guimarães & Portugal 2010,
    Stata Journal 10(4); Gaure 2013, doi 10.1016/j.csda.2013.03.024). Exact after one sweep for a single effect.

    Raises:
        ValueError: not settled after many sweeps, which takes effects that barely overlap.
    """
    left = np.array(columns, np.float64)
    scale = np.abs(left).max(axis=0) + 1e-300
    counts = [np.bincount(effect) for effect in effects]
    for _ in range(_SWEEPS if len(effects) > 1 else 1):
        moved = 0.0
        for effect, count in zip(effects, counts, strict=True):
            for k in range(left.shape[1]):
                mean = np.bincount(effect, left[:, k]) / np.maximum(count, 1)
                left[:, k] -= mean[effect]
                moved = max(moved, float(np.abs(mean).max() / scale[k]))
        if moved < _TOLERANCE:
            return left
    if len(effects) <= 1:
        return left
    raise ValueError(
        f"absorbing {len(effects)} effects did not settle in {_SWEEPS} sweeps (means still move by {moved:.1e}): the "
        f"effects barely overlap. Use fewer effects or a part of the data in which they do."
    )


def fixed_effects_regression(
    outcome: Floats,
    regressors: Floats,
    effects: Sequence[npt.NDArray[np.int64]] = (),
    *,
    clusters: npt.NDArray[np.int64] | None = None,
    instruments: Floats | None = None,
    finite_sample: bool = True,
) -> Regression:
    """Least squares, or two-stage least squares, on what the effects leave.

    Args:
        outcome: (n,).
        regressors: (n, K).
        effects: integer codes (n,) of each effect to absorb.
        clusters: integer codes (n,); None lets every row be its own, which is robust to heteroskedasticity only.
        instruments: (n, L >= K) in place of the regressors in the first stage; None for least squares.
        finite_sample: scale the covariance by G/(G-1)·(n-1)/(n-k) and use t with G-1 degrees of freedom (Cameron &
            Miller 2015, doi 10.3368/jhr.50.2.317); k counts regressors and the levels of effects that are not nested
            in clusters. False for the plain sandwich, as GMM packages print it.

    Raises:
        ValueError: a regressor has no variation left, or there are fewer than two clusters.
    """
    n, k = regressors.shape
    if len(outcome) != n or not np.isfinite(outcome).all() or not np.isfinite(regressors).all():
        raise ValueError(f"want {n} finite outcomes and regressors, got {len(outcome)} outcomes or some not finite.")
    group = np.arange(n) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    groups = int(group.max()) + 1
    if groups < 2:
        raise ValueError("a cluster-robust covariance needs at least 2 clusters, got 1.")
    blocks = [outcome[:, None], regressors] + ([] if instruments is None else [instruments])
    left = within(np.concatenate(blocks, axis=1), effects) if effects else np.concatenate(blocks, axis=1)
    y, x, z = left[:, 0], left[:, 1 : k + 1], left[:, k + 1 :]
    fitted = x if instruments is None else z @ np.linalg.lstsq(z, x, rcond=None)[0]
    flat = np.abs(fitted).max(axis=0) <= 1e-9 * np.maximum(np.abs(regressors).max(axis=0), 1e-300)
    if flat.any() or np.linalg.matrix_rank(fitted) < k:
        raise ValueError(
            f"regressor {int(flat.argmax())} does not vary beyond what the effects"
            f"{'' if instruments is None else ', instruments'} and other regressors explain: nothing identifies it."
        )
    bread = np.linalg.inv(fitted.T @ x)
    coefficients = bread @ (fitted.T @ y)
    residuals = y - x @ coefficients
    scores = np.column_stack([np.bincount(group, fitted[:, i] * residuals) for i in range(k)])
    covariance = bread @ (scores.T @ scores) @ bread.T
    freedom = math.inf
    if finite_sample:
        absorbed = sum(_levels(effect) - 1 for effect in effects if not _nested(effect, group)) + bool(effects)
        covariance *= groups / (groups - 1) * (n - 1) / max(n - k - absorbed, 1)
        freedom = groups - 1
    return Regression(coefficients, covariance, n, groups, freedom, residuals)


def log_share_ratio(shares: Floats, markets: npt.NDArray[np.int64]) -> Floats:
    """(n,) log of each product's share of its market over the share that buys nothing: the plain logit's mean utility.

    Regressed on price and product effects this is the logit of Berry (1994, RAND Journal 25(2)); its own-price
    elasticity is coefficient · price · (1 - share).

    Raises:
        ValueError: a share is not above 0, or the shares of a market leave nothing for buying nothing.
    """
    outside = 1 - np.bincount(markets, shares)
    if shares.min() <= 0 or outside[np.unique(markets)].min() <= 0:
        raise ValueError("shares must be above 0 and sum to less than 1 in every market.")
    return np.asarray(np.log(shares) - np.log(outside[markets]))


@dataclass(frozen=True, eq=False)
class Panel:
    """What sold in each week at which mean price.

    Args:
        cells: one row a product (of a store) and week with sales: product, category, store where asked for, week,
            units, price (currency paid over units).
        weeks: from the first to the last one of the data.
        left_out: reason -> {"products", "rows"} that are not in the cells; rows are transactions.
    """

    cells: pd.DataFrame
    weeks: int
    left_out: dict[str, dict[str, int]]


def weekly_panel(
    transactions: pd.DataFrame, *, by_store: bool = False, least_presence: float = LEAST_PRESENCE
) -> Panel:
    """Add the transactions up to weeks and leave out products whose elasticity they cannot tell.

    Args:
        transactions: as `calibration_data.read_transactions` returns them.
        by_store: a cell is a product of one store; right where prices differ by store and most cells sell.
        least_presence: share of the weeks in which a product (of a store) must have sold.

    Raises:
        ValueError: no product is left, or stores are asked for and not given.
    """
    if by_store and "store" not in transactions:
        raise ValueError("a panel by store needs the column `store`, and the data have none.")
    weeks = int(transactions["week"].max()) + 1
    unit = ["product", "category", *(["store"] if by_store else [])]
    paid = transactions.assign(paid=transactions["price"] * transactions["units"], rows=1)
    cells = paid.groupby([*unit, "week"], observed=True)[["units", "paid", "rows"]].sum().reset_index()
    cells["price"] = cells["paid"] / cells["units"]
    groups = cells.groupby(unit, observed=True)["price"]
    presence, highest, lowest = groups.transform("size"), groups.transform("max"), groups.transform("min")
    reasons = {
        f"sold in fewer than {least_presence:.0%} of the {weeks} weeks": presence < math.ceil(least_presence * weeks),
        "no price variation": highest <= lowest * (1 + LEAST_PRICE_RANGE),
    }
    left_out = {}
    kept = np.ones(len(cells), bool)
    for reason, holds in reasons.items():
        out = kept & holds.to_numpy()
        left_out[reason] = {
            "products": int(cells.loc[out, unit].drop_duplicates().shape[0]),
            "rows": int(cells.loc[out, "rows"].sum()),
        }
        kept &= ~out
    if not kept.any():
        told = "; ".join(f"{reason}: {count['products']}" for reason, count in left_out.items())
        raise ValueError(f"no product can tell an elasticity ({told}): give more weeks, or weeks with other prices.")
    return Panel(cells.loc[kept, [*unit, "week", "units", "price"]].reset_index(drop=True), weeks, left_out)


@dataclass(frozen=True)
class Elasticity:
    """An own-price elasticity with its 95 % interval, and what it rests on."""

    estimate: float
    standard_error: float
    low: float
    high: float
    products: int
    cells: int


@dataclass(frozen=True, eq=False)
class Elasticities:
    """Estimates of one panel.

    Args:
        overall: one elasticity for all products.
        categories: by category, each with week effects of its own; not shrunk towards each other.
        left_out: category -> why it has no estimate.
        residual_sd: product -> standard deviation of its log weekly units around the fit of its category, without the
            noise of counting.
    """

    overall: Elasticity
    categories: dict[str, Elasticity]
    left_out: dict[str, str]
    residual_sd: dict[str, float]


def estimate_elasticities(panel: Panel, *, least_products: int = LEAST_PRODUCTS) -> Elasticities:
    """Fixed effects of product (in its store) and week, standard errors clustered by product.

    Raises:
        ValueError: no category has `least_products` products.
    """
    cells = panel.cells
    overall, _ = _elasticity(cells)
    categories, left_out, residual_sd = {}, {}, {}
    for name, part in cells.groupby("category", observed=True, sort=True):
        products = part["product"].nunique()
        if products < max(least_products, 2):
            left_out[str(name)] = f"{products} products with enough weeks and prices, want {max(least_products, 2)}"
            continue
        try:
            categories[str(name)], deviations = _elasticity(part)
        except ValueError as error:
            left_out[str(name)] = str(error)
            continue
        residual_sd |= deviations
    if not categories:
        raise ValueError(
            f"no category has {least_products} products whose price varies (most: "
            f"{cells.groupby('category', observed=True)['product'].nunique().max()}): lower the number of products "
            f"asked for, or give coarser categories."
        )
    return Elasticities(overall, categories, left_out, residual_sd)


def _elasticity(cells: pd.DataFrame) -> tuple[Elasticity, dict[str, float]]:
    product, names = pd.factorize(cells["product"])
    unit = product
    if "store" in cells:
        unit = cells.groupby(["product", "store"], observed=True).ngroup().to_numpy()
    found = fixed_effects_regression(
        np.log(cells["units"].to_numpy(np.float64)),
        np.log(cells["price"].to_numpy(np.float64))[:, None],
        [unit, pd.factorize(cells["week"])[0]],
        clusters=product,
    )
    low, high = found.interval()
    estimate = Elasticity(
        float(found.coefficients[0]), float(found.standard_errors[0]), low, high, len(names), len(cells)
    )
    # The log of a Poisson count of mean m varies by about 1/m for that alone.
    excess = found.residuals**2 - 1 / cells["units"].to_numpy(np.float64)
    variance = np.bincount(product, excess) / np.bincount(product)
    deviations = {str(name): math.sqrt(max(v, 0.0)) for name, v in zip(names, variance, strict=True)}
    return estimate, deviations


def _levels(effect: npt.NDArray[np.int64]) -> int:
    return len(np.unique(effect))


def _nested(effect: npt.NDArray[np.int64], group: npt.NDArray[np.int64]) -> bool:
    """Whether each level of the effect lies inside one group."""
    return len(np.unique(np.column_stack([effect, group]), axis=0)) == _levels(effect)


@dataclass(frozen=True, eq=False)
class ChoiceEstimates:
    """What a log of choices tells.

    Args:
        elasticities: at mean prices with everything available; `cells` counts the products on offer over all visits.
        price_sensitivity: category -> logits per mean price.
        relevance: product -> utility at price 0, logits.
    """

    elasticities: Elasticities
    price_sensitivity: dict[str, float]
    relevance: dict[str, float]


def estimate_choices(choices: pd.DataFrame) -> ChoiceEstimates:
    """A conditional logit for each category, with product effects and the price over the product's mean price.

    A visit chooses in each category among what was available of it; buying something of another category is buying
    nothing here. Products that were sold out are no alternatives, so empty shelves are not taken for little appeal.

    Args:
        choices: as `calibration_data.read_choices` returns them.

    Raises:
        ValueError: no category identifies a price sensitivity; the message says why for each.
    """
    mean_price = choices.groupby("product", observed=True)["price"].transform("mean")
    shares = choices.assign(price_share=choices["price"] / mean_price)
    categories, left_out, sensitivity, relevance = {}, {}, {}, {}
    for name, part in shares.groupby("category", observed=True, sort=True):
        try:
            estimate, slope, effects = _conditional_logit(part, part["visit"])
        except ValueError as error:
            left_out[str(name)] = str(error)
            continue
        categories[str(name)], sensitivity[str(name)] = estimate, -slope
        relevance |= effects
    if not categories:
        told = " ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise ValueError(f"no category identifies a price sensitivity. {told}")
    usable = shares[shares["category"].isin(list(categories))]
    occasion = usable.groupby(["visit", "category"], observed=True).ngroup()
    overall, _, _ = _conditional_logit(usable, occasion)
    return ChoiceEstimates(Elasticities(overall, categories, left_out, {}), sensitivity, relevance)


def _conditional_logit(rows: pd.DataFrame, occasion: pd.Series) -> tuple[Elasticity, float, dict[str, float]]:
    """(elasticity at mean prices, coefficient of the price share, product -> effect)."""
    products, names = pd.factorize(rows["product"])
    sets = pd.factorize(occasion)[0].astype(np.int64)
    bought = np.bincount(sets, rows["bought"])
    offered = rows["available"].to_numpy(bool)
    labels = tuple(map(str, names))
    result = fit(
        ChoiceTable(
            choice_set=sets[offered],
            covariates=rows["price_share"].to_numpy(np.float64)[offered, None],
            chosen=rows["bought"].to_numpy(np.float64)[offered],
            outside=1.0 - bought,
            names=("price",),
            effect=products[offered].astype(np.int64),
            effect_names=labels,
            cluster=pd.factorize(rows.groupby(sets)["visit"].first())[0].astype(np.int64),
        )
    )
    # One choice set a category, all of its products at their mean price.
    group = pd.factorize(rows.drop_duplicates("product")["category"])[0].astype(np.int64)
    count = int(group.max()) + 1
    mean_prices = ChoiceTable(
        choice_set=group,
        covariates=np.ones((len(names), 1)),
        chosen=np.zeros(len(names)),
        outside=np.ones(count),
        names=("price",),
        effect=np.arange(len(names), dtype=np.int64),
        effect_names=labels,
    )
    found = result.elasticity("price", at=mean_prices)
    estimate = Elasticity(found.value, found.standard_error, found.low, found.high, len(names), int(offered.sum()))
    return estimate, float(result.coefficients[0]), dict(zip(labels, result.effects.tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class LogitTastes:
    """Tastes of one customer a category, who looks at the products of that category only.

    Args:
        relevance: (C, M) utility at price 0, logits; far below 0 for products of other categories.
        price_sensitivity: (C,) logits per reference price, the reference being the mean price.
    """

    relevance: Floats
    price_sensitivity: Floats

    @classmethod
    def of_one_category(cls, relevance: Floats, category: npt.NDArray[np.int64], sensitivity: Floats) -> "LogitTastes":
        """From the relevance (M,) of each product to the customers of its own category."""
        own = category == np.arange(len(sensitivity))[:, None]
        return cls(np.where(own, relevance, NEVER_BOUGHT), sensitivity)


def tastes_from_elasticities(
    purchase_probability: Floats, category: npt.NDArray[np.int64], elasticity: Floats, quality: Floats
) -> LogitTastes:
    """The multinomial logit that buys as observed and answers to prices as estimated, at mean prices; exact.

    With utility δ_j + s_c·(1 - p_j / mean_j) of product j for the customers of its category c, shares at mean prices
    are P_j = exp δ_j / (1 + Σ exp δ), and the own-price elasticity is -s_c·(1 - P_j). δ gives the purchase
    probabilities; s_c makes the mean of the products' elasticities, weighted by units, the estimated one.

    Args:
        purchase_probability: (M,) at mean prices, of a customer of the product's category.
        category: (M,) index into the C categories.
        elasticity: (C,) below 0.
        quality: (M,) logits that the scenario adds on top, e.g. against the mean of a lognormal shock; the
            elasticity is solved with them in, without the shock.

    Raises:
        ValueError: an elasticity is not below 0, or the probabilities of a category leave nothing for buying nothing.
    """
    count = len(elasticity)
    if not (elasticity < 0).all():
        bad = int((~(elasticity < 0)).argmax())
        raise ValueError(f"elasticity of category {bad} must be below 0 for a choice model, got {elasticity[bad]:g}.")
    outside = 1 - np.bincount(category, purchase_probability, count)
    if purchase_probability.min() <= 0 or outside.min() <= 0:
        bad = int(outside.argmin())
        raise ValueError(
            f"purchase probabilities must be above 0 and sum to less than 1 in each category, got "
            f"{1 - outside[bad]:.3f} in category {bad}."
        )
    at_mean_price = np.log(purchase_probability / outside[category])
    odds = np.exp(at_mean_price + quality)
    probability = odds / (1 + np.bincount(category, odds, count))[category]
    bought = np.bincount(category, probability, count)
    sensitivity = -elasticity * bought / np.bincount(category, probability * (1 - probability), count)
    return LogitTastes.of_one_category(at_mean_price + sensitivity[category], category, sensitivity)
