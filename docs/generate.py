"""The generated parts of the documentation.

Owns    two kinds of blocks in README.md and docs/**/*.md.

        <!-- generated: NAME ... -->  from code and shipped data; `python docs/generate.py` makes all of them anew.
        <!-- measured: NAME -->       from a run's folder; `python docs/generate.py --measured NAME DIR` fills one in,
                                      and `--measured verification` runs `flashsale verify`.

        Each block ends with `<!-- end -->`. Blocks of the first kind may quote blocks of the second: a measured figure
        has one place.
Leaves  every sentence to the pages.

`--check` writes nothing, names the blocks that are out of date, and exits with 1 if there are any.
"""

import argparse
import ast
import dataclasses
import inspect
import json
import re
import subprocess
import sys
import typing
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import typer

import flashsale_env as fs
from flashsale_env.agents import AGENTS
from flashsale_env.encoders.records.catalogue import CATALOGUE_COLUMNS
from flashsale_env.encoders.records.columns import CHOICE_COLUMNS, TRANSACTION_COLUMNS
from flashsale_env.encoders.shops.registry import READERS
from flashsale_env.experiments.audit import SPREAD, tables
from flashsale_env.experiments.benchmark.settings import BENCHMARKS
from flashsale_env.experiments.dispatch import app
from flashsale_env.experiments.formats import percent, plus_minus
from flashsale_env.experiments.listing import described, populations
from flashsale_env.experiments.meanings import meanings_of, parts
from flashsale_env.experiments.realism.facts import STATISTICS
from flashsale_env.experiments.realism.statistic import Statistic
from flashsale_env.experiments.show.summary import summary
from flashsale_env.experiments.studies import (
    STUDIES,
    coverage,
    duopoly,
    fairness,
    next_basket,
    privacy,
    push,
    ranking,
    retention,
    sessions,
)
from flashsale_env.experiments.verify.cases import CASES
from flashsale_env.generator import CLOCK, PRODUCTS
from flashsale_env.intents import ByIntent
from flashsale_env.market.fairness import OUTCOMES
from flashsale_env.market.mechanism import Between, OneOf

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- (generated|measured): (.+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
PACKAGES = ("flashsale_env", "agents", "encoders", "experiments")


def pages() -> list[Path]:
    """Every page that may hold a block."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def cells(markdown: str) -> list[list[str]]:
    """The rows of a Markdown table, the head first, the rule left out."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines if "---" not in line]


def measured(name: str) -> str:
    """The content of a measured block, wherever it stands."""
    for page in pages():
        for _, kind, words, content, _ in BLOCK.findall(page.read_text(encoding="utf-8")):
            if (kind, words) == ("measured", name):
                return str(content)
    raise ValueError(f"no page holds a measured block {name!r}.")


def measured_cell(name: str, row: str, column: str) -> str:
    """One cell of a measured table, by the text of its row's first cell and the end of its column's head."""
    head, *rows = cells(measured(name))
    chosen = [line for line in rows if line[0] == row]
    found = [cell for line in chosen for cell, title in zip(line, head, strict=True) if title.endswith(column)]
    if len(found) != 1:
        raise ValueError(f"measured block {name!r} has no row {row!r} with a column {column!r}; columns: {head}.")
    return found[0]


# --- scenarios and the environment


def scenarios() -> str:
    """One line a shipped scenario."""
    rows = []
    for name in fs.SCENARIOS:
        scenario, optimum = fs.load_scenario(name), gym.spec(fs.environment_id(name)).reward_threshold
        rows.append(
            (
                f"[{name}]({name}.md)",
                f"`{fs.environment_id(name)}`",
                scenario.description,
                str(len(scenario.products)),
                str(scenario.horizon_ticks),
                "" if optimum is None else f"{optimum:.6f}",
            )
        )
    return table(("scenario", "id", "what it is", "products", "ticks", "optimal return"), rows)


def scenario(name: str) -> str:
    """What a shipped scenario is, from its file and its spaces."""
    found = summary(name)
    customers, optimum = found["customers"], found["optimum"]
    decisions = [(row["name"], len(row["levels"])) for row in found["decisions"]]
    facts = [
        ("environment ids", ", ".join(f"`{found['ids'][actions]}`" for actions in fs.ENCODINGS)),
        ("products", "; ".join(product["title"] for product in found["products"])),
        ("horizon", f"{found['ticks']} ticks of {found['tick_minutes']:g} min"),
        ("expected customers", f"{customers:,.4g}" if customers < 1000 else f"{customers:,.0f}"),
        ("choice model", f"`{found['choice']}`"),
        ("population", f"`{found['population']['name']}`"),
        ("observation", f"{sum(row['numbers'] for row in found['observation'])} numbers"),
        ("box action", ", ".join(f"`{kind}` × {rows}" if rows > 1 else f"`{kind}`" for kind, rows in decisions)),
        ("optimal expected return", "unknown" if optimum is None else f"{optimum:.6f}"),
        ("version history", _history(name)),
    ]
    return "\n\n".join(
        (
            table(("property", "value"), facts),
            f"## Observation\n\n{layout(name)}",
            f"## File\n\n```toml\n{fs.SCENARIOS[name].read_text(encoding='utf-8').strip()}\n```",
        )
    )


def _history(name: str) -> str:
    """The version history out of the header of a scenario's file."""
    lines = fs.SCENARIOS[name].read_text(encoding="utf-8").splitlines()
    header = " ".join(line.lstrip("# ") for line in lines if line.startswith("#"))
    found = re.search(r"Version history:((?: v\d+ [^.]*\.)+)", header)
    if found is None:
        raise ValueError(f"the header of {fs.SCENARIOS[name]} holds no 'Version history: v0 ....'.")
    return found[1].strip()


def layout(name: str) -> str:
    """The observation of a scenario, one line a feature."""
    return fs.Layout(fs.load_scenario(name)).describe()


def reports() -> str:
    """The lengths of what a player reads in words, for every shipped scenario."""
    rows = []
    for name in fs.SCENARIOS:
        env = fs.FlashSaleTextEnv(name)
        rows.append((f"`{fs.text_environment_id(name)}`", f"{len(env.instructions):,}", f"{env.most_characters:,}"))
    return table(("id", "characters of the instructions", "most characters of a report"), rows)


def settings() -> str:
    """Every key of a scenario's file, table by table, from the fields and docstrings of the parts."""
    hints = typing.get_type_hints(fs.Scenario)
    sections = []
    for name, part in (("", fs.Scenario), *parts().items()):
        head = f"`[{name}]`" if name else "the sale"
        if name and typing.get_origin(hints[name]) is tuple:
            head = f"`[[{name}]]`"
        meanings = meanings_of(part)
        rows = [
            (f"`{field.name}`", _default(field), meanings[field.name].replace("|", "or"))
            for field in dataclasses.fields(part)
            if not (part is fs.Scenario and field.name in parts())
        ]
        sections.append(f"### {head}\n\n{table(('key', 'default', 'meaning'), rows)}")
    return "\n\n".join(sections)


def _default(field: "dataclasses.Field[typing.Any]") -> str:
    value = field.default
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    if value is dataclasses.MISSING:
        return "required"
    if value is None:
        return "none"
    return f"`{_shown(value.as_value() if isinstance(value, ByIntent) else value)}`"


def features() -> str:
    """Every feature there is."""
    rows = [
        (f"`{name}`", feature.per, feature.unit, f"[{feature.low:g}, {feature.high:g}]", feature.meaning)
        for name, feature in fs.FEATURES.items()
    ]
    return table(("feature", "for each", "unit", "bounds", "meaning"), rows)


def reward_terms() -> str:
    """The terms of the reward."""
    rows = [(f"`{name}`", "yes" if term.is_money else "no", term.meaning) for name, term in fs.REWARD_TERMS.items()]
    return table(("term", "in the profit", "meaning"), rows)


def metrics() -> str:
    """The metrics of a sale."""
    return table(("metric", "meaning"), [(f"`{name}`", meaning) for name, meaning in fs.METRICS.items()])


# --- agents, customers, commands, code


def agents() -> str:
    """Every agent that ships: those registered by a user are given as an object, without a module."""
    shipped = [entry for entry in AGENTS.values() if entry.module]
    rows = [(f"`{entry.name}`", "yes" if entry.learns else "", entry.description) for entry in shipped]
    return table(("name", "trained", "what it does"), rows)


def customers() -> str:
    """The shipped populations."""
    return table(("population", "what it is"), [(f"`{row['name']}`", row["description"]) for row in populations()])


def benchmarks() -> str:
    """The shipped benchmarks."""
    rows = [(f"`{row['name']}`", row["description"]) for row in described(BENCHMARKS, "")]
    return table(("name", "what it compares"), rows)


def commands() -> str:
    """The commands of `flashsale`, each by the first sentence of its help."""
    group = typer.main.get_command(app)
    rows = []
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        words = " ".join((command.help or "").split())
        rows.append((f"`{name}`", words))
    return table(("command", "what it does"), rows)


def outcomes() -> str:
    """The outcomes by which groups of customers are compared."""
    rows = [(f"`{name}`", outcome.meaning, f"`{outcome.whole}`") for name, outcome in OUTCOMES.items()]
    return table(("outcome", "meaning", "of"), rows)


def studies() -> str:
    """The studies of `flashsale study`."""
    return table(("study", "question"), [(f"`{name}`", summary) for name, summary in STUDIES.items()])


def columns(kind: str) -> str:
    """The columns of transactions, choices or a catalogue."""
    known = {"transactions": TRANSACTION_COLUMNS, "choices": CHOICE_COLUMNS, "catalogue": CATALOGUE_COLUMNS}[kind]
    return table(
        ["column", "needed", "meaning"],
        [[f"`{name}`", "yes" if column.required else "", column.meaning] for name, column in known.items()],
    )


def readers() -> str:
    """The ready readers, with the columns that make a table theirs."""
    rows = []
    for reader in READERS.values():
        needed = [
            ", ".join("`" + "` or `".join(names) + "`" for names in role.columns.values())
            for role in reader.roles.values()
            if role.needed
        ]
        rows.append([f"`{reader.name}`", reader.what, "; ".join(needed) or f"the package {reader.package}"])
    return table(["reader", "what it reads", "columns of its tables"], rows)


def cases() -> str:
    """The validation cases of `flashsale verify`."""
    rows = [(f"`{case.name}`", case.statement, case.source) for case in CASES.values()]
    return table(("case", "theory", "source"), rows)


def ranges() -> str:
    """The ranges of random scenarios, of the sale and of every mechanism."""
    held = {"the sale": CLOCK, "a product": PRODUCTS}
    held |= {f"`{name}`": entry.mechanism.ranges for name, entry in fs.MECHANISMS.items()}
    rows = [
        (part, f"`{setting}`", _range(values))
        for part, settings in held.items()
        for setting, values in settings.items()
    ]
    return table(("part", "setting", "values"), rows)


def _range(values: Between | OneOf) -> str:
    if isinstance(values, Between):
        return f"{values.low:g} to {values.high:g}"
    return ", ".join(f"`{_shown(value)}`" for value in dict.fromkeys(values.values))


def _shown(value: object) -> str:
    """A value as a file gives it; a part of a part is shown by its title, or as a table."""

    def plain(part: typing.Any) -> object:
        return part.title if hasattr(part, "title") else dataclasses.asdict(part)

    return json.dumps(list(value) if isinstance(value, tuple) else value, default=plain)


def facts() -> str:
    """The published facts of `flashsale realism`."""
    rows = [
        (entry.name, entry.target, _accepted(entry), ", ".join(f"`{name}`" for name in entry.needs), entry.source)
        for entry in STATISTICS
    ]
    return table(("statistic", "published", "passes", "needs", "source"), rows)


def _accepted(statistic: Statistic) -> str:
    if statistic.accepted is None:
        return "reported only"
    low, high = (100 * value if statistic.in_percent else value for value in statistic.accepted)
    return f"{low:.3g} to {high:.3g}{' %' if statistic.in_percent else ''}"


def mechanisms() -> str:
    """The mechanisms of the market: field of `Scenario`, file, what it owns."""
    rows = []
    for name, entry in fs.MECHANISMS.items():
        path = Path(inspect.getfile(entry.mechanism.settings)).relative_to(ROOT)
        rows.append((f"`{name}`", "yes" if entry.optional else "", f"`{path.as_posix()}`", _first_line(ROOT / path)))
    return table(("field of a scenario", "optional", "file", "what it is"), rows)


def example(name: str) -> str:
    """A worked example of `docs/examples`, which a test adds to a copy of the package."""
    return f"```python\n{(ROOT / 'docs' / 'examples' / f'{name}.py').read_text(encoding='utf-8').strip()}\n```"


def elasticities() -> str:
    """Price elasticities, true and recovered, from the card of the population `learned`."""
    rows = [
        (intent, f"{row['true']:.2f}", f"{row['recovered']:.2f}")
        for intent, row in _card("flashsale_env/data/learned")["figures"]["elasticity"].items()
    ]
    return table(("intent", "true", "recovered from text"), rows)


def throughput() -> str:
    """The throughput that has a target, from `benchmarks/results.json`."""
    rows = []
    for row in json.loads((ROOT / "benchmarks" / "results.json").read_text())["rows"]:
        if row["target"] is not None:
            sign = "≥" if row["direction"] == "at least" else "≤"
            goal = f"{sign} {_number(row['target'])}"
            value = f"{_number(row['value'])} {row['unit']}".strip()
            rows.append((row["name"], value, goal, "yes" if row["met"] else "**no**"))
    return table(("what", "median", "target", "met"), rows)


def service() -> str:
    """Latency and rates of the service, from `benchmarks/service/results.json`, and the machine."""
    path = ROOT / "benchmarks" / "service" / "results.json"
    if not path.is_file():
        return "No figures are kept yet: they want a quiet machine."
    result = json.loads(path.read_text())
    rows = [(row["name"], f"{_number(row['value'])} {row['unit']}", row["notes"]) for row in result["rows"]]
    machine = result["machine"]
    on = f"On {machine['cpu']}, {machine['cores']} cores, beside a load of {machine['load_before']} by other processes."
    return f"{table(('what', 'value', 'how'), rows)}\n\n{on}"


def _number(value: float) -> str:
    for size, sign in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{sign}"
    return f"{value:.3g}"


def tree() -> str:
    """The folders and modules, each with the first line of its docstring."""
    lines = []
    for package in PACKAGES:
        for folder in sorted({path.parent for path in (ROOT / package).rglob("*.py")}):
            home, own = folder.relative_to(ROOT), folder / "__init__.py"
            lines.append(f"{f'{home.as_posix()}/':<34}{_first_line(own) if own.exists() else ''}".rstrip())
            for path in sorted(folder.glob("*.py")):
                if not path.name.startswith("__"):
                    lines.append(f"{f'    {path.name}':<34}{_first_line(path)}".rstrip())
    return "```text\n" + "\n".join(lines) + "\n```"


def _first_line(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].rstrip(".")


def _card(folder: str) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    return json.loads((ROOT / folder / "card.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


# --- the README's figures, quoted from where they are measured


def figures() -> str:
    """The most important figures, each with the command that gives it."""
    learned = json.loads((ROOT / "flashsale_env" / "data" / "learned" / "card.json").read_text())["figures"]
    closed = learned["share_of_gap_closed"]
    rows = json.loads((ROOT / "benchmarks" / "results.json").read_text())["rows"]
    served = next(row for row in rows if row["name"] == "served customers, standard")
    _, *quantities = cells(measured("verification"))
    passed = sum(row[-1] == "pass" for row in quantities)
    gain = measured_cell("standard", "ppo", "less sell_through ± 95 %").lstrip("+")
    text = measured_cell("ablation", "ppo", "standard: less ppo, intents hidden").lstrip("+")
    optimum = measured_cell("table", "ppo", "K = 60, any price: of the optimum")
    return table(
        ("question", "answer", "command"),
        (
            (
                "Does the simulator agree with theory?",
                f"{passed} of {len(quantities)} quantities with a known value, one false alarm in 100 runs",
                "`flashsale verify`",
            ),
            (
                "Does an agent find a known optimum?",
                f"PPO earns {optimum} of Gallego and van Ryzin's",
                "`flashsale benchmark table --out DIR`",
            ),
            (
                "Does learning beat a tuned rule?",
                f"PPO earns {gain} a sale more than the tuned rule `sell_through`",
                "`flashsale benchmark standard --out DIR`",
            ),
            (
                "Is reading the customers worth money?",
                f"PPO earns {text} a sale more with the messages than without",
                "`flashsale benchmark ablation --out DIR`",
            ),
            (
                "How much of demand does the text explain?",
                _percent(closed),
                "`flashsale study populations --out DIR`",
            ),
            ("How fast is it?", f"{_number(served['value'])} customers a CPU-second", "`flashsale bench`"),
        ),
    )


def _percent(share: dict[str, float]) -> str:
    mean, low, high = (f"{100 * share[name]:.1f}" for name in ("mean", "low", "high"))
    return f"{mean} % ({low} to {high} %) of what the true intent explains beyond prices"


def results() -> str:
    """An excerpt of the table of agents."""
    head, *rows = cells(measured("table"))
    shown = ("random", "fixed_price", "sell_through", "lp_resolve", "ucb", "dp", "ppo")
    return table(head, [row for row in rows if row[0] in shown])


BLOCKS: dict[str, Callable[..., str]] = {
    function.__name__: function
    for function in (
        *(scenarios, scenario, settings, layout, features, reward_terms, metrics),
        *(agents, customers, benchmarks, commands, studies, mechanisms, cases, ranges, facts, example),
        *(elasticities, throughput, service, tree, figures, results, columns, readers, reports, outcomes),
    )
}


# --- measured blocks


def _result(folder: Path) -> Any:
    """What the study in a folder found."""
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


def from_report(folder: Path) -> str:
    """The first table of `flashsale report DIR --markdown`, and the sentence below it."""
    lines = _flashsale("report", str(folder), "--markdown").splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("|"))
    end = next((i for i, line in enumerate(lines[begin:], begin) if not line.startswith("|")), len(lines))
    note = lines[end + 1] if end + 1 < len(lines) and not lines[end + 1].startswith("**") else ""
    return "\n".join(lines[begin:end]) + (f"\n\n{note}" if note else "")


def from_sim2real(folder: Path) -> str:
    """The table of the study `sim2real`."""
    found = _result(folder)["rows"]
    rows = []
    for row in found:
        gap = row.get("gap")
        visits = "trained in the reference world" if row["visits"] is None else f"{row['visits']:,}"
        lost = "" if gap is None else f"{gap['mean']:,.0f} ({100 * gap['share']:.1f} %)"
        interval = "" if gap is None else f"{gap['ci_low']:,.0f} to {gap['ci_high']:,.0f}"
        rows.append((visits, f"{row['mean_profit']:,.0f}", lost, interval))
    return table(("visits in the log", "mean profit in the reference world", "lost", "95 % interval"), rows)


def from_coverage(folder: Path) -> str:
    """The table of the study `coverage`."""
    return table(coverage.COLUMNS, coverage.cells(_result(folder)["rows"]))


def from_push(folder: Path) -> str:
    """What each player of the study `push` earns."""
    return table(push.COLUMNS, push.cells(_result(folder)))


def from_push_pairs(folder: Path) -> str:
    """What the shelf is worth to rules and learners, from the study `push`."""
    return table(push.OF_PAIRS, push.cells_of_pairs(_result(folder)))


def from_ranking(folder: Path) -> str:
    """What each list of the study `ranking` earns."""
    found = _result(folder)
    return table(ranking.columns(found), ranking.cells(found))


def from_duopoly(folder: Path) -> str:
    """Where the learners of the study `duopoly` end."""
    return table(duopoly.columns(), duopoly.cells(_result(folder)))


def from_retention(folder: Path) -> str:
    """What each rule of giving a coupon earns in the study `retention`."""
    return table(retention.COLUMNS, retention.cells(_result(folder)))


def from_fairness(folder: Path) -> str:
    """What equal treatment costs, from the study `fairness`."""
    return table(fairness.COLUMNS, fairness.cells(_result(folder)))


def from_fairness_groups(folder: Path) -> str:
    """How groups are served with a limit and without, from the study `fairness`."""
    return table(fairness.OF_GROUPS, fairness.cells_of_groups(_result(folder)))


def from_fairness_spread(folder: Path) -> str:
    """How far groups lie apart without a limit, from the study `fairness`."""
    _, spread = tables(_result(folder)["audits"][fairness.FREE], fairness.FREE)
    return table(SPREAD, spread.rows)


def from_sessions(folder: Path) -> str:
    """How well each predictor of the study `sessions` orders customers."""
    return table(sessions.AREA_COLUMNS, sessions.cells(_result(folder)))


def from_next_basket(folder: Path) -> str:
    """How good the lists of the study `next-basket` are."""
    found = _result(folder)
    return table(next_basket.columns(found), next_basket.cells(found))


def from_next_basket_return(folder: Path) -> str:
    """Who came back, from the study `next-basket`."""
    return table(next_basket.RETURN_COLUMNS, next_basket.cells_of_return(_result(folder)))


def from_sessions_coupons(folder: Path) -> str:
    """What each rule of giving the coupon earns in the study `sessions`."""
    return table(sessions.COUPON_COLUMNS, sessions.coupon_cells(_result(folder)))


def from_ranking_places(folder: Path) -> str:
    """How far customers read, from the study `ranking`."""
    return table(ranking.PLACES, ranking.cells_of_places(_result(folder)))


def from_privacy(folder: Path) -> str:
    """What masking finds, from the study `privacy`."""
    found = _result(folder)
    return table(privacy.MASKING, privacy.cells_of_masking(found))


def from_privacy_price(folder: Path) -> str:
    """What noise on the shares of intents costs, from the study `privacy`."""
    found = _result(folder)
    return table(privacy.PRICE, privacy.cells_of_price(found))


def from_strategy(folder: Path) -> str:
    """The table of `flashsale strategy`."""
    found = _result(folder)
    scale = max(abs(row["mean"]) for row in found["rows"])
    rows = [
        (
            row["strategy"],
            str(row["runs"]),
            plus_minus(row, scale),
            percent({"mean": row["share"], "ci_low": row["share_low"], "ci_high": row["share_high"]}),
        )
        for row in found["rows"]
    ]
    title = f"`{found['scenario']}`, {found['episodes']:,} test sales"
    return table((title, "searches", "profit", f"of `{found['rows'][0]['strategy']}`"), rows)


def from_verification(folder: Path | None) -> str:
    """The table of `flashsale verify --markdown`."""
    return _flashsale("verify", "--markdown").strip()


MEASURED: dict[str, Callable[..., str]] = {
    "strategy-gvr-periodic": from_strategy,
    "table": from_report,
    "standard": from_report,
    "ablation": from_report,
    "learners": from_report,
    "sim2real": from_sim2real,
    "coverage": from_coverage,
    "privacy": from_privacy,
    "privacy-price": from_privacy_price,
    "duopoly": from_duopoly,
    "push": from_push,
    "push-pairs": from_push_pairs,
    "ranking": from_ranking,
    "ranking-places": from_ranking_places,
    "retention": from_retention,
    "fairness": from_fairness,
    "fairness-groups": from_fairness_groups,
    "fairness-spread": from_fairness_spread,
    "sessions": from_sessions,
    "sessions-coupons": from_sessions_coupons,
    "next-basket": from_next_basket,
    "next-basket-return": from_next_basket_return,
    "verification": from_verification,
}


def _flashsale(*words: str) -> str:
    program = [sys.executable, "-m", "flashsale_env.experiments", *words]
    return subprocess.run(program, check=True, capture_output=True, text=True, cwd=ROOT).stdout


# --- the pages


def rewritten(text: str, filled: tuple[str, str] | None = None) -> str:
    """A page with its generated blocks made anew, and a measured block if one is given as (name, content)."""

    def block(found: "re.Match[str]") -> str:
        begin, kind, words, _, end = found.groups()
        if kind == "measured":
            return f"{begin}{filled[1]}\n{end}" if filled is not None and words == filled[0] else found[0]
        name, *arguments = words.split()
        if name not in BLOCKS:
            raise ValueError(f"no generated block {name!r}; there are {', '.join(sorted(BLOCKS))}.")
        return f"{begin}{BLOCKS[name](*arguments)}\n{end}"

    return BLOCK.sub(block, text)


def stale() -> list[str]:
    """The generated blocks that are not what the code gives, as "page: block"."""
    found = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for old, new in zip(BLOCK.findall(text), BLOCK.findall(rewritten(text)), strict=True):
            if old != new:
                found.append(f"{page.relative_to(ROOT)}: {old[2]}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the generated blocks of the documentation anew."""
    parser = argparse.ArgumentParser(prog="python docs/generate.py", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a block is out of date")
    parser.add_argument("--measured", nargs="+", metavar=("NAME", "DIR"), help="fill a measured block from a run")
    options = parser.parse_args(arguments)
    if options.check:
        print("\n".join(stale()))
        return 1 if stale() else 0
    filled = None
    if options.measured:
        name, *folder = options.measured
        if name not in MEASURED:
            parser.error(f"no measured block {name!r}; there are {', '.join(MEASURED)}.")
        if bool(folder) == (name == "verification"):
            parser.error(f"{name} {'takes no folder' if folder else 'needs the folder of its run'}.")
        filled = (name, MEASURED[name](Path(folder[0]) if folder else None))
    for _ in range(2 if filled else 1):  # the second time, blocks that quote the measured one
        for page in pages():
            text = page.read_text(encoding="utf-8")
            page.write_text(rewritten(text, filled), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
