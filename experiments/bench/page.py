"""The page and the file of figures that a benchmark leaves, and how figures are shown.

Owns    `README.md` and `results.json` of a folder, and the explanations of missed targets.
Leaves  measuring to the other files of this folder.
"""

import json
from pathlib import Path
from typing import Any

from flashsale_env.experiments.bench.running import BENCHMARKS
from flashsale_env.files import write_atomically

PAGE, FIGURES = "README.md", "results.json"


def as_markdown(result: dict[str, Any]) -> str:
    """The page of a result; `benchmarks/README.md` is one, and is never edited by hand."""
    machine = result["machine"]
    lines = [
        "# Throughput",
        "",
        f"Written by `{result['command']}`; do not edit. The same figures as JSON: `flashsale bench --json`.",
        "",
        f"- Machine: {machine['cpu']}, {machine['cores']} cores, {machine['platform']}, Python {machine['python']}; "
        f"load {machine['load_before']} before and {machine['load_after']} after the run.",
        f"- Versions: {', '.join(f'{name} {version}' for name, version in result['versions'].items())}.",
        f"- Medians of {result['repeats']} measurements (of more where one is short), warm; "
        f"the whole run took {result['seconds'] / 60:.1f} minutes.",
    ]
    if result["quick"]:
        lines += ["- **Quick sizes: these figures mean nothing.**"]
    for name in dict.fromkeys(row["benchmark"] for row in result["rows"]):
        what = (BENCHMARKS[name].__doc__ or "").splitlines()[0] if name in BENCHMARKS else ""
        lines += [
            "",
            f"## {name}",
            "",
            what,
            "",
            "| what | median | range | target | met | how |",
            "|---|---|---|---|---|---|",
        ]
        of_this = [row for row in result["rows"] if row["benchmark"] == name]
        lines += [_line(row) for row in of_this]
        missed = [row["name"] for row in of_this if row["met"] is False]
        lines += ["", *(f"- Why *{row}* is missed: {MISSES[row]}" for row in missed if row in MISSES)] if missed else []
    lines += ["", *_HOW_TO_READ]
    return "\n".join(lines) + "\n"


# Why targets are missed, from profiles and experiments; shown as long as they are.
MISSES = {
    "served customers over bare numpy": (
        "removing parts of the kernel one at a time splits its 64 ns a customer: choice and its memory reads 33, "
        "drawing the voice and fetching its row 22, the logarithm in the time to the next customer 4, bookkeeping of "
        "purchases 3, coupons 2, messages 1. Without the choice the kernel takes 30 ns. Numpy, without arrivals and "
        "with voices read in bulk, takes 63 ns for the choice alone, so twice its speed would be 32 ns for everything. "
        "Tried: a branchless argmax over utilities packed with the product index (a fifth faster), selects instead of "
        "branches (slower), arrivals drawn in blocks (less than a tenth faster), a smaller Gumbel table (a twentieth)."
    ),
    "a customer of full over one of standard": (
        "a customer of `full` brings .46 bots, .09 later looks and .41 points of the stream that thinning rejects. Of "
        "150 ns, arrivals take 32, the choice 20, the queue 20, the basket 17, the voice 16, waiting 12, bots 7. A "
        "request costs 1.8 times a customer of `standard`. Tried: the next customer drawn before the visit, no basket "
        "where none can win, one draw for bot and thinning (together a tenth to an eighth faster, kept); a logarithm "
        "of polynomials and a search of the lanes without branches (no gain)."
    ),
    "SB3 rollout over no-op, gallego-van-ryzin": (
        "of 57 ms a rollout, the compiled tick takes 7, the Python around it 2, the one close 1, and cache misses "
        "outside it 2. Of 103 ns a sale-tick, customers take 42, decoding the action 11, the observation 9, price tags "
        "and money 4 each. Tried: two threads (slower: the hand-over costs as much as the tick)."
    ),
    "SB3 rollout over no-op, gvr-periodic": (
        "of 70 ms a rollout, the compiled tick takes 13 (39 ns a candidate, most of it two logarithms and two "
        "divisions) and the six closes 6, half of that for the infos of the sales that closed."
    ),
    "environment's share of PPO, standard": (
        "the update is short (two epochs, one hidden layer of 32): 0.4 s, against 0.85 CPU-seconds for 12 million "
        "customers on two threads. Where another process occupies the second core, the share is 0.65. Tried: the "
        "frequently read fields of a voice side by side, and no early exit among classes (3 % faster, kept); fewer "
        "price tags after a coupon (no gain). The branchless argmax above would give about 0.46, but rounds utilities."
    ),
}


_HOW_TO_READ = [
    "## How to read this",
    "",
    "- *per CPU-s* divides by the CPU time of the whole process, all threads together, so it does not grow with the "
    "number of cores. All other rates are per second of wall time.",
    "- The range is that of the single measurements. A wide range means that the machine was busy with other work.",
    "- Ratios are medians of the ratios of neighbouring measurements, so machine load affects both sides alike.",
    "- Bare numpy does less than a sale: it draws choices and counts them, without time, stock or money.",
    "- Peers are other problems, each at its own default size, so a step of theirs is not the work of a step of ours. "
    "One `standard` step serves about 200 customers one by one; one of DynamicPricing draws a single Poisson number.",
]


def shown(row: dict[str, Any]) -> tuple[str, str, str, str, str, str]:
    """Benchmark, name, median, range, target and whether it is met, formatted for a table."""
    sign = {"at least": "≥", "at most": "≤", "": ""}[row["direction"]]
    target = "" if row["target"] is None else f"{sign} {_number(row['target'])}"
    met = {True: "yes", False: "no", None: ""}[row["met"]]
    value = "-" if row["value"] is None else f"{_number(row['value'])} {row['unit'] if row['unit'] != 'ratio' else ''}"
    values = row["repeats"]
    extent = f"{_number(min(values))} .. {_number(max(values))}" if len(values) > 1 else ""
    return row["benchmark"], row["name"], value.strip(), extent, target, met


def _line(row: dict[str, Any]) -> str:
    _, name, value, extent, target, met = shown(row)
    return f"| {name} | {value} | {extent} | {target} | {'**no**' if met == 'no' else met} | {row['notes']} |"


def _number(value: float) -> str:
    """Three significant digits, in thousands or millions where large.

    >>> [_number(x) for x in (12_345_678, 45_600, 789.4, 0.0123, 200, 2)]
    ['12.3 M', '45.6 k', '789', '0.0123', '200', '2']
    """
    for size, letter in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def as_json(result: dict[str, Any]) -> str:
    """A result as the text of a JSON file."""
    return json.dumps(result, indent=2) + "\n"


def check_no_figures(folder: Path, *, overwrite: bool) -> None:
    """Refuse to replace files, before anything is measured.

    Raises:
        FileExistsError: the folder holds figures already and `overwrite` is not set, or it holds files of these names
            that were not written by `flashsale bench`.
    """
    there = [folder / name for name in (PAGE, FIGURES) if (folder / name).exists()]
    if there and not overwrite:
        raise FileExistsError(f"{there[0]} is there already: give another --out, or --overwrite.")
    if there and not _holds_figures(folder):
        raise FileExistsError(
            f"{there[0]} was not written by `flashsale bench` and is not replaced: give another --out."
        )


def _holds_figures(folder: Path) -> bool:
    try:
        content = json.loads((folder / FIGURES).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {"machine", "versions", "rows", "repeats", "quick"} <= content.keys()


def write(result: dict[str, Any], folder: Path) -> None:
    """Write the page and the figures behind it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / FIGURES, as_json(result).encode())
    write_atomically(folder / PAGE, as_markdown(result).encode())
