"""The study `fairness`: who is served how, and what it costs a learner to treat groups of customers alike.

Owns    the players: a rule that treats everybody alike, a learner without a limit, and the same under a mild and a
        strict one; what a limit costs.
Leaves  the limit to `agents.sb3.parity`, the audit of a player to `experiments.audit`, the best prices under a limit
        to `theory.fairness`.
Axes    R training runs, S test sales, I groups.
Units   currency a sale; a gap in the unit of its outcome.

A limit is a share of the gap that the learner leaves without one, measured on validation sales. The floor is the rule:
one level of each decision for all, which leaves no gap that offers could make. The ceiling is the learner without a
limit. In the scenario `intent` the best prices under a limit are known, and stand beside the learners.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from flashsale_env import ActionCodec, Population, Scenario, agents, load_population, load_scenario
from flashsale_env.agents import split_seeds
from flashsale_env.agents.sb3.parity import Parity, gap_of
from flashsale_env.errors import unknown_name
from flashsale_env.experiments import audit
from flashsale_env.experiments.destinations import OutOrNowhere, run_in
from flashsale_env.experiments.display import Callback, present, progress_bar, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.formats import Table, low_to_high, money
from flashsale_env.experiments.intervals import crossed_interval
from flashsale_env.experiments.open_loop import Effort, Family, best_schedule
from flashsale_env.experiments.options import (
    MOST_TRAINING_SALES,
    Json,
    Overwrite,
    PopulationOption,
    Runs,
    ScenarioOption,
    TestSales,
)
from flashsale_env.experiments.pages.charts import Chart
from flashsale_env.experiments.pages.pictures import differences
from flashsale_env.market.fairness import GROUPINGS, LANGUAGE, OUTCOMES
from flashsale_env.theory.fairness import limited_prices

Floats = npt.NDArray[np.float64]

ALIKE, FREE, MILD, STRICT = "alike", "ppo", "ppo, mild limit", "ppo, strict limit"
# Decisions that treat customers differently.
PERSONAL = ("targeted", "coupon", "push")
RULE, LEARNER = "fixed_price", "ppo"
# Parameters of the rule -> the decision whose level they are.
_LEVELS = {"price_level": "price", "offer": "targeted"}
# In `intent` nothing carries over from tick to tick, so credit need not reach far; the preset holds for other sales.
OF_INTENT = {
    **{"siblings": 8, "learning_rate": 1e-2, "gae_lambda": 0.5, "log_std": -1.0, "n_epochs": 6, "net_arch": (32,)},
    **{"validate_every": 12, "validation_sales": 2048},
}

By = Annotated[str, typer.Option("--by", metavar="NAME", help=f"What makes a group: {' or '.join(GROUPINGS)}.")]
Of = Annotated[str, typer.Option("--outcome", metavar="NAME", help=f"What the limit is on: {', '.join(OUTCOMES)}.")]
Group = Annotated[
    list[str] | None, typer.Option("--group", metavar="NAME", help="Limit the gap between these alone [default: all].")
]
ShareOf = Annotated[float, typer.Option(min=0.0, max=1.0, help="Limit, as a share of the gap without one.")]
Training = Annotated[
    int, typer.Option("--training-sales", metavar="N", min=1, max=MOST_TRAINING_SALES, help="Sales of a training.")
]

EXAMPLES = (
    "flashsale study fairness --out runs/fairness",
    "flashsale study fairness --outcome purchase_rate --group gift --group bulk",
)


@dataclass(frozen=True)
class Size:
    """The size of the study; `trials` are those of the rule, `settings` the learner's in place of its own."""

    training_sales: int = 49_152
    runs: int = 3
    episodes: int = 8000
    trials: int = 60
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """What is limited, and how much of the gap is left."""

    by: str = GROUPINGS[0]
    outcome: str = "mean_price"
    groups: tuple[str, ...] = ()
    mild: float = 0.5
    strict: float = 0.1


@on_interrupt("nothing was written: run the command again.")
def command(
    context: typer.Context,
    scenario: ScenarioOption = "intent",
    population: PopulationOption = None,
    by: By = Limits.by,
    outcome: Of = Limits.outcome,
    group: Group = None,
    mild: ShareOf = Limits.mild,
    strict: ShareOf = Limits.strict,
    training_sales: Training = Size.training_sales,
    runs: Runs = Size.runs,
    episodes: TestSales = Size.episodes,
    out: OutOrNowhere = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Measure who is served how, and what equal treatment costs a learner.

    A limit on the gap between groups of customers is a Lagrangian penalty whose multiplier is learnt.
    """
    audit.require_fairlearn()
    sale = load_scenario(scenario)
    customers = load_population(population or sale.population, list(sale.titles))
    limits, size = Limits(by, outcome, tuple(group or ()), mild, strict), Size(training_sales, runs, episodes)
    check(sale, customers, limits)  # what does not fit is refused before anything is written
    run = run_in(
        out,
        context.obj,
        options={"scenario": scenario, "population": population, **asdict(limits), **asdict(size)},
        seeds={"training runs": list(range(runs)), "search": 0, "validation split": 0, "test split": 0},
        inputs=[Path(name) for name in (scenario, population or "") if name and Path(name).exists()],
    )
    with run.claimed(overwrite=overwrite):
        with progress_bar("players") as advance:
            found = study(sale, customers, limits, size, advance)
        run.keep(found)
    present(found, show, out, as_json=as_json)


def check(scenario: Scenario, population: Population, limits: Limits) -> None:
    """Refuse what leaves nothing to compare.

    Raises:
        ValueError: no decision of the scenario treats customers differently, unknown names, customers of one group, or
            a strict limit that is not below the mild one.
    """
    codec = ActionCodec(scenario)
    if not any(len(codec.columns(name)) for name in PERSONAL):
        raise ValueError(
            f"scenario {scenario.name!r} treats all customers alike: none of its decisions is about "
            f"{', '.join(PERSONAL)}. --scenario intent has offers by predicted intent."
        )
    if limits.by not in GROUPINGS:
        raise ValueError(f"--by: {unknown_name('grouping', limits.by, GROUPINGS)}")
    if limits.by not in audit.groupings(population):
        hint = " In scenario standard, --population learned-en-zh has two." if limits.by == LANGUAGE else ""
        raise ValueError(f"all of these customers are of one {limits.by}: there are no groups to compare.{hint}")
    if not limits.strict < limits.mild:
        raise ValueError(f"--strict must be below --mild, got {limits.strict:g} and {limits.mild:g}.")
    Parity(0.0, limits.outcome, limits.groups).among(audit.measured(scenario, limits.by), population)


def study(scenario: Scenario, population: Population, limits: Limits, size: Size, advance: Callback) -> dict[str, Any]:
    """Train every player, and audit it on the same sales.

    Returns:
        "rows", one a player: "player", "limit" (None without), "profit", "cost" (less than without a limit), "gap",
        "multiplier" at the end of the training (None for the rule) and "optimum", the profit of the best prices under
        the limit (None where unknown). "audits": player -> `audit.audit`. "scenario", the limits and "size".

    Raises:
        ValueError: the learner leaves no gap that could be limited.
    """
    sale = audit.measured(scenario, limits.by)
    todo = 2 + 3 * size.runs
    steps = iter(range(todo + 1))

    def trained(name: str, limit: float | None) -> list[tuple[Any, float | None]]:
        learners = []
        for seed in range(size.runs):
            advance(next(steps), todo, name)
            learner = agents.make(LEARNER, sale, seed=seed, population=population, **settings)
            limited = None if limit is None else Parity(limit, limits.outcome, limits.groups)
            curve = learner.learn(population, parity=limited)
            learners.append((learner, curve[-1].get("multiplier")))
        return learners

    advance(next(steps), todo, ALIKE)
    rule = everybody_alike(sale, population, size)
    settings = learner_settings(scenario, sale, rule, size)
    learners: dict[str, list[tuple[Any, float | None]]] = {ALIKE: [(rule, None)], FREE: trained(FREE, None)}
    gap = gap_left([agent for agent, _ in learners[FREE]], sale, population, limits, size)
    allowed: dict[str, float | None] = {ALIKE: None, FREE: None, MILD: limits.mild * gap, STRICT: limits.strict * gap}
    for name in (MILD, STRICT):
        learners[name] = trained(name, allowed[name])
    advance(next(steps), todo, "test sales")
    seeds = split_seeds("test", 0, size.episodes)
    played = {
        name: audit.play_counted([agent for agent, _ in found], sale, population, seeds)
        for name, found in learners.items()
    }
    advance(todo, todo, "")
    among = Parity(0.0, limits.outcome, limits.groups).among(sale, population)
    groups = sale.fairness.groups(population) if sale.fairness is not None else ()
    rows = []
    for name, (profits, found) in played.items():
        ends = [value for _, value in learners[name] if value is not None]
        best = optimum(scenario, population, limits, name, allowed[name], found)
        row = {"player": name, "limit": allowed[name], "profit": float(profits.mean()), "optimum": best}
        row["multiplier"] = float(np.mean(ends)) if ends else None
        spread, _ = audit.spread_by_sale(limits.outcome, {key: column[..., among] for key, column in found.items()})
        rows.append({**row, "cost": _interval(played[FREE][0] - profits), "gap": _interval(spread)})
    audits = {name: audit.audit(found, groups) for name, (_, found) in played.items()}
    return {"rows": rows, "audits": audits, "scenario": scenario.name, **asdict(limits), "size": asdict(size)}


def gap_left(free: Sequence[Any], sale: Scenario, population: Population, limits: Limits, size: Size) -> float:
    """The gap that learners leave without a limit, on validation sales; the mean over the runs.

    Raises:
        ValueError: they leave none.
    """
    parity = Parity(0.0, limits.outcome, limits.groups)
    _, found = audit.play_counted(free, sale, population, split_seeds("validation", 0, size.episodes))
    among = parity.among(sale, population)
    runs = ({name: column[r] for name, column in found.items()} for r in range(len(free)))
    gap = float(np.mean([gap_of(parity.outcomes(run, among)) for run in runs]))
    if not gap > 0:
        raise ValueError(f"without a limit the learner leaves no gap in {limits.outcome}: there is nothing to limit.")
    return gap


class EverybodyAlike:
    """A policy that takes one action for ever."""

    encoding = "box"

    def __init__(self, action: Floats) -> None:
        self.action = action

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> tuple[Floats, Any]:
        """The action, once for each sale."""
        return np.tile(self.action, (len(observation), 1)), state


def everybody_alike(sale: Scenario, population: Population, size: Size) -> EverybodyAlike:
    """The best constant decisions with one level of each decision: one offer to all intents, and no push to some."""
    family = Family(sale, 1, constant=True)
    return EverybodyAlike(family.actions(best_schedule(family, population, effort=Effort(size.trials)))[0])


def learner_settings(scenario: Scenario, sale: Scenario, rule: EverybodyAlike, size: Size) -> dict[str, Any]:
    """Settings of the learner, which starts from the rule that treats everybody alike."""
    settings: dict[str, Any] = {"sales": size.training_sales}
    if scenario.name == "intent":
        settings |= OF_INTENT
    if agents.entry(RULE).applies(sale) is None:
        codec = ActionCodec(sale)
        levels = dict(zip(codec.names, codec.to_levels(rule.action[None])[0].tolist(), strict=True))
        space = agents.entry(RULE).space(sale)
        params = {}
        for name in space:
            kind, _, label = name.partition("[")
            row = f"{_LEVELS.get(kind, '')}[{label}"
            if row in levels:
                params[name] = levels[row]
        settings |= {"adviser": RULE, "adviser_params": params}
    return settings | dict(size.settings)


def optimum(
    scenario: Scenario, population: Population, limits: Limits, name: str, limit: float | None, found: audit.Counts
) -> float | None:
    """Expected profit a sale of the best prices under the limit, for as many customers as came; None if not known.

    For the rule it is that of the best single price. It is known in `intent`: one product whose stock never binds, and
    a price for each predicted intent.
    """
    plain, prices = load_scenario("intent"), ("mean_price", "relative_price")
    known = scenario == plain and limits.outcome in prices and limits.by == GROUPINGS[0] and not limits.groups
    if not known:
        return None
    product, intents = plain.products[0], np.unique(population.latent_class)
    of = [population.latent_class == intent for intent in intents]
    sensitivity = [np.unique(population.price_sensitivity[rows]) for rows in of]
    if any(len(values) > 1 for values in sensitivity) or population.relevance.any():
        return None
    means = [product.reference_price / float(values[0]) for values in sensitivity]
    shares = [float(population.weight[rows].sum()) for rows in of]
    predicted = population.intent_probabilities.argmax(axis=1)
    confusion = np.zeros((len(of), population.intent_probabilities.shape[1]))
    for row, rows in zip(confusion, of, strict=True):
        np.add.at(row, predicted[rows], population.weight[rows])
    unit = product.list_price if limits.outcome == "relative_price" else 1.0
    free = np.inf if name == FREE else 0.0
    revenue, _ = limited_prices(means, shares, confusion, free if limit is None else limit * unit)
    return revenue * float(found["customers"].sum(axis=2).mean())


def _interval(values: Floats) -> dict[str, float]:
    found = crossed_interval(values)
    return {"mean": found.mean, "ci_low": found.low, "ci_high": found.high}


COLUMNS = (
    "player",
    "gap allowed",
    "gap left",
    "95 % of the gap",
    "profit",
    "cost",
    "95 % of the cost",
    "optimum",
)


def cells(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table of players."""
    scale = max(abs(row["profit"]) for row in result["rows"])
    of = result["outcome"]
    return [
        (
            row["player"],
            audit.written(of, row["limit"]),
            audit.written(of, row["gap"]["mean"]),
            " .. ".join(audit.written(of, row["gap"][end]) for end in ("ci_low", "ci_high")),
            money(row["profit"], scale),
            "" if row["player"] == FREE else money(row["cost"]["mean"], scale),
            "" if row["player"] == FREE else low_to_high(row["cost"], scale),
            "" if row["optimum"] is None else money(row["optimum"], scale),
        )
        for row in result["rows"]
    ]


COMPARED = ("mean_price", "purchase_rate", "surplus")
OF_GROUPS = ("group", *(f"{name.replace('_', ' ')}: no limit, strict" for name in COMPARED), "encoder accuracy")


def cells_of_groups(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Outcomes of each group without a limit and under the strict one."""
    free, strict = (result["audits"][name]["groups"] for name in (FREE, STRICT))
    return [
        (
            group,
            *(f"{audit.written(name, row[name])}, {audit.written(name, strict[group][name])}" for name in COMPARED),
            audit.written("encoder_accuracy", row["encoder_accuracy"]),
        )
        for group, row in free.items()
    ]


def audits(result: Mapping[str, Any]) -> Sequence[Table]:
    """The tables of the learner without a limit and of the strictest one."""
    return [table for name in (FREE, STRICT) for table in audit.tables(result["audits"][name], name)]


def show(result: Mapping[str, Any]) -> None:
    """What a limit costs, and who is served how with and without it."""
    size, outcome = result["size"], result["outcome"].replace("_", " ")
    title = (
        f"{result['scenario']}: the gap in {outcome} by {result['by']}; {size['episodes']:,} fresh sales; learners "
        f"{size['runs']} runs of {size['training_sales']:,} sales"
    )
    show_table(title, COLUMNS, cells(result))
    for content in audits(result):
        show_table(content.title, content.columns, content.rows, text_columns=1)


def charts(result: Mapping[str, Any]) -> dict[str, Chart]:
    """What each player earns less than the learner without a limit."""
    costs = {row["player"]: row["cost"] for row in result["rows"] if row["player"] != FREE}
    return {"costs": differences(costs, "profit a sale given up for equal treatment")}
