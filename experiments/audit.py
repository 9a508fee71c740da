"""Who is served how: outcomes by group of customers, with fairlearn's MetricFrame.

Owns    the outcomes of each group, the difference and the ratio between groups, and their intervals.
Leaves  counts and outcomes to `flashsale_env.market.fairness`, playing to `agents.play`.
Axes    R training runs, S sales, I groups of which some are in use.
Units   shares, and currency where an outcome is money.

An outcome is a ratio of sums over sales, and so is every figure of the frame. Its error is linear in sales to first
order, which gives each sale a value of its own: outcome + psi, with psi = (part - outcome·whole)/mean whole. These have
the outcome as their mean, and the interval over runs and sales is that of any mean (`intervals.crossed_interval`).
"""

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from flashsale_env import Fairness, Population, Scenario
from flashsale_env.agents import play
from flashsale_env.experiments.formats import Table
from flashsale_env.experiments.intervals import crossed_interval
from flashsale_env.market.fairness import COUNTS, GROUPINGS, OUTCOMES, counts

Floats = npt.NDArray[np.float64]
Counts = Mapping[str, Floats]

PACKAGE = "fairlearn"
HINT = "how groups of customers are served needs the package 'fairlearn': pip install 'flashsale-env[fairness]'"
# Outcomes that are money; the others are shares.
OF_MONEY = ("mean_price", "surplus")
_DIGITS = 12
# Their signs differ between groups, so that a ratio says nothing.
_WITHOUT_RATIO = ("overconfidence",)


def available() -> bool:
    """Whether fairlearn is installed."""
    return importlib.util.find_spec(PACKAGE) is not None


def require_fairlearn() -> None:
    """Refuse without fairlearn.

    Raises:
        ValueError: it is not installed.
    """
    if not available():
        raise ValueError(f"{HINT}.")


def measured(scenario: Scenario, by: str = GROUPINGS[0]) -> Scenario:
    """The same sales, with customers counted by group; a penalty for unequal prices stays."""
    penalty = 0.0 if scenario.fairness is None else scenario.fairness.penalty
    return scenario.replace(fairness=Fairness(penalty, by))


def groupings(population: Population) -> tuple[str, ...]:
    """The groupings by which these customers differ."""
    return tuple(by for by in GROUPINGS if len(np.unique(Fairness(by=by).group_of(population))) > 1)


def play_counted(
    players: Sequence[Any], scenario: Scenario, population: Population, seeds: npt.NDArray[np.uint64]
) -> tuple[Floats, dict[str, Floats]]:
    """Play the sales with each player.

    Args:
        players: the runs of one agent.
        scenario: with [fairness].

    Returns:
        (R, S) profits, and name of `COUNTS` -> (R, S, I).
    """
    played = [play(player, scenario, population, seeds=seeds, read=counts) for player in players]
    return (
        np.stack([table["profit"] for table in played]),
        {name: np.stack([table.more[name] for table in played]) for name in COUNTS},
    )


def frame(found: Counts, groups: Sequence[str]) -> Any:
    """The MetricFrame of the outcomes over all sales of (..., I) counts, one row a group with customers.

    Raises:
        ModuleNotFoundError: fairlearn is not installed.
    """
    metrics = importlib.import_module(f"{PACKAGE}.metrics")
    sums = {name: column.reshape(-1, column.shape[-1]).sum(axis=0)[: len(groups)] for name, column in found.items()}
    come = sums["customers"] > 0
    parts = {name: outcome.of(sums) for name, outcome in OUTCOMES.items()}
    nothing = np.zeros(int(come.sum()))  # each outcome has numbers of its own in place of labels and predictions
    return metrics.MetricFrame(
        metrics=dict.fromkeys(OUTCOMES, _share),
        y_true=nothing,
        y_pred=nothing,
        sensitive_features={"group": np.array(groups)[come]},
        sample_params={name: {"part": part[come], "whole": whole[come]} for name, (part, whole) in parts.items()},
    )


def _share(y_true: Any, y_pred: Any, part: Any, whole: Any) -> float:
    total = float(np.sum(whole))
    return float(np.sum(part)) / total if total else float("nan")


def by_sale(outcome: str, found: Counts) -> tuple[Floats, Floats]:
    """(R, I) outcomes of (R, S, I) counts, NaN for groups without, and (R, S, I) what each sale adds to their error."""
    part, whole = (np.asarray(numbers, np.float64) for numbers in OUTCOMES[outcome].of(found))
    with np.errstate(invalid="ignore", divide="ignore"):
        values = part.sum(axis=1) / whole.sum(axis=1)
        errors = (part - values[:, None] * whole) / whole.mean(axis=1, keepdims=True)
    return values, errors


def spread_by_sale(outcome: str, found: Counts) -> tuple[Floats, Floats]:
    """(R, S) values of each sale for the difference and the ratio of an outcome between groups.

    Their means over the sales are the highest outcome less the lowest, and the lowest over the highest.
    """
    values, errors = by_sale(outcome, found)
    runs = np.arange(len(values))
    high, low = np.nanargmax(values, axis=1), np.nanargmin(values, axis=1)
    top, bottom = values[runs, high][:, None], values[runs, low][:, None]
    of_top, of_bottom = errors[runs, :, high], errors[runs, :, low]
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = bottom / top + (of_bottom - bottom / top * of_top) / top
    # Equal treatment leaves rounding errors.
    return np.round(top - bottom + of_top - of_bottom, _DIGITS), np.round(ratio, _DIGITS)


def audit(found: Counts, groups: Sequence[str]) -> dict[str, Any]:
    """Outcomes by group, and how far they lie apart.

    Args:
        found: name of `COUNTS` -> (R, S, I), of one agent.
        groups: names of the groups.

    Returns:
        "groups": group -> outcome -> mean over the runs, None without customers to count; "overall": the same of all;
        "spread", one row an outcome that occurs: "outcome", "highest" and "lowest" (groups of the means; None if all
        are equal), "difference" and "ratio", each a mapping with "mean", "ci_low" and "ci_high"; a ratio of signs that
        differ is None.
    """
    frames = [frame({name: column[r] for name, column in found.items()}, groups) for r in range(len(found["units"]))]
    by_group = np.mean([one.by_group.to_numpy(np.float64) for one in frames], axis=0)
    overall = np.mean([one.overall.to_numpy(np.float64) for one in frames], axis=0)
    names = frames[0].by_group.index.tolist()
    spread = []
    for k, outcome in enumerate(OUTCOMES):
        column = by_group[:, k]
        if np.isnan(column).all() or not np.nan_to_num(column).any():
            continue
        of_sales = dict(zip(("difference", "ratio"), spread_by_sale(outcome, found), strict=True))
        high, low = int(np.nanargmax(column)), int(np.nanargmin(column))
        apart = not np.isclose(column[high], column[low], rtol=1e-9, atol=0.0)
        row: dict[str, Any] = {
            "outcome": outcome,
            "highest": names[high] if apart else None,
            "lowest": names[low] if apart else None,
        }
        for kind, values in of_sales.items():
            point = np.mean([getattr(one, kind)()[outcome] for one in frames])
            usable = np.isfinite(values).all() and not (kind == "ratio" and outcome in _WITHOUT_RATIO)
            interval = crossed_interval(values) if usable else None
            row[kind] = interval and {"mean": float(point), "ci_low": interval.low, "ci_high": interval.high}
        spread.append(row)
    return {
        "groups": {name: _named(row) for name, row in zip(names, by_group, strict=True)},
        "overall": _named(overall),
        "spread": spread,
    }


def _named(row: Floats) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else float(value) for name, value in zip(OUTCOMES, row, strict=True)}


def written(outcome: str, value: float | None, sign: str = "") -> str:
    """An outcome as people read it."""
    if value is None:
        return ""
    return f"{value:{sign},.2f}" if outcome in OF_MONEY else f"{value:{sign}.1%}"


def tables(found: Mapping[str, Any], title: str) -> tuple[Table, Table]:
    """The outcomes of each group, and the spread between groups, of one `audit`."""
    shown = [row["outcome"] for row in found["spread"]]
    groups = [*found["groups"].items(), ("all", found["overall"])]
    cells = tuple((name, *(written(outcome, row[outcome]) for outcome in shown)) for name, row in groups)
    spread = tuple(
        (
            row["outcome"].replace("_", " "),
            *(("", "") if row["highest"] is None else (row["highest"], row["lowest"])),
            *_with_interval(row["outcome"], row["difference"]),
            *(("", "") if row["ratio"] is None else _of_ratio(row["ratio"])),
        )
        for row in found["spread"]
    )
    return (
        Table(f"{title}: outcomes by group", ("group", *(name.replace("_", " ") for name in shown)), cells),
        Table(f"{title}: between groups", SPREAD, spread),
    )


SPREAD = ("outcome", "highest", "lowest", "difference", "95 % interval", "ratio", "95 % interval of the ratio")


def _with_interval(outcome: str, found: Mapping[str, float] | None) -> tuple[str, str]:
    if found is None:
        return "", ""
    ends = " .. ".join(written(outcome, found[end]) for end in ("ci_low", "ci_high"))
    return written(outcome, found["mean"]), ends


def _of_ratio(found: Mapping[str, float]) -> tuple[str, str]:
    return f"{found['mean']:.3f}", f"{found['ci_low']:.3f} .. {found['ci_high']:.3f}"
