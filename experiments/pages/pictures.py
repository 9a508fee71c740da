"""Pictures of a run, drawn without a display.

Owns    learning curve, one sale tick by tick, confusion of intents, recovered elasticities.
Units   money in the scenario's currency, time in minutes.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from flashsale_env import INTENTS, Scenario
from flashsale_env.files import write_atomically

COLOURS = colormaps["tab10"].colors
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
    """Mean profit on the validation sales against ticks played, with the heuristics as level lines.

    Args:
        path: PNG file to write.
        agent: name of the learner.
        steps: (n,) ticks played in all sales together.
        profits: (n,) mean profit of a validation sale.
        heuristics: name -> mean profit of the same sales.
        sales: validation sales behind every mean.
    """
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.add_subplot()
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
    _plain(axes)
    _save(figure, path)


def one_sale(path: Path, trace: Mapping[str, npt.NDArray[Any]], scenario: Scenario) -> None:
    """Customers, prices, stock and what the messages ask for, tick by tick.

    Args:
        path: PNG file to write.
        trace: of `agents.play.trace`.
        scenario: that was played.
    """
    reads = "intent_mean" in trace
    minute = trace["minute"]
    close = scenario.sale_minutes
    figure = Figure(figsize=(9, 9.6 if reads else 7.4), layout="constrained")
    panels = figure.subplots(4 if reads else 3, 1, sharex=True, height_ratios=[1, 1.5, 1.5, 1.5][: 4 if reads else 3])
    traffic, prices, stock = panels[:3]

    traffic.bar(minute, trace["customers"], width=scenario.tick_minutes, align="edge", color="0.8", label="customers")
    traffic.bar(
        minute, trace["sold"].sum(axis=1), width=scenario.tick_minutes, align="edge", color=LEARNER, label="units sold"
    )
    traffic.set_ylabel("a tick")
    traffic.legend(frameon=False, fontsize=8, ncols=2, loc="upper right")

    edges = np.append(minute, close)
    for j, product in enumerate(scenario.products):
        share = trace["price"][:, j] / product.list_price
        prices.step(edges, np.append(share, share[-1]), where="post", color=COLOURS[j % 10], label=product.title)
        owned = product.initial_stock or 1
        stock.plot(edges, trace["on_hand"][:, j] / owned, color=COLOURS[j % 10])
        ordered = trace["ordered"][:, j] > 0
        stock.scatter(
            minute[ordered], trace["on_hand"][:-1, j][ordered] / owned, color=COLOURS[j % 10], marker="^", s=22
        )
    coupon = trace["coupon_depth"]
    if coupon.any():
        shown = np.append(coupon, coupon[-1])
        prices.fill_between(edges, 0, shown, step="post", color="0.85", label="coupon depth")
    prices.set_ylabel("share of list price")
    prices.set_ylim(0, 1.05)
    prices.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    stock.set_ylabel("on hand / opening stock\n(triangle: order)")
    stock.set_ylim(bottom=0)

    if reads:
        shares = np.vstack([trace["intent_mean"], trace["intent_mean"][-1:]])
        panels[3].stackplot(
            edges, shares.T, step="post", labels=INTENTS, colors=[COLOURS[i % 10] for i in range(len(INTENTS))]
        )
        panels[3].set_ylabel("intents of recent messages,\nas the encoder reads them")
        panels[3].set_ylim(0, 1)
        panels[3].legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    panels[-1].set_xlabel("minutes since the opening")
    panels[-1].set_xlim(0, close)
    for panel in panels:
        _plain(panel)
    _save(figure, path)


def confusion(path: Path, counts: Sequence[Sequence[int]]) -> None:
    """Share of each true intent's messages (rows) that was read as each intent (columns)."""
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
    axes.set_xlabel("read as")
    axes.set_ylabel("true intent")
    _save(figure, path)


def elasticities(path: Path, elasticity: Mapping[str, Mapping[str, float]]) -> None:
    """Recovered against true mean price elasticity of each intent; on the diagonal they agree.

    Args:
        path: PNG file to write.
        elasticity: intent -> {"true", "recovered"}.
    """
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.add_subplot()
    values = [value for row in elasticity.values() for value in (row["true"], row["recovered"])]
    low, high = min(values) - 0.3, max(values) + 0.3
    axes.plot([low, high], [low, high], color="0.7", linewidth=1)
    for i, (intent, row) in enumerate(elasticity.items()):
        axes.scatter(row["true"], row["recovered"], color=COLOURS[i % 10], label=intent)
    axes.set_xlabel("true price elasticity")
    axes.set_ylabel("recovered from text")
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.legend(frameon=False, fontsize=7)
    _plain(axes)
    _save(figure, path)


def transfer_gap(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """What policies trained in learned simulators earn in the reference world, by the size of the log.

    Args:
        path: PNG file to write.
        rows: as `sim2real.run_study` returns them, the reference world first.
    """
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
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
    _plain(axes)
    _save(figure, path)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="0.92")
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


def _save(figure: Figure, path: Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)  # a bare Figure draws with Agg, whatever the display
    write_atomically(path, buffer.getvalue())
