"""A shop whose records the tests calibrate on."""

import numpy as np
import pandas as pd

ELASTICITY = {"tea": -1.6, "soda": -2.8}
VISITORS = 300
LEVELS = np.array([1.0, 0.9, 0.75])


def corner_shop(seed=0, products=6, weeks=40):
    """One line a unit: two categories with the elasticities above, about 300 baskets a week, a few lines broken."""
    rng = np.random.default_rng(seed)
    lines = []
    for category, elasticity in ELASTICITY.items():
        for j in range(products):
            base = round(rng.uniform(2, 8), 2)
            for week in range(weeks):
                price = round(base * rng.choice(LEVELS, p=[0.5, 0.3, 0.2]), 2)
                sold = rng.poisson((24 - 2 * j) * (price / base) ** elasticity)
                baskets = rng.choice(VISITORS, sold, replace=False)
                lines += [(f"{category}-{j}", category, week, price, 1, base, f"{week}/{b}") for b in baskets]
    lines += [("tea-0", "tea", 0, None, 1, None, "x"), ("tea-0", "tea", 0, 2.0, -1, None, "x")]
    return pd.DataFrame(lines, columns=["product", "category", "week", "price", "units", "list_price", "basket"])
