"""The tables of a benchmark as people read them, at the terminal, in Markdown and on its page.

Owns    which columns and notes a table has, and reading a finished benchmark.
Leaves  the figures themselves to `benchmark`, how a figure is written to `formats`.
Units   money in the scenario's currency.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flashsale_env import agents
from flashsale_env.experiments.formats import Table, money, percent, plus_minus
from flashsale_env.experiments.runs import RESULT, read_config


def benchmark_table(problem: Mapping[str, Any]) -> Table:
    """One problem of a benchmark's result, best agent first."""
    bound, against, rows = problem["bound"], problem["against"], problem["rows"]
    scale = max(abs(row["mean"]) for row in rows)
    columns = ["agent", "runs", f"{problem['measure']} ± 95 %"]
    if bound is not None:
        columns.append(f"of the {'optimum' if bound['exact'] else 'bound'} ± 95 %")
    columns += [f"less {against} ± 95 %", "better runs", "training, s"]
    lines = []
    for row in rows:
        line = [named(row), str(row["runs"]), plus_minus(row, scale)]
        if bound is not None:
            line.append(percent(row["share"]))
        less = row["difference"]
        if less is None:
            line += ["", ""]
        else:
            line += [plus_minus(less, scale, "+"), f"{less['probability']:.0%}" if row["runs"] > 1 else ""]
        seconds = row["training_seconds"]
        lines.append((*line, "" if seconds is None else f"{seconds:,.0f}"))
    return Table(f"{problem['name']} ({problem['population']})", tuple(columns), tuple(lines), _notes(problem, scale))


def named(row: Mapping[str, Any]) -> str:
    """An agent's label, and in brackets what must be known of it."""
    return f"{row['label']} ({row['mark']})" if row["mark"] else str(row["label"])


def _marked(problems: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """A sentence on the agents that are not at their best, where a table over several problems shows them."""
    found = [
        f"{problem['name']}: {', '.join(map(named, marked))}"
        for problem in problems
        if (marked := [row for row in problem["rows"] if row["mark"]])
    ]
    return (f"Not at their best: {'; '.join(found)}.",) if found else ()


def _notes(problem: Mapping[str, Any], scale: float) -> tuple[str, ...]:
    bound, rows = problem["bound"], problem["rows"]
    notes = []
    sales = f"{problem['sales']:,} test sales, the same customers for all agents"
    recursive = [row["label"] for row in rows if row["exact"]]
    if recursive:
        simulated = [row["label"] for row in rows if not row["exact"]]
        rest = f"; {', '.join(simulated)} and their differences: {sales}" if simulated else ""
        notes.append(f"Expected values by backward recursion, intervals over training runs{rest}.")
    else:
        notes.append(f"{sales[0].upper()}{sales[1:]}; intervals over training runs and sales.")
    if problem["measure"] == "average cost":
        notes.append("Less is better.")
    if bound is not None and bound["exact"]:
        notes.append(f"Exact optimum: {money(bound['value'], scale)}.")
        if any(row["label"] == "dp" for row in rows) and not all(row["exact"] for row in rows):
            notes.append("Where sales were played, shares of it are by the difference to dp on the same sales.")
    elif bound is not None:
        value, half = money(bound["value"], scale), money(bound["half_width"], scale)
        notes.append(
            f"Upper bound, not an optimum: {value} ± {half} over the first {bound['sales']:,} of the sales "
            f"({bound['name']})."
        )
    return tuple(notes)


def overview_table(problems: Sequence[Mapping[str, Any]]) -> Table:
    """Every agent on every problem in one table: its share of the optimum, or what it earns more than the baseline."""
    rows: dict[str, list[str]] = {}
    columns = ["agent"]
    for k, problem in enumerate(problems):
        optimum = problem["bound"] is not None and problem["bound"]["exact"]
        costs = problem["measure"] == "average cost"
        what = "cost over the least" if optimum and costs else "of the optimum" if optimum else "less {against}"
        columns.append(f"{problem['name']}: {what.format(against=problem['against'])}")
        scale = max(abs(row["mean"]) for row in problem["rows"])
        for row in problem["rows"]:
            cells = rows.setdefault(row["label"], [""] * len(problems))
            if optimum:
                cells[k] = percent(row["share"])
            else:
                cells[k] = "0" if row["difference"] is None else plus_minus(row["difference"], scale, "+")
    order = {label: place for place, label in enumerate(agents.AGENTS)}
    lines = [(label, *cells) for label, cells in sorted(rows.items(), key=lambda item: order.get(item[0], len(order)))]
    note = (
        "Means ± half of the 95 % interval over runs, and over sales where they were played; empty: not played there."
    )
    return Table("all agents on all problems", tuple(columns), tuple(lines), (note, *_marked(problems)))


def score_table(scores: Mapping[str, Any], problems: Sequence[Mapping[str, Any]]) -> Table | None:
    """Agents over all problems of a benchmark, best first; None where nothing could be scored."""
    if not scores["agents"]:
        return None
    ordered = sorted(scores["agents"].items(), key=lambda item: -item[1]["iqm"])
    rows = []
    for label, row in ordered:
        interval = f"{row['ci_low']:.3f} .. {row['ci_high']:.3f}" if has_runs(row) else ""
        better = "" if row["probability"] is None else f"{row['probability']:.0%}"
        rows.append((label, f"{row['iqm']:.3f}", interval, better))
    references = "; ".join(f"{name}: {what}" for name, what in scores["references"].items())
    return Table(
        "all problems",
        ("agent", "interquartile mean score", "95 % interval, stratified bootstrap of runs", "better runs"),
        tuple(rows),
        (f"Score 0 is the random agent, score 1 the best value known ({references}).", *_marked(problems)),
    )


def has_runs(scored: Mapping[str, Any]) -> bool:
    return any(len(values) > 1 for values in scored["scores"].values())


def as_markdown(folder: Path) -> str:
    """The tables of a benchmark for a README, with the command that made them.

    Raises:
        FileNotFoundError, ValueError: as `read_result`.
    """
    result = read_result(folder)
    parts = []
    for shown in _tables(result):
        head = f"| {' | '.join(shown.columns)} |\n|{'---|' * len(shown.columns)}"
        lines = [f"| {' | '.join(row)} |" for row in shown.rows]
        parts.append("\n".join([f"**{shown.title}**", "", head, *lines, "", " ".join(shown.notes)]))
    return "\n\n".join([f"Made by `{result['command']}`.", *parts])


def _tables(result: Mapping[str, Any]) -> list[Table]:
    each = [benchmark_table(problem) for problem in result["problems"]]
    if len(each) == 1:
        return each
    overall = score_table(result["scores"], result["problems"])
    return [overview_table(result["problems"]), *each, *([overall] if overall else [])]


def read_result(folder: Path) -> dict[str, Any]:
    """The result of a finished benchmark.

    Raises:
        FileNotFoundError: the folder holds none.
        ValueError: it is not finished, or its file is broken.
    """
    config = read_config(folder)
    if config is None or "problems" not in config["options"].get("settings", {}):
        raise FileNotFoundError(f"{folder} holds no benchmark: want a folder that `flashsale benchmark` wrote.")
    if not config.get("finished"):
        raise ValueError(f"the benchmark in {folder} is not finished: `{config['command']}` resumes it.")
    return read_json(folder / RESULT)


def read_json(path: Path) -> dict[str, Any]:
    """The content of a JSON file of a run.

    Raises:
        ValueError: it is broken.
    """
    try:
        result: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}.") from None
    return result
