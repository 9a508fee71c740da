"""CDNOW's customers, whose records the package lifetimes ships: our fit has the published parameters.

Fader, Hardie & Lee (2005), table 2: r .243, alpha 4.414, a .793, b 2.426, log-likelihood -9582.4.
"""

import csv
import sys
from pathlib import Path

import numpy as np

from flashsale_env.theory.customer_base import CustomerBase, fit

[path] = [
    Path(folder) / name
    for folder in sys.path
    for name in ("lifetimes/datasets/cdnow_customers_summary.csv",)
    if (Path(folder) / name).exists()
]
with path.open(newline="") as file:
    rows = list(csv.DictReader(file))
purchases, last, observed = (np.array([float(row[name]) for row in rows]) for name in ("frequency", "recency", "T"))
assert len(rows) == 2357

found = fit(purchases, last, observed)
likelihood = found.log_likelihood(purchases, last, observed).sum()
print({name: round(value, 3) for name, value in vars(found).items()}, round(float(likelihood), 1))
assert [round(value, 3) for value in vars(found).values()] == [0.243, 4.414, 0.793, 2.426]
assert abs(likelihood - -9582.4) < 0.05

# The published parameters are rounded, so they are as likely up to the sixth digit.
published = CustomerBase(0.243, 4.414, 0.793, 2.426).log_likelihood(purchases, last, observed).sum()
assert 0 <= likelihood - published < 0.01
print("ok")
