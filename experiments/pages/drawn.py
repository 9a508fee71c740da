"""A figure on paper: SVG and PNG, drawn without a display.

Leaves  what is shown to `pictures`. The same figure gives the same bytes.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from flashsale_env.experiments.pages.charts import Axis, Chart, Panel, Series
from flashsale_env.files import write_atomically

DPI = 110
_STYLE: Any = {"svg.hashsalt": "flashsale_env", "font.size": 9, "axes.titlesize": 9}


def keep(path: Path, chart: Chart) -> None:
    """Write the figure three times: `path` with the endings .svg and .png for papers, .json for pages.

    Args:
        path: without an ending.
        chart: the figure.
    """
    with rc_context(_STYLE):
        figure = draw(chart)
        endings: dict[str, Any] = {"svg": {"metadata": {"Date": None}}, "png": {"dpi": DPI}}
        for ending, more in endings.items():
            buffer = io.BytesIO()
            figure.savefig(buffer, format=ending, **more)
            write_atomically(path.with_name(f"{path.name}.{ending}"), buffer.getvalue())
    write_atomically(path.with_name(f"{path.name}.json"), chart.to_json())


def draw(chart: Chart) -> Figure:
    """The figure; a Figure without pyplot needs no display."""
    figure = Figure(figsize=chart.size, layout="constrained")
    heights = [panel.height for panel in chart.panels]
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    for panel, place in zip(chart.panels, axes, strict=True):
        _draw_panel(place, panel)
        if place is axes[-1]:
            place.set_xlabel(panel.x.title)
    return figure


def _draw_panel(axes: Axes, panel: Panel) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.set_ylabel(panel.y.title)
    if panel.heat:
        _draw_heat(axes, panel)
        return
    axes.grid(axis="x" if panel.y.labels else "y", color="0.92")
    _draw_areas(axes, [series for series in panel.series if series.kind == "area"])
    for series in panel.series:
        _draw_series(axes, series)
    if panel.diagonal:
        axes.axline((0, 0), slope=1, color="0.7", linewidth=1, zorder=0)
    if panel.zero:
        axes.axvline(0.0, color="0.4", linewidth=1)
    _set_axis(axes, panel.x, "x")
    _set_axis(axes, panel.y, "y")
    named = {name: handle for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    if len(named) > 1:
        beside = len(named) > 4
        where: Any = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)} if beside else {"loc": "best"}
        axes.legend(named.values(), named.keys(), frameon=False, fontsize=7, **where)


def _draw_areas(axes: Axes, areas: list[Series]) -> None:
    if not areas:
        return
    x = [*areas[0].x, areas[0].x[-1] + areas[0].width]
    shares = np.array([[*series.y, series.y[-1]] for series in areas])
    names, colours = [series.name for series in areas], [series.colour for series in areas]
    axes.stackplot(x, shares, step="post", labels=names, colors=colours)  # `step` reaches fill_between


def _draw_series(axes: Axes, series: Series) -> None:
    look: Any = {"color": series.colour, "linestyle": "--" if series.dashed else "-"}
    label = "_" if series.thin else series.name
    x, y = np.array(series.x), np.array(series.y)
    if series.kind == "line":
        if series.low:
            axes.fill_between(x, series.low, series.high, color=series.colour, alpha=0.2, linewidth=0)
        width, alpha = (0.7, 0.4) if series.thin else (2.0, 1.0)
        axes.plot(x, y, linewidth=width, alpha=alpha, label=label, **look)
    elif series.kind == "step":
        axes.step(np.append(x, x[-1] + series.width), np.append(y, y[-1]), where="post", label=label, **look)
    elif series.kind == "bar":
        axes.bar(x, y, width=series.width, align="edge", color=series.colour, label=label)
    elif series.kind == "level":
        axes.axhline(y[0], linewidth=1.2, label=label, **look)
    elif series.kind == "point":
        ends = np.array([series.low, series.high]) if series.low else None
        along = x if series.sideways else y
        error = None if ends is None else np.abs(ends - along)
        bars: Any = {"xerr" if series.sideways else "yerr": error}
        axes.errorbar(x, y, **bars, fmt="o", markersize=4, capsize=2, color=series.colour, label=label)


def _draw_heat(axes: Axes, panel: Panel) -> None:
    share = np.array(panel.heat)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*share.shape):
        if share[row, column] >= 0.005:
            colour = "white" if share[row, column] > 0.5 else "black"
            axes.text(column, row, f"{share[row, column]:.0%}", ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(range(len(panel.x.labels)), panel.x.labels, rotation=40, ha="right")
    axes.set_yticks(range(len(panel.y.labels)), panel.y.labels)


def _set_axis(axes: Axes, axis: Axis, which: str) -> None:
    scale, limits = (axes.set_xscale, axes.set_xlim) if which == "x" else (axes.set_yscale, axes.set_ylim)
    drawn = axes.xaxis if which == "x" else axes.yaxis
    if axis.log:
        scale("log")
    if axis.labels:
        drawn.set_ticks(list(range(len(axis.labels))), labels=list(axis.labels))
    elif axis.percent:
        drawn.set_major_formatter(PercentFormatter(1.0, decimals=0))
    else:
        drawn.set_major_formatter(FuncFormatter(_compact))
    limits(axis.low, axis.high)  # None leaves an end as it is


def _compact(value: float, _: object = None) -> str:
    """1,200,000 -> 1.2M.

    >>> _compact(1_200_000), _compact(45_500), _compact(12.5)
    ('1.2M', '45.5k', '12.5')
    """
    for size, sign in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{sign}"
    return f"{value:.4g}"
