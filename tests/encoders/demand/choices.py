"""Choice data with known answers, shared by the tests of the logit."""

import numpy as np

from flashsale_env.encoders.demand.choice_table import ChoiceTable

PRODUCTS = ("a", "b", "c")


def visits(n=20_000, seed=0, slope=-3.0, quality=(1.0, 0.5, 0.0), offered=0.8, products=PRODUCTS):
    """Choices at random prices and availability, drawn by Gumbel-max, independent of the simulator."""
    rng = np.random.default_rng(seed)
    m = len(products)
    price = rng.uniform(0.5, 1.0, (n, m))
    available = rng.random((n, m)) < offered
    utility = np.where(available, np.asarray(quality) + slope * price, -np.inf)
    bought = (np.column_stack([utility, np.zeros(n)]) + rng.gumbel(size=(n, m + 1))).argmax(axis=1)
    return {"covariates": {"price": price}, "bought": bought, "available": available}


def table(products=PRODUCTS, **options):
    return ChoiceTable.from_visits(**visits(products=products, **options), products=products)


def counts(chosen, outside, price=None, effect=None):
    """One choice set with counts."""
    rows = len(chosen)
    return ChoiceTable(
        choice_set=np.zeros(rows, np.int64),
        covariates=np.zeros((rows, 0)) if price is None else np.array(price, float)[:, None],
        chosen=np.array(chosen, float),
        outside=None if outside is None else np.array([outside], float),
        names=() if price is None else ("price",),
        effect=np.arange(rows) if effect is None else np.array(effect),
        effect_names=PRODUCTS[:rows],
    )


def crossed(sets=60, products=6, weeks=3, seed=0, outside=True):
    """Counts per shop-week and product with a fixed effect for every product in every week; two covariates."""
    rng = np.random.default_rng(seed)
    choice_set = np.repeat(np.arange(sets), products)
    effect = choice_set % weeks * products + np.tile(np.arange(products), sets)
    x = np.column_stack([rng.uniform(0.5, 1.0, sets * products), rng.normal(size=sets * products)])
    odds = np.exp(x @ [-2.5, 0.4] + rng.normal(-0.5, 0.7, products * weeks)[effect])
    share = odds / (np.bincount(choice_set, odds) + outside)[choice_set]
    return ChoiceTable(
        choice_set=choice_set,
        covariates=x,
        chosen=rng.poisson(80 * share).astype(float),
        outside=rng.poisson(80 * (1 - np.bincount(choice_set, share))).astype(float) if outside else None,
        names=("price", "display"),
        effect=effect,
        effect_names=tuple(f"product {g % products} in week {g // products}" for g in range(products * weeks)),
        cluster=np.arange(sets) // 2,
    )


def dense_information(likelihood, theta):
    """Minus the Hessian by central differences of the analytic gradient."""
    step = 1e-5
    columns = [
        (likelihood.gradient(theta - step * e) - likelihood.gradient(theta + step * e)) / (2 * step)
        for e in np.eye(len(theta))
    ]
    return np.stack(columns, axis=1)
