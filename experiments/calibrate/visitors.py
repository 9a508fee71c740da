"""Who came: the visitors of a week, of whom records show the buyers alone.

A log of baskets has no outside option: it says who bought, and not who looked. How many looked decides how much of a
price cut goes to new buyers and how much only moves them between products. So visits are asked for, or assumed, and
what follows from half and twice as many is shown.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from flashsale_env.encoders.demand.inversion import History, expected_share, tastes_from_history
from flashsale_env.experiments.calibrate.assumptions import (
    CHOICE_VISITS,
    CONVERSION,
    CONVERSION_SOURCE,
    Assumptions,
)

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

CUT = 0.2  # of all prices, for the question of what visits decide
FACTORS = (0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Visitors:
    """Visits of an ordinary week.

    Args:
        of_category: (C,) visitors who look at the products of each category.
        known: whether they were counted.
        source: where the number is from, in words.
        traffic_sd: standard deviation of their logarithm from week to week; 0 where it is not known.
    """

    of_category: Floats
    known: bool
    source: str
    traffic_sd: float = 0.0


def count_visitors(rows: pd.DataFrame, weekly_units: Floats, assumed: Assumptions) -> Visitors:
    """Visitors of a shop whose transactions are known.

    Args:
        rows: transactions; a column `visits` is used.
        weekly_units: (C,) of the chosen products of each category.
        assumed: `visits` or `conversion` where there is no column.

    Raises:
        ValueError: visits are given twice, or vary within a week.
    """
    count = len(weekly_units)
    given = [
        name
        for name, there in (
            ("the column `visits`", "visits" in rows),
            ("--visits", assumed.visits is not None),
            ("--conversion", assumed.conversion is not None),
        )
        if there
    ]
    if len(given) > 1:
        raise ValueError(f"visits are given by {' and by '.join(given)}: want one of them.")
    # Buyers come in waves as visitors do, so baskets show how traffic varies.
    traffic_sd = _log_sd(rows.groupby("week")["basket"].nunique()) if "basket" in rows else 0.0
    if "visits" in rows:
        place = ["week", "store"] if "store" in rows else ["week"]
        by_place = rows.groupby(place, observed=True)["visits"].agg(["min", "max"])
        if (by_place["max"] > by_place["min"]).any():
            bad = by_place[by_place["max"] > by_place["min"]].iloc[0]
            raise ValueError(
                f"visits vary within a week{' of a store' if len(place) > 1 else ''}, e.g. {bad['min']:g} and "
                f"{bad['max']:g}: want the visits of the week, the same in each of its rows."
            )
        by_week = by_place["max"].groupby("week").sum()
        return Visitors(np.full(count, float(by_week.mean())), True, "the column `visits`", _log_sd(by_week))
    if assumed.visits is not None:
        return Visitors(np.full(count, assumed.visits), True, "--visits", traffic_sd)
    conversion = CONVERSION if assumed.conversion is None else assumed.conversion
    source = CONVERSION_SOURCE if assumed.conversion is None else "--conversion"
    words = f"assumed: {conversion:.1%} of the visitors of a category buy; {source}"
    return Visitors(weekly_units / conversion, assumed.conversion is not None, words, traffic_sd)


def choice_visitors(share: Floats, assumed: Assumptions) -> Visitors:
    """Visitors of a shop whose choices are known, but not how many come in a week.

    Args:
        share: (C,) of them who look at each category.
        assumed: with `visits`, or not.
    """
    if assumed.visits is not None:
        return Visitors(share * assumed.visits, True, "--visits")
    return Visitors(share * CHOICE_VISITS, False, f"assumed: {CHOICE_VISITS:,.0f} visits a week")


def answers_to_a_cut(history: History, category: Integers, visitors: Floats, **tastes: Any) -> dict[str, float | None]:
    """Units sold at 20 % lower prices of all products over those at mean prices, less 1; by factor on the visits.

    None where the units of the history leave no visitor who buys nothing.

    Args:
        history, category, visitors, tastes: see `tastes_from_history`.
    """
    answers: dict[str, float | None] = {}
    mean = history.mean_price
    prices = np.stack([mean, mean * (1 - CUT)])
    for factor in FACTORS:
        try:
            found = tastes_from_history(history, category, visitors * factor, **tastes)
        except ValueError:
            answers[f"{factor:g}"] = None
            continue
        appeal = found.relevance[category, np.arange(len(category))]
        slope = found.price_sensitivity[category] / found.reference
        share = expected_share(
            prices, np.ones(prices.shape, bool), category, appeal, slope, tastes.get("appeal_sd", 0.0)
        )
        sold = (share * visitors[category]).sum(axis=1)
        answers[f"{factor:g}"] = float(sold[1] / sold[0] - 1)
    return answers


def _log_sd(by_week: pd.Series) -> float:
    """Standard deviation of the logarithm, without the first and the last week, which may be incomplete."""
    whole = by_week[by_week > 0].iloc[1:-1]
    return float(np.log(whole).std()) if len(whole) > 1 else 0.0
