"""Simulation against theory: `flashsale verify`.

Owns    which validation cases run with which parameters, and the table of results.
Leaves  the cases to `cases`, the verdict on each measurement to `judging`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from flashsale_env.errors import unknown_name
from flashsale_env.experiments.verify.case import ValidationCase
from flashsale_env.experiments.verify.cases import CASES
from flashsale_env.experiments.verify.judging import FAIL, FALSE_ALARM, PASS, judge
from flashsale_env.experiments.verify.measurement import Measurement

# Largest whole number, and longest list: larger tables take too long to solve.
MOST = 10_000
# All other parameters are above 0.
MAY_BE_ZERO = {"lift", "lead", "salvage", "unit_cost", "c", "burst_share", "late_share", "alpha"}
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
        names: validation cases; all of them if empty.
        given: parameters in place of the defaults; needs exactly one case.
        sales: simulated for each measurement (fewer where each sale is long).
        progress: called after each case with (done, total, note).

    Returns:
        "rows", each with anchor (the name of the case), quantity, source, expected, limit (or None), simulated,
        half_width, samples and verdict; "verdict", fail if any row fails; "false_alarm", the probability that a
        correct simulator fails any row; "sales".

    Raises:
        ValueError: an unknown case or parameter, or a value that the theory does not cover.
    """
    for name in names:
        if name not in CASES:
            raise ValueError(unknown_name("validation case", name, CASES))
    if given and len(names) != 1:
        raise ValueError(f"parameters belong to one validation case: name exactly one of {', '.join(CASES)}.")
    chosen = [CASES[name] for name in names or CASES]
    todo = [
        (case, {**case.defaults, **variant})
        for case in chosen
        for variant in ([_checked(case, given)] if given else case.variants)
    ]
    measured: list[tuple[ValidationCase, Measurement]] = []
    for done, (case, parameters) in enumerate(todo, start=1):
        measured += [(case, found) for found in case.measure(parameters, sales)]
        if progress is not None:
            progress(done, len(todo), case.name)
    rows = judge(measured)
    verdict = FAIL if any(row["verdict"] == FAIL for row in rows) else PASS
    return {"verdict": verdict, "false_alarm": FALSE_ALARM, "sales": sales, "rows": rows}


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


def describe_cases() -> list[dict[str, Any]]:
    """One entry a validation case: name, theory, parameters with their defaults, source."""
    return [
        {
            "name": case.name,
            "statement": case.statement,
            "parameters": ", ".join(f"{name}={_toml(value)}" for name, value in case.defaults.items()),
            "source": case.source,
        }
        for case in CASES.values()
    ]


def _checked(case: ValidationCase, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given parameters, checked and of the types of the defaults."""
    checked: dict[str, Any] = {}
    for name, value in given.items():
        if name not in case.defaults:
            raise ValueError(unknown_name(f"parameter of {case.name}", name, case.defaults))
        default = case.defaults[name]
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
            raise ValueError(f"{case.name}: {name} must be {wanted}, got {value!r}; e.g. {name}={_toml(default)}.")
        if isinstance(default, int):
            checked[name] = int(value)
        elif isinstance(default, float):
            checked[name] = float(value)
    return checked


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _toml(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)
