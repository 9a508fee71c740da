"""Every picture of a run or a page, drawn without a display.

Owns    learning curves, one sale tick by tick, confusion of intents, estimated elasticities, the loss of transfer,
        differences to a baseline, performance profiles. A picture goes to a file, or comes back as a PNG for a page.
Units   money in the scenario's currency, time in minutes.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from flashsale_env import INTENTS, Scenario
from flashsale_env.files import write_atomically

COLOURS = [colormaps["tab10"](i) for i in range(10)]
LEARNER = COLOURS[0]
DPI = 110


def learning_curve(
    path: Path,
    agent: str,
    steps: Sequence[float],
    profits: Sequence[float],
    heuristics: Mapping[str, float],
    sales: int,
) -> None:
    """Mean profit on the validation sales against ticks played, with the heuristics as horizontal lines.

    Args:
        path: PNG file to write.
        agent: name of the learner.
        steps: (n,) ticks played, all sales together.
        profits: (n,) mean profit of a validation sale.
        heuristics: name -> mean profit on the same sales.
        sales: number of validation sales behind every mean.
    """
    figure, axes = _drawing(8, 4.2, "y")
    axes.plot(steps, profits, color=LEARNER, marker="o", markersize=3, linewidth=2, label=agent)
    for i, (name, level) in enumerate(sorted(heuristics.items(), key=lambda item: -item[1]), start=1):
        axes.axhline(level, color=COLOURS[i % 10], linestyle="--", linewidth=1.2, label=name)
    axes.set_xlabel("ticks played, all sales together")
    axes.set_ylabel(f"mean profit of {sales:,} validation sales")
    if heuristics:
        axes.set_title("the same sales for all", loc="left", fontsize=9)
    axes.xaxis.set_major_formatter(FuncFormatter(_compact))
    axes.yaxis.set_major_formatter(FuncFormatter(_compact))
    axes.legend(frameon=False, fontsize=9)
    _save(figure, path)


def one_sale(path: Path, trace: Mapping[str, npt.NDArray[Any]], scenario: Scenario) -> None:
    """Customers, prices, stock and, where messages are sent, intents, tick by tick.

    Args:
        path: PNG file to write.
        trace: of `agents.play.trace`.
        scenario: that was played.
    """
    messages = "intent_mean" in trace
    heights = [1, 1.5, 1.5, 1.5] if messages else [1, 1.5, 1.5]
    figure = Figure(figsize=(9, 9.6 if messages else 7.4), layout="constrained")
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    _traffic(panels[0], trace, scenario)
    _prices(panels[1], trace, scenario)
    _stock(panels[2], trace, scenario)
    if messages:
        _intents(panels[3], trace, scenario)
    panels[-1].set_xlabel("minutes since the start of the sale")
    panels[-1].set_xlim(0, scenario.sale_minutes)
    for panel in panels:
        _plain(panel)
    _save(figure, path)


def _traffic(panel: Axes, trace: Mapping[str, npt.NDArray[Any]], scenario: Scenario) -> None:
    minute, sold = trace["minute"], trace["sold"].sum(axis=1)
    panel.bar(minute, trace["customers"], width=scenario.tick_minutes, align="edge", color="0.8", label="customers")
    panel.bar(minute, sold, width=scenario.tick_minutes, align="edge", color=LEARNER, label="units sold")
    panel.set_ylabel("a tick")
    panel.legend(frameon=False, fontsize=8, ncols=2, loc="upper right")


def _prices(panel: Axes, trace: Mapping[str, npt.NDArray[Any]], scenario: Scenario) -> None:
    edges = np.append(trace["minute"], scenario.sale_minutes)
    for j, product in enumerate(scenario.products):
        share = trace["price"][:, j] / product.list_price
        panel.step(edges, np.append(share, share[-1]), where="post", color=COLOURS[j % 10], label=product.title)
    coupon = trace["coupon_depth"]
    if coupon.any():
        depth = np.append(coupon, coupon[-1])
        panel.fill_between(edges, 0, depth, step="post", color="0.85", label="coupon depth")
    panel.set_ylabel("share of list price")
    panel.set_ylim(0, 1.05)
    panel.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _stock(panel: Axes, trace: Mapping[str, npt.NDArray[Any]], scenario: Scenario) -> None:
    minute, edges = trace["minute"], np.append(trace["minute"], scenario.sale_minutes)
    for j, product in enumerate(scenario.products):
        share = trace["on_hand"][:, j] / (product.initial_stock or 1)
        ordered = trace["ordered"][:, j] > 0
        panel.plot(edges, share, color=COLOURS[j % 10])
        panel.scatter(minute[ordered], share[:-1][ordered], color=COLOURS[j % 10], marker="^", s=22)
    panel.set_ylabel("on hand / initial stock\n(triangle: order)")
    panel.set_ylim(bottom=0)


def _intents(panel: Axes, trace: Mapping[str, npt.NDArray[Any]], scenario: Scenario) -> None:
    edges = np.append(trace["minute"], scenario.sale_minutes)
    shares = np.vstack([trace["intent_mean"], trace["intent_mean"][-1:]])
    colours = [COLOURS[i % 10] for i in range(len(INTENTS))]
    # `step` reaches fill_between, which draws the areas.
    panel.stackplot(edges, shares.T, step="post", labels=INTENTS, colors=colours)
    panel.set_ylabel("intents of recent messages,\nmean probabilities")
    panel.set_ylim(0, 1)
    panel.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))


def confusion(path: Path, counts: Sequence[Sequence[int]]) -> None:
    """Share of each true intent's messages (rows) by predicted intent (columns).

    Args:
        path: PNG file to write.
        counts: (9, 9) messages.
    """
    table = np.asarray(counts, np.float64)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*share.shape):
        if share[row, column] >= 0.005:
            colour = "white" if share[row, column] > 0.5 else "black"
            axes.text(column, row, f"{share[row, column]:.0%}", ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(range(len(INTENTS)), INTENTS, rotation=40, ha="right", fontsize=8)
    axes.set_yticks(range(len(INTENTS)), INTENTS, fontsize=8)
    axes.set_xlabel("predicted intent")
    axes.set_ylabel("true intent")
    _save(figure, path)


def elasticities(path: Path, elasticity: Mapping[str, Mapping[str, float]]) -> None:
    """Estimated against true mean price elasticity of each intent; on the diagonal they agree.

    Args:
        path: PNG file to write.
        elasticity: intent -> {"true", "recovered"}.
    """
    figure, axes = _drawing(5, 5, "y")
    values = [value for row in elasticity.values() for value in (row["true"], row["recovered"])]
    low, high = min(values) - 0.3, max(values) + 0.3
    axes.plot([low, high], [low, high], color="0.7", linewidth=1)
    for i, (intent, row) in enumerate(elasticity.items()):
        axes.scatter(row["true"], row["recovered"], color=COLOURS[i % 10], label=intent)
    axes.set_xlabel("true price elasticity")
    axes.set_ylabel("estimated from text")
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.legend(frameon=False, fontsize=7)
    _save(figure, path)


def transfer_gap(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Profit in the reference world of policies trained in learned simulators, by the size of the log.

    Args:
        path: PNG file to write.
        rows: as `sim2real.run_study` returns them, the reference world first.
    """
    figure, axes = _drawing(6, 4, "y")
    home, learned = rows[0], rows[1:]
    axes.axhline(home["mean_profit"], color="black", linewidth=1, label="trained in the reference world")
    sizes = [row["visits"] for row in learned]
    lost = [row["gap"]["mean"] for row in learned]
    low = [row["gap"]["mean"] - row["gap"]["ci_low"] for row in learned]
    high = [row["gap"]["ci_high"] - row["gap"]["mean"] for row in learned]
    earned = [home["mean_profit"] - gap for gap in lost]
    axes.errorbar(sizes, earned, yerr=[high, low], marker="o", capsize=3, label="trained in the learned simulator")
    axes.set_xscale("log")
    axes.set_xlabel("visits in the log that demand was estimated on")
    axes.set_ylabel("mean profit in the reference world\n(paired 95 % interval of the gap)")
    axes.yaxis.set_major_formatter(_compact)
    axes.legend(frameon=False, fontsize=8)
    _save(figure, path)


def learning_of_runs(curves: Mapping[str, Sequence[pd.DataFrame]]) -> bytes:
    """Learning curves of several runs, and the mean of the runs of each agent.

    Args:
        curves: label of the agent -> the table of each run.
    """
    figure, axes = _drawing(8, 4.2)
    for i, (label, runs) in enumerate(curves.items()):
        colour = COLOURS[i % len(COLOURS)]
        for run in runs:
            axes.plot(run["steps"], run["profit"], color=colour, linewidth=0.7, alpha=0.4)
        mean = pd.concat(runs).groupby("steps")["profit"].mean()
        name = f"{label} ({int(runs[0]['validation_sales'].iloc[0]):,} sales)"
        axes.plot(mean.index, mean.to_numpy(), color=colour, linewidth=2, label=name)
    axes.set_xlabel("ticks played, all sales together")
    axes.set_ylabel("mean profit of a validation sale")
    axes.legend(frameon=False, fontsize=9)
    return _png(figure)


def differences(found: Mapping[str, Mapping[str, float]], axis: str) -> bytes:
    """Differences to a baseline with their intervals, the first one on top.

    Args:
        found: label of the agent -> {"mean", "ci_low", "ci_high"}.
        axis: what the difference is.
    """
    figure, axes = _drawing(8, 0.9 + 0.32 * len(found))
    upwards = list(found.items())[::-1]
    for y, (_, row) in enumerate(upwards):
        axes.plot([row["ci_low"], row["ci_high"]], [y, y], color=COLOURS[0], linewidth=2)
        axes.plot(row["mean"], y, "o", color=COLOURS[0], markersize=4)
    axes.axvline(0.0, color="0.4", linewidth=1)
    axes.set_yticks(range(len(found)), [label for label, _ in upwards])
    axes.set_xlabel(axis)
    return _png(figure)


def profiles(scored: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Performance profiles: the share of runs above each score.

    Source:
        Agarwal et al. (2021), arXiv:2108.13264, section 4.2.
    """
    figure, axes = _drawing(8, 4.2)
    for i, (label, row) in enumerate(scored.items()):
        scores = np.sort(np.concatenate([np.asarray(values) for values in row["scores"].values()]))
        above = 1.0 - np.arange(len(scores) + 1) / len(scores)
        axes.step(
            np.append(scores, max(1.02, scores[-1])), above, where="pre", color=COLOURS[i % len(COLOURS)], label=label
        )
    axes.set_xlabel("score: 0 the random agent, 1 the best value known")
    axes.set_ylabel("share of runs above")
    axes.set_xlim(left=0.0)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return _png(figure)


def _drawing(width: float, height: float, grid: Literal["both", "x", "y"] = "both") -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    _plain(axes, grid)
    return figure, axes


def _plain(axes: Axes, grid: Literal["both", "x", "y"] = "y") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color="0.92")
    axes.set_axisbelow(True)


def _compact(value: float, _: object = None) -> str:
    """1,200,000 -> 1.2M.

    >>> _compact(1_200_000), _compact(45_500), _compact(12.5)
    ('1.2M', '45.5k', '12.5')
    """
    for size, sign in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{sign}"
    return f"{value:.4g}"


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)  # a Figure without pyplot draws with Agg and needs no display
    return buffer.getvalue()


def _save(figure: Figure, path: Path) -> None:
    write_atomically(path, _png(figure))
