"""Every figure of a run or a page, as data.

Owns    learning curves, one sale tick by tick, confusion of intents, estimated elasticities, the loss of transfer,
        differences to a baseline, intervals of named rows, performance profiles.
Leaves  the form of a figure to `charts`, drawing to `drawn` and `interactive`.
Units   money in the scenario's currency, time in minutes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from flashsale_env import INTENTS, Scenario
from flashsale_env.experiments.pages.charts import (
    AGENTS,
    GREY,
    PRODUCTS,
    Axis,
    Chart,
    Panel,
    Series,
    cycled,
    interval_ends,
    numbers,
)
from flashsale_env.experiments.pages.charts import INTENTS as INTENT_COLOURS
from flashsale_env.intervals import CONFIDENCE
from flashsale_env.views import scene

TICKS = "ticks played, all sales together"
_VALIDATION = (
    "These are validation customers: tables of test sales show other customers, and other figures. "
    "The band is the 95 % interval of a mean; all means are of the same sales, so differences are surer than it."
)
_OVER_LOGS = "95 % intervals over held-out logs, given the fitted model"
# A reference this many times the height of all else below it is named, and left out of the axis.
_FAR = 0.5


def learning_curve(
    agent: str, curve: pd.DataFrame, heuristics: Mapping[str, float], sales: int, currency: str = ""
) -> Chart:
    """Mean profit on the validation sales against ticks played, with the heuristics as horizontal lines.

    Args:
        agent: name of the learner.
        curve: one row a validation: "steps", "profit" and "standard_error".
        heuristics: name -> mean profit on the same sales.
        sales: number of validation sales behind every mean.
        currency: of the scenario.
    """
    low, high = _band(curve, sales)
    line = Series("line", agent, numbers(curve["steps"]), numbers(curve["profit"]), AGENTS[0], low, high)
    least, most = _range([*line.y, *low, *high], list(heuristics.values()))
    levels = []
    for i, (name, level) in enumerate(sorted(heuristics.items(), key=lambda item: -item[1]), start=1):
        label = name if level >= least else f"{name}, below the axis: {level:,.0f}"
        levels.append(Series("level", label, (0.0,), (float(level),), cycled(AGENTS, i), dashed=True))
    dashed = " Dashed: the heuristics, on the same sales." if levels else ""
    axes = Axis(TICKS), Axis(f"mean profit of {sales:,} validation sales, {_money(currency)}", least, most)
    return Chart(f"Learning.{dashed} {_VALIDATION}", (Panel(*axes, (line, *levels)),))


def learning_of_runs(curves: Mapping[str, Sequence[pd.DataFrame]], currency: str = "") -> Chart:
    """Learning curves of several runs, and the mean of the runs of each agent.

    Args:
        curves: label of the agent -> the table of each run.
        currency: of the scenario.
    """
    series = []
    for i, (label, runs) in enumerate(curves.items()):
        colour = cycled(AGENTS, i)
        name = f"{label} ({int(runs[0]['validation_sales'].iloc[0]):,} sales)"
        for run in runs:
            series.append(Series("line", name, numbers(run["steps"]), numbers(run["profit"]), colour, thin=True))
        by_steps = pd.concat(runs).groupby("steps")["profit"]
        mean = by_steps.mean()
        low: tuple[float, ...] = ()
        high: tuple[float, ...] = ()
        if len(runs) > 1:
            half = stats.t.ppf((1 + CONFIDENCE) / 2, len(runs) - 1) * by_steps.std(ddof=1) / np.sqrt(len(runs))
            low, high = numbers(mean - half.fillna(0.0)), numbers(mean + half.fillna(0.0))
        series.append(Series("line", name, numbers(mean.index), numbers(mean), colour, low, high))
    axes = Axis(TICKS), Axis(f"mean profit of a validation sale, {_money(currency)}")
    band = " and its 95 % interval over runs (band)" if any(line.low for line in series) else ""
    caption = f"Learning: every run (thin), the mean of an agent's runs (thick){band}. Validation customers, not those "
    return Chart(f"{caption}of the table.", (Panel(*axes, tuple(series)),))


def one_sale(trace: Mapping[str, npt.NDArray[Any]], scenario: Scenario, player: str = "") -> Chart:
    """Customers, prices, stock, profit and, where messages are sent, intents, tick by tick.

    Args:
        trace: of `agents.play.trace`.
        scenario: that was played.
        player: who played, for the caption.
    """
    minute, tick = numbers(trace["minute"]), scenario.tick_minutes
    time = Axis("minutes since the start of the sale", 0.0, scenario.sale_minutes)
    sold = numbers(trace["sold"].sum(axis=1))
    traffic = (
        Series("bar", "customers", minute, numbers(trace["customers"]), GREY, width=tick),
        Series("bar", "units sold", minute, sold, AGENTS[0], width=tick),
    )
    panels = [Panel(time, Axis("customers and units, a tick", 0.0), traffic)]
    prices, stock = [], []
    for j, product in enumerate(scenario.products):
        colour, name = cycled(PRODUCTS, j), product.title
        price = trace["price"][:, j]
        share = numbers(price / product.list_price)
        told = tuple(
            f"{scene.price(amount)}, {part:.0%}" if amount else "withheld"
            for amount, part in zip(price, share, strict=True)
        )
        prices.append(Series("step", name, minute, share, colour, told=told, width=tick))
        # Stock at the start of each tick; a delivery is a step up.
        stock.append(Series("step", name, minute, numbers(trace["on_hand"][:-1, j]), colour, width=tick))
    panels.append(Panel(time, Axis("price, share of list price", percent=True), tuple(prices), 1.5))
    if trace["coupon_depth"].any():
        depth = Series("step", "coupon", minute, numbers(trace["coupon_depth"]), AGENTS[2], width=tick)
        panels.append(Panel(time, Axis("coupon, share off", 0.0, percent=True), (depth,), 0.7))
    panels.append(Panel(time, Axis("units on hand", 0.0), tuple(stock), 1.5))
    earned = Series("step", "reward so far", minute, numbers(np.cumsum(trace["reward"])), AGENTS[1], width=tick)
    panels.append(Panel(time, Axis(f"reward so far, {_money(scenario.currency)}"), (earned,)))
    if "intent_mean" in trace:
        shares = [
            Series("area", name.replace("_", " "), minute, numbers(trace["intent_mean"][:, i]), colour, width=tick)
            for i, (name, colour) in enumerate(zip(INTENTS, INTENT_COLOURS, strict=True))
        ]
        panels.append(Panel(time, Axis("intents of recent messages", 0.0, 1.0, percent=True), tuple(shares), 1.5))
    who = f", played by {player}" if player else ""
    caption = f"The first test sale of {scenario.name}{who}, tick by tick. "
    caption += "Reward: what the sale has earned since it opened, before the cost of the opening stock."
    return Chart(caption, tuple(panels), scrub=True, size=(9.0, 1.9 * sum(panel.height for panel in panels)))


def confusion(counts: Sequence[Sequence[int]]) -> Chart:
    """Share of each true intent's messages (rows) by predicted intent (columns).

    Args:
        counts: (9, 9) messages.
    """
    table = np.asarray(counts, np.float64)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    labels = tuple(name.replace("_", " ") for name in INTENTS)
    heat = tuple(map(numbers, share))
    panel = Panel(Axis("predicted intent", labels=labels), Axis("true intent", labels=labels), heat=heat)
    return Chart("Predicted intents by true intent: share of the messages of each row.", (panel,), size=(6.0, 5.0))


def elasticities(elasticity: Mapping[str, Mapping[str, float]], intervals: str = _OVER_LOGS) -> Chart:
    """Estimated against true mean price elasticity of each intent; on the diagonal they agree.

    Args:
        elasticity: intent -> {"true", "recovered"}, and "low" and "high", the interval of "recovered", where known.
        intervals: what the intervals are.
    """
    points = []
    for (intent, row), colour in zip(elasticity.items(), INTENT_COLOURS, strict=False):
        ends = ((float(row["low"]),), (float(row["high"]),)) if "low" in row else ((), ())
        at = (float(row["true"]),), (float(row["recovered"]),)
        points.append(Series("point", intent.replace("_", " "), *at, colour, *ends))
    bars = f" with {intervals}" if points and points[0].low else ""
    caption = f"Mean price elasticity of each intent{bars}: estimated against true. On the line both agree."
    axes = Axis("true price elasticity"), Axis("estimated from text")
    return Chart(caption, (Panel(*axes, tuple(points), diagonal=True),), size=(5.5, 5.0))


def transfer_gap(rows: Sequence[Mapping[str, Any]], currency: str = "") -> Chart:
    """Profit in the reference world of policies trained in learned simulators, by the size of the log.

    Args:
        rows: as `sim2real.run_study` returns them, the reference world first.
        currency: of the scenario.
    """
    home, learned = float(rows[0]["mean_profit"]), rows[1:]
    gaps = [row["gap"] for row in learned]
    earned = Series(
        "point",
        "trained in the learned simulator",
        numbers([row["visits"] for row in learned]),
        numbers([home - gap["mean"] for gap in gaps]),
        AGENTS[0],
        numbers([home - gap["ci_high"] for gap in gaps]),
        numbers([home - gap["ci_low"] for gap in gaps]),
    )
    level = Series("level", "trained in the reference world", (0.0,), (home,), AGENTS[1], dashed=True)
    axes = (
        Axis("visits in the log that demand was estimated on", log=True),
        Axis(f"mean profit in the reference world, {_money(currency)}"),
    )
    caption = "Profit in the logged world, with paired 95 % intervals of the gap to a policy trained in that world."
    return Chart(caption, (Panel(*axes, (level, earned)),), size=(6.5, 4.0))


def differences(found: Mapping[str, Mapping[str, float]], axis: str) -> Chart:
    """Means with their intervals, the first one on top, and a line at 0.

    Args:
        found: label -> {"mean", "ci_low", "ci_high"}.
        axis: what the difference is, with its unit.
    """
    upwards = list(found.items())[::-1]
    rows = [row for _, row in upwards]
    places = numbers(range(len(rows)))
    middle, (low, high) = numbers([row["mean"] for row in rows]), interval_ends(rows)
    means = Series("point", axis, middle, places, AGENTS[0], low, high, sideways=True)
    labels = tuple(label for label, _ in upwards)
    panel = Panel(Axis(axis), Axis("", -0.6, len(rows) - 0.4, labels=labels), (means,), zero=True)
    return Chart(f"{axis[0].upper()}{axis[1:]}, with 95 % intervals.", (panel,), size=(8.0, 0.9 + 0.32 * len(rows)))


def profiles(scored: Mapping[str, Mapping[str, Any]]) -> Chart:
    """Performance profiles: the share of runs above each score.

    Source:
        Agarwal et al. (2021), arXiv:2108.13264, section 4.2.
    """
    series = []
    for i, (label, row) in enumerate(scored.items()):
        scores = np.sort(np.concatenate([np.asarray(values) for values in row["scores"].values()]))
        above = 1.0 - np.arange(len(scores) + 1) / len(scores)
        x = np.concatenate([[min(0.0, scores[0])], scores])
        end = max(1.02, float(scores[-1])) - float(x[-1])
        series.append(Series("step", label, numbers(x), numbers(above), cycled(AGENTS, i), width=end))
    axes = Axis("score: 0 the random agent, 1 the best value known", 0.0), Axis("share of runs above", percent=True)
    return Chart("Share of an agent's runs that score more than each score.", (Panel(*axes, tuple(series)),))


def _band(curve: pd.DataFrame, sales: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Ends of the interval of each mean; nothing for a curve that was written without standard errors."""
    if "standard_error" not in curve or curve["standard_error"].isna().any() or sales < 2:
        return (), ()
    half = stats.t.ppf((1 + CONFIDENCE) / 2, sales - 1) * curve["standard_error"]
    return numbers(curve["profit"] - half), numbers(curve["profit"] + half)


def _range(curve: Sequence[float], levels: Sequence[float]) -> tuple[float, float]:
    """Ends of an axis that shows the curve and the levels, without those far below all else.

    >>> _range([10.0, 12.0], [11.0, 2.0])
    (9.9, 12.1)
    """
    shown = sorted([*curve, *levels])
    while len(shown) > 2 and shown[0] in levels and shown[0] < min(curve):
        rest = shown[1:]
        if rest[0] - shown[0] <= _FAR * (rest[-1] - rest[0]):
            break
        shown = rest
    room = 0.05 * (shown[-1] - shown[0]) or 0.05 * abs(shown[0]) or 1.0
    return round(shown[0] - room, 12), round(shown[-1] + room, 12)


def _money(currency: str) -> str:
    return currency or "currency of the scenario"
