"""The verdict on measurements: does the simulated value lie as close to the exact one as chance allows?

Owns    the family-wise false-alarm rate, half-widths and verdicts.
Leaves  what is measured to the validation cases.

All measurements of one run are one family of tests. Each is tested at the level FALSE_ALARM / (number of random
measurements) (Bonferroni), so a correct simulator passes a whole run with probability at least 1 - FALSE_ALARM.

The half-width of a mean comes from the normal distribution, unless nearly all samples share one value, an atom. Then
the sample variance cannot account for values too rare to appear. If a share q of all sales differs from the atom c, by
at most R, the mean lies within q·R of c. With k of n samples away from the atom, the interval of Clopper & Pearson
(1934) bounds q; at k = 0 the bound is 1 - level^(1/n), about ln(1 / level) / n.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from flashsale_env.experiments.verify.case import ValidationCase
from flashsale_env.experiments.verify.measurement import Measurement

FALSE_ALARM = 0.01
# The normal distribution is used from this many samples away from the atom. A count of 400 has a skewness of 1/20,
# which changes the tails at the level of one of fifty measurements by less than half.
ENOUGH = 400
PASS, FAIL = "pass", "fail"


def judge(measured: Sequence[tuple[ValidationCase, Measurement]]) -> list[dict[str, Any]]:
    """A verdict on each measurement, at the level that the whole family of them allows."""
    random = sum(1 for _, found in measured if found.atom is not None or found.degrees is not None)
    level = FALSE_ALARM / max(random, 1)
    rows = []
    for case, found in measured:
        if found.degrees is not None:
            # The mean of chi-square is its degrees of freedom; only an excess is evidence against the law.
            half_width = float(stats.chi2.isf(level, found.degrees)) - found.degrees
            passes = found.simulated <= found.expected + half_width
        else:
            half_width = _half_width(found, level) + found.tolerance
            passes = abs(found.simulated - found.expected) <= half_width
        rows.append(
            {
                "anchor": case.name,
                "quantity": found.quantity + (" (chi-square)" if found.degrees is not None else ""),
                "source": case.source,
                "expected": found.expected,
                "limit": found.limit,
                "simulated": found.simulated,
                "half_width": half_width,
                "samples": found.samples,
                "verdict": PASS if passes and np.isfinite(found.simulated) else FAIL,
            }
        )
    return rows


def _half_width(found: Measurement, level: float) -> float:
    atom = found.atom
    if atom is None or atom.others >= min(ENOUGH, found.samples / 2):
        return float(stats.norm.isf(level / 2)) * found.standard_error
    share = float(stats.beta.isf(level, atom.others + 1, found.samples - atom.others))
    # For a ratio, `share` bounds the sales in which any customer differs. With Poisson numbers of customers of mean w,
    # the share of customers who differ is at most -ln(1 - share) / w. The 1 / w is part of `reach`.
    return abs(found.simulated - atom.value) - math.log1p(-share) * atom.reach
