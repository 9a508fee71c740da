"""How figures are written for people: money, intervals and shares, the same at the terminal and on every page.

Units   money in the scenario's currency; a share of 1 is 100 %.

An interval is a mapping with "ci_low" and "ci_high", and "mean" where the mean is written too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

# The columns of a table of agents, filled by `agent_rows`.
AGENT_COLUMNS = ("agent", "mean profit", "95 % interval", "revenue", "sell-through", "fill rate", "lost sales")


@dataclass(frozen=True)
class Table:
    """A table of texts, the first column names; notes are sentences that stand below it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def money(value: float, scale: float | None = None, sign: str = "") -> str:
    """Whole currency beside figures of thousands; four decimals beside those of a textbook.

    Args:
        value: the amount.
        scale: size of the figures it stands beside, so that a column has one format; None takes the amount itself.
        sign: "+" writes the sign of a gain too.

    >>> money(9.43641), money(40_000.4), money(-0.7, scale=40_000), money(0.0123, 9.4, "+")
    ('9.4364', '40,000', '-1', '+0.0123')
    """
    large = abs(value if scale is None else scale) >= 1000
    return f"{value:{sign},.0f}" if large else f"{value:{sign},.4f}"


def low_to_high(interval: Mapping[str, float], scale: float | None = None, sign: str = "") -> str:
    """An interval of money by its ends.

    >>> low_to_high({"ci_low": 39_000.0, "ci_high": 41_000.0})
    '39,000 .. 41,000'
    """
    return f"{money(interval['ci_low'], scale, sign)} .. {money(interval['ci_high'], scale, sign)}"


def plus_minus(interval: Mapping[str, float], scale: float | None = None, sign: str = "") -> str:
    """A mean of money and half the width of its interval; the mean alone where it is exact.

    >>> plus_minus({"mean": 9.5, "ci_low": 9.25, "ci_high": 9.75})
    '9.5000 ± 0.2500'
    """
    half = (interval["ci_high"] - interval["ci_low"]) / 2
    mean = money(interval["mean"], scale, sign)
    return f"{mean} ± {money(half, interval['mean'] if scale is None else scale)}" if half > 0 else mean


def percent(interval: Mapping[str, float]) -> str:
    """A share in percent and half the width of its interval; the share alone where it is exact.

    >>> percent({"mean": 0.985, "ci_low": 0.98, "ci_high": 0.99})
    '98.50 ± 0.50 %'
    """
    half = (interval["ci_high"] - interval["ci_low"]) / 2
    return f"{100 * interval['mean']:.2f}" + (f" ± {100 * half:.2f} %" if half > 0 else " %")


def agent_rows(figures: Mapping[str, Mapping[str, float]]) -> list[tuple[str, ...]]:
    """A table of agents, best first.

    Args:
        figures: name -> mean profit with its interval, and means, as `evaluate.figures` returns them.
    """
    scale = max(abs(row["mean_profit"]) for row in figures.values())
    return [
        (
            name,
            money(row["mean_profit"], scale),
            low_to_high(row, scale),
            money(row["revenue"], scale),
            f"{row['sell_through']:.1%}",
            f"{row['fill_rate']:.1%}",
            f"{row['lost_sales']:,.1f}",
        )
        for name, row in sorted(figures.items(), key=lambda item: -item[1]["mean_profit"])
    ]


def short(text: str, most: int = 70) -> str:
    """A text on one line of at most so many characters.

    >>> short("where is\\nmy parcel", most=12)
    'where is my…'
    """
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> duration(42.3), duration(200), duration(9000)
    ('42 s', '3 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
