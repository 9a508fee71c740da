"""What a validation case measures: an exact value, its estimate, and how far the two may lie apart.

Owns    the form of a measurement, and the estimators that make one of simulated sales.
Leaves  the verdict to `judging`.
Axes    S sales.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Chi-square cells are pooled until each expects this many sales (Cochran 1954).
FEWEST_IN_CELL = 5.0

# Prices pass through single precision, so two equal sums of money differ by this share of them.
SINGLE = 1e-6


@dataclass(frozen=True)
class Atom:
    """The value that most samples share. Where nearly all do, the sample variance says little about the rest.

    Args:
        value: of the quantity if every sample were at the atom.
        others: samples away from the atom.
        reach: the most by which the quantity could differ if every sample were away from it.
    """

    value: float
    others: int
    reach: float


@dataclass(frozen=True)
class Measurement:
    """One quantity, known exactly and simulated.

    Args:
        quantity: its name, with the parameters it depends on.
        expected: exact value for the sale that is simulated.
        simulated: its estimate.
        standard_error: of the estimate; 0 where nothing random is compared.
        samples: independent sales behind the estimate.
        limit: value in continuous time, or as printed in the paper; None where that is the expected value itself.
        tolerance: added to the half-width, for numbers that pass through single precision.
        degrees: degrees of freedom of a chi-square statistic; None for a mean.
        atom: the value that most samples share; None where nothing random is compared.
    """

    quantity: str
    expected: float
    simulated: float
    standard_error: float = 0.0
    samples: int = 0
    limit: float | None = None
    tolerance: float = 0.0
    degrees: int | None = None
    atom: Atom | None = None


def mean_of(
    quantity: str, expected: float, values: Floats, *, reach: float = math.inf, limit: float | None = None
) -> Measurement:
    """Mean over independent sales.

    Args:
        quantity, expected, limit: as in `Measurement`.
        values: (S,) one of each sale.
        reach: largest possible value minus the smallest.
    """
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    common = float(np.median(values))
    others = int((np.abs(values - common) > SINGLE * abs(common)).sum())
    return Measurement(
        quantity, expected, float(values.mean()), error, len(values), limit, SINGLE * abs(expected),
        atom=Atom(common, others, reach),
    )  # fmt: skip


def ratio_of(
    quantity: str,
    expected: float,
    parts: Floats,
    wholes: Floats,
    *,
    reach: float = math.inf,
    limit: float | None = None,
) -> Measurement:
    """Ratio of two means, with its standard error by linearisation (Cochran 1977, chapter 6).

    Args:
        quantity, expected, limit: as in `Measurement`.
        parts: (S,) sum over the customers of each sale.
        wholes: (S,) number of customers of each sale.
        reach: largest possible part of one customer minus the smallest.
    """
    ratio = float(parts.mean() / wholes.mean())
    # To first order the ratio varies as the mean of parts - ratio·wholes, over the mean of wholes.
    error = float((parts - ratio * wholes).std(ddof=1)) / (math.sqrt(len(parts)) * float(wholes.mean()))
    came = wholes > 0
    common = float(np.median(parts[came] / wholes[came]))
    others = int((np.abs(parts - common * wholes) > SINGLE * abs(common) * wholes).sum())
    return Measurement(
        quantity, expected, ratio, error, len(parts), limit, tolerance=SINGLE * abs(expected),
        atom=Atom(common, others, reach / float(wholes.mean())),
    )  # fmt: skip


def distribution_of(quantity: str, law: Floats, counts: Floats) -> Measurement:
    """Pearson's chi-square of observed counts against a probability law.

    Rare outcomes are pooled, the rarest first. If all outcomes but one are too rare even together, the share of the
    likeliest outcome is measured instead.

    Args:
        quantity: as in `Measurement`.
        law: (K,) probability of each outcome.
        counts: (K,) sales that had it.
    """
    total = counts.sum()
    order = np.argsort(law * total, kind="stable")
    pooled_law, pooled_counts, rest_law, rest_counts = [], [], 0.0, 0.0
    for i in order:
        rest_law, rest_counts = rest_law + law[i] * total, rest_counts + counts[i]
        if rest_law >= FEWEST_IN_CELL:
            pooled_law.append(rest_law)
            pooled_counts.append(rest_counts)
            rest_law = rest_counts = 0.0
    if pooled_law:
        pooled_law[-1] += rest_law
        pooled_counts[-1] += rest_counts
    if len(pooled_law) < 2:
        likeliest = int(law.argmax())
        was_it = np.repeat([1.0, 0.0], [int(counts[likeliest]), int(total - counts[likeliest])])
        return mean_of(f"{quantity}: share of the likeliest outcome", float(law[likeliest]), was_it, reach=1.0)
    cells, seen = np.array(pooled_law), np.array(pooled_counts)
    statistic = float(((seen - cells) ** 2 / cells).sum())
    degrees = len(cells) - 1
    return Measurement(quantity, float(degrees), statistic, samples=int(total), degrees=degrees)


def described(**parameters: Any) -> str:
    """Parameters as a quantity names them.

    >>> described(n=10, stock=(3, 3))
    'n = 10, stock = (3, 3)'
    """

    def short(value: Any) -> str:
        if isinstance(value, tuple):
            return "(" + ", ".join(map(short, value)) + ")"
        return f"{value:g}"

    return ", ".join(f"{name} = {short(value)}" for name, value in parameters.items())
