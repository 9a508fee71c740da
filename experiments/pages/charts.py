"""A figure as data: panels with axes, units and series, one above the other.

Owns    the form that every figure has, and its JSON.
Leaves  which figure shows what to `pictures`, drawing it on paper to `drawn`, on a page to `interactive`.

One description serves both: a page and a paper cannot show different numbers.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = Sequence[float] | npt.NDArray[Any]
FORMAT = "flashsale_env figure 1"

# Colours that differ on white and on black. Products, intents and agents never share one in a figure.
PRODUCTS = ("#4269d0", "#c98d00", "#ff725c", "#2a9d8f", "#3ca951", "#e668a7", "#a463f2", "#6f9bd8", "#9c6b4e")
# Tol's "muted", made for nine classes; its indigo is lighter here, so that it stands out on black.
INTENTS = ("#cc6677", "#6a5acd", "#ddcc77", "#2d8a4e", "#88ccee", "#aa3377", "#44aa99", "#999933", "#aa6f44")
AGENTS = ("#2f6fde", "#d97706", "#16a34a", "#c026d3", "#dc2626", "#0891b2", "#7c6f64", "#ca8a04", "#4f46e5", "#65a30d")
GREY = "#8a8f98"


@dataclass(frozen=True)
class Axis:
    """One axis.

    Args:
        title: what is measured, and its unit.
        low, high: ends of the axis; None leaves them to the data.
        log: whether it is logarithmic.
        percent: whether the numbers are shares, shown in percent.
        labels: names in place of numbers, at 0, 1, 2, ...
    """

    title: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    percent: bool = False
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Series:
    """One series of a panel.

    Args:
        kind: "line"; "step", constant from each x to the next; "area", a step on top of the areas before it;
            "bar", from each x over `width`; "point"; "level", a horizontal line at y[0].
        name: in the legend; series with one name are shown and hidden together.
        x, y: the numbers.
        colour: of the palettes above.
        low, high: ends of the interval of each y; a band around a line, a bar at a point.
        told: text of each point where a page shows its number, in place of y.
        width: of a bar; of a step and an area, how long the last x lasts.
        thin: one of many, without a name in the legend.
        dashed: a reference, not a measurement over x.
        sideways: whether the interval lies along x.
    """

    kind: str
    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    colour: str
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    told: tuple[str, ...] = ()
    width: float = 0.0
    thin: bool = False
    dashed: bool = False
    sideways: bool = False


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Args:
        x, y: the axes.
        series: what is drawn.
        height: beside other panels.
        heat: (rows, columns) shares drawn as a table of colours, row 0 on top; the axes have labels then.
        diagonal: whether the line y = x is drawn.
        zero: whether x = 0 is marked.
    """

    x: Axis
    y: Axis
    series: tuple[Series, ...] = ()
    height: float = 1.0
    heat: tuple[tuple[float, ...], ...] = ()
    diagonal: bool = False
    zero: bool = False


@dataclass(frozen=True)
class Chart:
    """A figure.

    Args:
        caption: one or two sentences: what is shown, and how to read it.
        panels: from top to bottom; several share their x axis.
        scrub: whether the page has a slider that moves along x and shows every number there.
        size: width and height on paper, inches.
    """

    caption: str
    panels: tuple[Panel, ...] = field(default=())
    scrub: bool = False
    size: tuple[float, float] = (8.0, 4.2)

    def to_json(self) -> bytes:
        """The figure as a file; `from_json` reads it back."""
        return json.dumps({"format": FORMAT, **asdict(self)}, ensure_ascii=False, allow_nan=False).encode()

    @classmethod
    def from_json(cls, content: bytes, where: object) -> "Chart":
        """A figure that `to_json` wrote.

        Args:
            content: of the file.
            where: the file, for the message.

        Raises:
            ValueError: it is broken, or of another version.
        """
        try:
            table = json.loads(content)
            if table.pop("format", None) != FORMAT:
                raise ValueError(f"want {FORMAT!r}")
            panels = tuple(_panel(panel) for panel in table.pop("panels"))
            return cls(**{**table, "panels": panels, "size": tuple(table["size"])})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{where} is no figure of this version: {error}. Make it again.") from None


def _panel(table: dict[str, Any]) -> Panel:
    axes = {name: Axis(**{**table[name], "labels": tuple(table[name]["labels"])}) for name in ("x", "y")}
    lists = ("x", "y", "low", "high", "told")
    series = [Series(**{**row, **{name: tuple(row[name]) for name in lists}}) for row in table["series"]]
    return Panel(**{**table, **axes, "series": tuple(series), "heat": tuple(map(tuple, table["heat"]))})


def numbers(values: Numbers) -> tuple[float, ...]:
    """Values as plain floats.

    >>> numbers(np.array([1, 2]))
    (1.0, 2.0)
    """
    return tuple(np.asarray(values, np.float64).tolist())


def interval_ends(rows: Sequence[Mapping[str, float]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """`low` and `high` of a series from the "ci_low" and "ci_high" of its rows."""
    return tuple(float(row["ci_low"]) for row in rows), tuple(float(row["ci_high"]) for row in rows)


def cycled(colours: Sequence[str], number: int) -> str:
    """Colour number i, from the front again after the last."""
    return colours[number % len(colours)]
