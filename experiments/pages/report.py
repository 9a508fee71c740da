"""What `flashsale report` makes of a folder: one self-contained HTML page of a benchmark, a training or a study.

Leaves  the tables to `tables`, the pictures to `pictures`, the parts of a page to `document`.
Units   money in the scenario's currency.
"""

import contextlib
import importlib
import io
import json
import shlex
from collections.abc import Callable, Mapping
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from flashsale_env import Population, Scenario, load_population, load_scenario
from flashsale_env.agents.play import trace
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.experiments import audit
from flashsale_env.experiments.benchmark.results import SALE_PICTURE
from flashsale_env.experiments.benchmark.settings import slug
from flashsale_env.experiments.benchmark.units import AGENTS, TRAINING
from flashsale_env.experiments.display import collected_tables
from flashsale_env.experiments.evaluate import POLICY, find_agent
from flashsale_env.experiments.formats import Table, money
from flashsale_env.experiments.pages.charts import Chart
from flashsale_env.experiments.pages.document import document, figure, table
from flashsale_env.experiments.pages.drawn import keep
from flashsale_env.experiments.pages.paper import keep_table
from flashsale_env.experiments.pages.pictures import differences, learning_of_runs, one_sale, profiles
from flashsale_env.experiments.pages.tables import (
    benchmark_table,
    has_runs,
    named,
    overview_table,
    read_json,
    read_result,
    score_table,
)
from flashsale_env.experiments.runs import RESULT, held, read_config
from flashsale_env.experiments.studies import STUDIES
from flashsale_env.experiments.train import CURVE_PICTURE, CURVE_TABLE
from flashsale_env.files import write_atomically

PAGE, PAPER = "report.html", "paper"
# Test sales on which customers are counted by group.
_COUNTED = 256


def write_report(folder: Path) -> Path:
    """Write `report.html` about a benchmark, a training or a study, anew at every call.

    The folder `paper` gets its tables as CSV and LaTeX, and its figures as SVG and PNG.

    Raises:
        FileNotFoundError: the folder holds none.
        ValueError: its run is not finished, or a file is broken.
    """
    config = read_config(folder) or {"options": {}}
    options = config["options"]
    body: Callable[[], list[str]]
    if "problems" in options.get("settings", {}):
        body = partial(_benchmark, folder)
    elif {"agent", "scenario", "population"} <= options.keys():
        body = partial(_training, folder, config)
    elif (study := study_of(config)) is not None:
        body = partial(_study, folder, study, config)
    else:
        raise FileNotFoundError(
            f"{folder} holds neither a benchmark nor a training nor a study: want a folder that `flashsale benchmark`, "
            f"`flashsale train` or `flashsale study` wrote."
        )
    with held(folder, f"flashsale report {folder}"):
        page = document(f"flashsale: {folder.resolve().name}", [*body(), *_made_by(config)])
        write_atomically(folder / PAGE, page)
    return folder / PAGE


def _benchmark(folder: Path) -> list[str]:
    result = read_result(folder)
    body = ["<h1>Agents on common sales</h1>", f'<p class="verdict">{escape(result["description"])}</p>']
    overall = score_table(result["scores"], result["problems"])
    if len(result["problems"]) > 1:
        body += ["<h2>All problems</h2>", *_shown(folder, "all", overview_table(result["problems"]), best=None)]
    if overall is not None and len(result["problems"]) > 1:
        body += _shown(folder, "scores", overall)
        several = {label: row for label, row in result["scores"]["agents"].items() if has_runs(row)}
        if several:
            body.append(_drawn(folder, "profiles", profiles(several)))
    for problem in result["problems"]:
        name, currency = slug(problem["name"]), problem.get("currency", "")
        body += [f"<h2>{escape(problem['name'])}</h2>", *_shown(folder, name, benchmark_table(problem))]
        found = {named(row): row["difference"] for row in problem["rows"] if row["difference"] is not None}
        if found:
            axis = f"{problem['measure']} less that of {problem['against']}, {currency or 'currency of the scenario'}"
            body.append(_drawn(folder, f"{name}-differences", differences(found, axis)))
        curves = _curves(folder, problem)
        if curves:
            body.append(_drawn(folder, f"{name}-learning", learning_of_runs(curves, currency)))
        sale = folder / name / f"{SALE_PICTURE}.json"
        body += [f"<h3>One sale, played by {escape(named(problem['rows'][0]))}</h3>", figure(_read(sale))]
    return body


def _training(folder: Path, config: Mapping[str, Any]) -> list[str]:
    options = config["options"]
    if not config.get("finished"):
        raise ValueError(f"the training in {folder} is not finished: `{config['command']}` resumes it.")
    scenario = load_scenario(options["scenario"])
    population = load_population(options["population"], [product.title for product in scenario.products])
    player = find_agent(str(folder / POLICY), scenario)
    played = trace(player, scenario, population, int(split_seeds("test", 0, 1)[0]))
    curve = pd.read_csv(folder / CURVE_TABLE)
    best = curve.iloc[int(curve["profit"].argmax())]
    scale = float(curve["profit"].abs().max())
    rows = tuple(
        (name, f"{row['sales']:,.0f}", f"{row['seconds']:,.0f}", money(row["profit"], scale))
        for name, row in (("first", curve.iloc[0]), ("last", curve.iloc[-1]), ("best, kept", best))
    )
    title = f"Learning, on {int(best['validation_sales']):,} validation sales"
    columns = ("policy", "sales played", "seconds", "mean profit")
    return [
        f"<h1>{escape(options['agent'])} on {escape(scenario.name)}</h1>",
        f'<p class="verdict">{escape(scenario.description)}</p>',
        f"<h2>{title}</h2>",
        *_shown(folder, "learning", Table(title, columns, rows), best=2),
        figure(_read(folder / f"{CURVE_PICTURE}.json")),
        "<h2>One sale, played by the policy that was kept</h2>",
        _drawn(folder, SALE_PICTURE, one_sale(played, scenario, options["agent"])),
        *_served(folder, player, scenario, population),
    ]


def _served(folder: Path, player: Any, scenario: Scenario, population: Population) -> list[str]:
    """Who is served how by a policy; a line in its place without fairlearn, nothing where all customers are alike."""
    groupings = audit.groupings(population)
    if not groupings:
        return []
    body = ["<h2>Who is served how</h2>"]
    if not audit.available():
        return [*body, f'<p class="note">{escape(audit.HINT[0].upper() + audit.HINT[1:])}.</p>']
    for by in groupings:
        sale = audit.measured(scenario, by)
        _, found = audit.play_counted([player], sale, population, split_seeds("test", 0, _COUNTED))
        groups = sale.fairness.groups(population) if sale.fairness is not None else ()
        for number, content in enumerate(audit.tables(audit.audit(found, groups), f"By {by}"), start=1):
            body += [f"<h3>{escape(content.title)}</h3>", *_shown(folder, f"by-{by}-{number}", content, best=None)]
    return [*body, f'<p class="note">{_COUNTED} test sales, 95 % intervals over sales.</p>']


def _study(folder: Path, name: str, config: Mapping[str, Any]) -> list[str]:
    if not config.get("finished"):
        raise ValueError(f"the study in {folder} is not finished: `{config['command']}` runs it again.")
    if not (folder / RESULT).is_file():
        raise FileNotFoundError(f"{folder} holds what the study {name} built, and no {RESULT} that a page could show.")
    study = importlib.import_module(f"flashsale_env.experiments.studies.{name.replace('-', '_')}")
    result = read_json(folder / RESULT)
    said = io.StringIO()
    with collected_tables() as tables, contextlib.redirect_stdout(said):
        study.show(result)
    body = [f"<h1>{escape(name)}</h1>", f'<p class="verdict">{escape(STUDIES[name])}</p>']
    for number, content in enumerate(tables, start=1):
        title = content.title[0].upper() + content.title[1:]
        body += [f"<h2>{escape(title)}</h2>", *_shown(folder, f"{name}-{number}", content, best=None)]
    body += [f'<p class="note">{escape(line)}</p>' for line in said.getvalue().splitlines()]
    charts: Mapping[str, Chart] = getattr(study, "charts", lambda result: {})(result)
    return body + [_drawn(folder, chart, drawn) for chart, drawn in charts.items()]


def study_of(config: Mapping[str, Any]) -> str | None:
    """The study that wrote a folder, from the command in its configuration; None for any other command.

    >>> study_of({"command": "flashsale study levers --out runs/levers"})
    'levers'
    """
    words = shlex.split(config.get("command", ""))
    return words[2] if words[1:2] == ["study"] and words[2] in STUDIES else None


def _read(path: Path) -> Chart:
    """A figure that a run has left.

    Raises:
        ValueError: it is missing or broken.
    """
    if not path.is_file():
        raise ValueError(f"{path} is missing: an earlier version wrote this folder. Run its command again.")
    return Chart.from_json(path.read_bytes(), path)


def _drawn(folder: Path, name: str, chart: Chart) -> str:
    """A figure on the page, and for papers."""
    keep(_paper(folder) / name, chart)
    return figure(chart)


def _paper(folder: Path) -> Path:
    """The folder of tables and figures for papers."""
    (folder / PAPER).mkdir(exist_ok=True)
    return folder / PAPER


def _shown(folder: Path, name: str, content: Table, best: int | None = 0) -> list[str]:
    """A table on the page with its notes, and for papers."""
    keep_table(_paper(folder) / name, content)
    notes = f'<p class="note">{escape(" ".join(content.notes))}</p>' if content.notes else ""
    return [table(content.columns, content.rows, best=best), notes]


def _made_by(config: Mapping[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in config["versions"].items())
    settings = {"options": config["options"], "seeds": config["seeds"]}
    return [
        "<h2>How it was made</h2>",
        f"<p><code>{escape(config['command'])}</code>, {escape(config['started'])} to {escape(config['finished'])}</p>",
        f"<details><summary>settings</summary><pre>{escape(json.dumps(settings, indent=2, ensure_ascii=False))}</pre>"
        "</details>",
        f"<footer>{escape(versions)}</footer>",
    ]


def _curves(folder: Path, problem: Mapping[str, Any]) -> dict[str, list[pd.DataFrame]]:
    """Label -> the learning curve of every run."""
    home = folder / slug(problem["name"]) / AGENTS
    curves = {}
    for row in problem["rows"]:
        if row["training_seconds"] is not None:
            runs = [home / slug(row["label"]) / f"run-{seed}" / TRAINING / CURVE_TABLE for seed in row["seeds"]]
            curves[row["label"]] = [pd.read_csv(path) for path in runs]
    return curves
