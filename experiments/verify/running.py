"""Simulation against theory: `flashsale verify`.

Owns    which anchors run with which parameters, and the verdict on each measurement.
Leaves  the measurements to `anchors`.

A run is one family of tests: each measurement is held to the level that leaves all of them together a false alarm in
`FALSE_ALARM` of all runs (Bonferroni), so a simulator that is right passes a whole run 99 times in 100.

The half-width of a mean is that of the normal law, unless nearly all samples are the same: then their variance says
nothing about values too rare to be seen. If a share q of all sales differs from the common value c, by at most R, the
mean lies within q·R of c; and k of n samples that differ bound q by Clopper & Pearson (1934), at k = 0 by
1 - level^(1/n), about ln(1 / level) / n.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from flashsale_env.errors import unknown_name
from flashsale_env.experiments.verify.anchors import ANCHORS, Anchor, Measurement

FALSE_ALARM = 0.01
# Samples beside the common value from which on the normal law holds: a count of 400 has a skewness of a twentieth, and
# moves the tails at the level of one of fifty measurements by less than half.
ENOUGH = 400
# Of a whole number, and entries of a list: tables over more are not solved in minutes.
MOST = 10_000
PASS, FAIL = "pass", "fail"
# All other parameters are above 0.
MAY_BE_ZERO = {"lead", "salvage", "unit_cost", "c", "burst_share", "late_share"}
MAY_BE_NEGATIVE = {"a"}


def run_verification(
    names: Sequence[str] = (),
    given: Mapping[str, Any] | None = None,
    *,
    sales: int,
    progress: Callable[[int, int, str], None] | None = None,
) -> dict[str, Any]:
    """Measure and judge.

    Args:
        names: anchors; all of them if empty.
        given: parameters in place of the defaults; needs exactly one anchor.
        sales: simulated for a measurement (fewer, each longer, for long sales).
        progress: called after each case with (done, total, note).

    Returns:
        "rows", each with anchor, quantity, source, expected, limit (or None), simulated, half_width, samples and
        verdict; "verdict", fail if any row's is; "false_alarm" of the whole; "sales".

    Raises:
        ValueError: an unknown anchor or parameter, or a value that the theory does not cover.
    """
    for name in names:
        if name not in ANCHORS:
            raise ValueError(unknown_name("anchor", name, ANCHORS))
    if given and len(names) != 1:
        raise ValueError(f"parameters belong to one anchor: name exactly one of {', '.join(ANCHORS)}.")
    chosen = [ANCHORS[name] for name in names or ANCHORS]
    cases = [
        (anchor, {**anchor.defaults, **case})
        for anchor in chosen
        for case in ([_checked(anchor, given)] if given else anchor.cases)
    ]
    measured: list[tuple[Anchor, Measurement]] = []
    for done, (anchor, parameters) in enumerate(cases, start=1):
        measured += [(anchor, found) for found in anchor.measure(parameters, sales)]
        if progress is not None:
            progress(done, len(cases), anchor.name)
    rows = judge(measured)
    verdict = FAIL if any(row["verdict"] == FAIL for row in rows) else PASS
    return {"verdict": verdict, "false_alarm": FALSE_ALARM, "sales": sales, "rows": rows}


def judge(measured: Sequence[tuple[Anchor, Measurement]]) -> list[dict[str, Any]]:
    """A verdict on each measurement, at the level that the whole family of them allows."""
    random = sum(1 for _, found in measured if found.atom is not None or found.degrees is not None)
    level = FALSE_ALARM / max(random, 1)
    rows = []
    for anchor, found in measured:
        if found.degrees is not None:
            # The statistic's mean is its degrees of freedom; only an excess speaks against the law.
            half_width = float(stats.chi2.isf(level, found.degrees)) - found.degrees
            passes = found.simulated <= found.expected + half_width
        else:
            half_width = _half_width(found, level) + found.tolerance
            passes = abs(found.simulated - found.expected) <= half_width
        rows.append(
            {
                "anchor": anchor.name,
                "quantity": found.quantity + (" (chi-square)" if found.degrees is not None else ""),
                "source": anchor.source,
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
    # The share of a ratio is one of sales; of their customers, w on average and Poisson, it is -ln(1 - share) / w.
    return abs(found.simulated - atom.value) - math.log1p(-share) * atom.reach


def as_markdown(result: Mapping[str, Any]) -> str:
    """The table of the README."""
    lines = [
        "| anchor | quantity | expected | limit | simulated | half-width | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        limit = "" if row["limit"] is None else f"{row['limit']:.6g}"
        lines.append(
            f"| {row['anchor']} | {row['quantity']} | {row['expected']:.6f} | {limit} | {row['simulated']:.4f} "
            f"| {row['half_width']:.4f} | {row['verdict']} |"
        )
    return "\n".join(lines)


def describe_anchors() -> list[dict[str, Any]]:
    """One entry an anchor: name, theory, parameters with their defaults, source."""
    return [
        {
            "name": anchor.name,
            "statement": anchor.statement,
            "parameters": ", ".join(f"{name}={_toml(value)}" for name, value in anchor.defaults.items()),
            "source": anchor.source,
        }
        for anchor in ANCHORS.values()
    ]


def _checked(anchor: Anchor, given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of the types of the defaults."""
    checked: dict[str, Any] = {}
    for name, value in given.items():
        if name not in anchor.defaults:
            raise ValueError(unknown_name(f"parameter of {anchor.name}", name, anchor.defaults))
        default = anchor.defaults[name]
        if isinstance(default, tuple):
            fits = isinstance(value, list) and 0 < len(value) <= MOST and all(map(_is_number, value))
            wanted, checked[name] = "a list of numbers", tuple(value) if fits else value
        elif isinstance(default, int):
            fits = _is_number(value) and value == int(value) and value <= MOST
            wanted, checked[name] = "a whole number", value
        else:
            fits, wanted, checked[name] = _is_number(value), "a number", value
        if name not in MAY_BE_NEGATIVE:
            wanted += " of at least 0" if name in MAY_BE_ZERO else " above 0"
            least = min(value if isinstance(value, list) else [value]) if fits else 0
            fits = fits and (least > 0 or (least == 0 and name in MAY_BE_ZERO))
        if isinstance(default, int) and _is_number(value) and value > MOST:
            wanted += f" and at most {MOST:,}"
        if not fits:
            raise ValueError(f"{anchor.name}: {name} must be {wanted}, got {value!r}; e.g. {name}={_toml(default)}.")
        if isinstance(default, int):
            checked[name] = int(value)
        elif isinstance(default, float):
            checked[name] = float(value)
    return checked


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)


def _toml(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)
