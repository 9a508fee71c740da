"""What `flashsale report` makes of a folder: one self-contained HTML page, or the tables of a benchmark as Markdown.

Owns    the tables of a benchmark as people read them, its pictures, and the pages of a benchmark and of a training.
Leaves  the figures themselves to `benchmark` and `train`, the parts of a page to `report`.
Units   money in the scenario's currency.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flashsale_env import agents, load_population, load_scenario
from flashsale_env.agents.play import trace
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.experiments.benchmark.results import RESULT, SALE_PICTURE
from flashsale_env.experiments.benchmark.settings import slug
from flashsale_env.experiments.benchmark.units import AGENTS, TRAINING
from flashsale_env.experiments.evaluate import POLICY, find_agent
from flashsale_env.experiments.pages.page import document, figure, table
from flashsale_env.experiments.pages.pictures import COLOURS, DPI, one_sale
from flashsale_env.experiments.runs import held, read_config
from flashsale_env.experiments.train import CURVE_PICTURE, CURVE_TABLE
from flashsale_env.files import write_atomically

PAGE = "report.html"


@dataclass(frozen=True)
class Table:
    """A table of texts, the first column names; notes are sentences that stand below it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def benchmark_table(problem: Mapping[str, Any]) -> Table:
    """One problem of a benchmark's result, best agent first."""
    bound, against, rows = problem["bound"], problem["against"], problem["rows"]
    like = max(abs(row["mean"]) for row in rows)
    columns = ["agent", "runs", f"{problem['measure']} ± 95 %"]
    if bound is not None:
        columns.append(f"of the {'optimum' if bound['exact'] else 'bound'} ± 95 %")
    columns += [f"less {against} ± 95 %", "better runs", "training, s"]
    lines = []
    for row in rows:
        line = [_named(row), str(row["runs"]), _with_interval(row, like)]
        if bound is not None:
            line.append(_share(row["share"]))
        less = row["difference"]
        if less is None:
            line += ["", ""]
        else:
            line += [_with_interval(less, like, "+"), f"{less['probability']:.0%}" if row["runs"] > 1 else ""]
        seconds = row["training_seconds"]
        lines.append((*line, "" if seconds is None else f"{seconds:,.0f}"))
    return Table(f"{problem['name']} ({problem['population']})", tuple(columns), tuple(lines), _notes(problem, like))


def _named(row: Mapping[str, Any]) -> str:
    """An agent's label, and in brackets what must be known of it."""
    return f"{row['label']} ({row['mark']})" if row["mark"] else str(row["label"])


def _marked(problems: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """A sentence on the agents that are not at their best, where a table over several problems shows them."""
    found = [
        f"{problem['name']}: {', '.join(map(_named, marked))}"
        for problem in problems
        if (marked := [row for row in problem["rows"] if row["mark"]])
    ]
    return (f"Not at their best: {'; '.join(found)}.",) if found else ()


def _notes(problem: Mapping[str, Any], like: float) -> tuple[str, ...]:
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
        notes.append(f"Exact optimum: {_money(bound['value'], like)}.")
        if any(row["label"] == "dp" for row in rows) and not all(row["exact"] for row in rows):
            notes.append("Where sales were played, shares of it are by the difference to dp on the same sales.")
    elif bound is not None:
        value, half = _money(bound["value"], like), _money(bound["half_width"], like)
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
        like = max(abs(row["mean"]) for row in problem["rows"])
        for row in problem["rows"]:
            cells = rows.setdefault(row["label"], [""] * len(problems))
            if optimum:
                cells[k] = _share(row["share"])
            else:
                cells[k] = "0" if row["difference"] is None else _with_interval(row["difference"], like, "+")
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
        interval = f"{row['ci_low']:.3f} .. {row['ci_high']:.3f}" if _has_runs(row) else ""
        better = "" if row["probability"] is None else f"{row['probability']:.0%}"
        rows.append((label, f"{row['iqm']:.3f}", interval, better))
    references = "; ".join(f"{name}: {what}" for name, what in scores["references"].items())
    return Table(
        "all problems",
        ("agent", "interquartile mean score", "95 % interval, stratified bootstrap of runs", "better runs"),
        tuple(rows),
        (f"Score 0 is the random agent, score 1 the best value known ({references}).", *_marked(problems)),
    )


def _has_runs(scored: Mapping[str, Any]) -> bool:
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
        raise ValueError(f"the benchmark in {folder} is not finished: go on with `{config['command']}`.")
    try:
        result: dict[str, Any] = json.loads((folder / RESULT).read_bytes())
    except ValueError as error:
        raise ValueError(f"{folder / RESULT} is not valid JSON: {error}.") from None
    return result


def write_report(folder: Path) -> Path:
    """Write `report.html` about a benchmark or a training; made anew whenever it is asked for.

    Raises:
        FileNotFoundError: the folder holds neither.
        ValueError: what it holds is not finished, or broken.
    """
    config = read_config(folder)
    options = {} if config is None else config["options"]
    is_benchmark = "problems" in options.get("settings", {})
    if not is_benchmark and not {"agent", "scenario", "population"} <= options.keys():
        raise FileNotFoundError(
            f"{folder} holds neither a benchmark nor a training: want a folder that `flashsale benchmark` or "
            f"`flashsale train` wrote."
        )
    with held(folder, f"flashsale report {folder}"):
        body = _benchmark(folder, read_result(folder)) if is_benchmark else _training(folder, config)
        write_atomically(folder / PAGE, document(f"flashsale: {folder.resolve().name}", [*body, *_made_by(config)]))
    return folder / PAGE


def _benchmark(folder: Path, result: Mapping[str, Any]) -> list[str]:
    body = ["<h1>Agents on common sales</h1>", f'<p class="verdict">{escape(result["description"])}</p>']
    overall = score_table(result["scores"], result["problems"])
    if len(result["problems"]) > 1:
        body += ["<h2>All problems</h2>", *_shown(overview_table(result["problems"]), best=None)]
    if overall is not None and len(result["problems"]) > 1:
        body += _shown(overall)
        several = {label: row for label, row in result["scores"]["agents"].items() if _has_runs(row)}
        if several:
            body.append(figure(_profiles(several), "Share of an agent's runs that score more than each score."))
    for problem in result["problems"]:
        body += [f"<h2>{escape(problem['name'])}</h2>", *_shown(benchmark_table(problem))]
        if len(problem["rows"]) > 1:
            caption = f"Difference to {problem['against']} on the same customers, with 95 % intervals."
            body.append(figure(_differences(problem), caption))
        curves = _curves(folder, problem)
        if curves:
            caption = "Learning, on validation sales: every run, and the mean of the runs of an agent."
            body.append(figure(_learning(curves), caption))
        picture = folder / slug(problem["name"]) / SALE_PICTURE
        body.append(figure(picture, f"The first test sale, played by {_named(problem['rows'][0])}."))
    return body


def _training(folder: Path, config: Mapping[str, Any] | None) -> list[str]:
    assert config is not None
    options = config["options"]
    if not config.get("finished"):
        raise ValueError(f"the training in {folder} is not finished: go on with `{config['command']}`.")
    scenario = load_scenario(options["scenario"])
    population = load_population(options["population"], [product.title for product in scenario.products])
    player = find_agent(str(folder / POLICY), scenario)
    one_sale(folder / SALE_PICTURE, trace(player, scenario, population, int(split_seeds("test", 0, 1)[0])), scenario)
    curve = pd.read_csv(folder / CURVE_TABLE)
    best = curve.iloc[int(curve["profit"].argmax())]
    like = float(curve["profit"].abs().max())
    rows = [
        (name, f"{row['sales']:,.0f}", f"{row['seconds']:,.0f}", _money(row["profit"], like))
        for name, row in (("first", curve.iloc[0]), ("last", curve.iloc[-1]), ("best, kept", best))
    ]
    return [
        f"<h1>{escape(options['agent'])} on {escape(scenario.name)}</h1>",
        f'<p class="verdict">{escape(scenario.description)}</p>',
        f"<h2>Learning, on {int(best['validation_sales']):,} validation sales</h2>",
        table(("policy", "sales played", "seconds", "mean profit"), rows, best=2),
        figure(folder / CURVE_PICTURE, "Dashed: the heuristics on the same sales."),
        "<h2>One sale</h2>",
        figure(folder / SALE_PICTURE, "The first test sale, played by the policy that was kept."),
    ]


def _made_by(config: Mapping[str, Any] | None) -> list[str]:
    assert config is not None
    versions = ", ".join(f"{name} {version}" for name, version in config["versions"].items())
    settings = {"options": config["options"], "seeds": config["seeds"]}
    return [
        "<h2>How it was made</h2>",
        f"<p><code>{escape(config['command'])}</code>, {escape(config['started'])} to {escape(config['finished'])}</p>",
        f"<details><summary>settings</summary><pre>{escape(json.dumps(settings, indent=2, ensure_ascii=False))}</pre>"
        "</details>",
        f"<footer>{escape(versions)}</footer>",
    ]


def _shown(content: Table, best: int | None = 0) -> list[str]:
    return [table(content.columns, content.rows, best=best), f'<p class="note">{escape(" ".join(content.notes))}</p>']


def _curves(folder: Path, problem: Mapping[str, Any]) -> dict[str, list[pd.DataFrame]]:
    """Label -> the learning curve of every run."""
    home = folder / slug(problem["name"]) / AGENTS
    curves = {}
    for row in problem["rows"]:
        if row["training_seconds"] is not None:
            runs = [home / slug(row["label"]) / f"run-{seed}" / TRAINING / CURVE_TABLE for seed in row["seeds"]]
            curves[row["label"]] = [pd.read_csv(path) for path in runs]
    return curves


def _learning(curves: Mapping[str, Sequence[pd.DataFrame]]) -> bytes:
    drawn, axes = _axes(8, 4.2)
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
    return _png(drawn)


def _differences(problem: Mapping[str, Any]) -> bytes:
    rows = [row for row in reversed(problem["rows"]) if row["difference"] is not None]
    drawn, axes = _axes(8, 0.9 + 0.32 * len(rows))
    for y, row in enumerate(rows):
        less = row["difference"]
        axes.plot([less["ci_low"], less["ci_high"]], [y, y], color=COLOURS[0], linewidth=2)
        axes.plot(less["mean"], y, "o", color=COLOURS[0], markersize=4)
    axes.axvline(0.0, color="0.4", linewidth=1)
    axes.set_yticks(range(len(rows)), [_named(row) for row in rows])
    axes.set_xlabel(f"{problem['measure']} less that of {problem['against']}")
    return _png(drawn)


def _profiles(scored: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Performance profiles; Agarwal et al. (2021), arXiv:2108.13264, section 4.2."""
    drawn, axes = _axes(8, 4.2)
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
    return _png(drawn)


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    drawn = Figure(figsize=(width, height), layout="constrained")
    axes = drawn.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    return drawn, axes


def _png(drawn: Figure) -> bytes:
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def _money(value: float, like: float, sign: str = "") -> str:
    """Whole currency where figures are large, four decimals where they are those of a textbook.

    >>> _money(9.43641, 9.4), _money(-40.2, 40_000.0), _money(0.0123, 9.4, "+")
    ('9.4364', '-40', '+0.0123')
    """
    return f"{value:{sign},.0f}" if like >= 1000 else f"{value:{sign},.4f}"


def _share(share: Mapping[str, float]) -> str:
    """Percent of a bound, and half the width of the interval.

    >>> _share({"mean": 0.985, "ci_low": 0.98, "ci_high": 0.99})
    '98.50 ± 0.50 %'
    """
    half = (share["ci_high"] - share["ci_low"]) / 2
    return f"{100 * share['mean']:.2f}" + (f" ± {100 * half:.2f} %" if half > 0 else " %")


def _with_interval(row: Mapping[str, float], like: float, sign: str = "") -> str:
    """A mean and half the width of its interval, which lies evenly about it; the mean alone where it is exact.

    >>> _with_interval({"mean": 9.5, "ci_low": 9.25, "ci_high": 9.75}, 9.5)
    '9.5000 ± 0.2500'
    """
    half = (row["ci_high"] - row["ci_low"]) / 2
    mean = _money(row["mean"], like, sign)
    return f"{mean} ± {_money(half, like)}" if half > 0 else mean
