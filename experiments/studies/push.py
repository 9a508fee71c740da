"""The study `push`: what paying for customers is worth, by who decides on it, and what the shelf tells about it.

Owns    the comparison of constant spending, rules and learners on the same sales, with and without the units on hand.
Leaves  rules to `agents.rules.levers`, the search for constant spending to `experiments.open_loop`, learning to
        `agents.sb3`.
Axes    R training runs, S test sales.
Units   currency.

Everybody decides on the price as well. The two rules are the same one, tuned with and without the features of the
shelf; without them it spends as theory says for a shelf that never empties. All learners start from that one, so what
one of them makes of the shelf is learnt. Of the two ceilings, the first is the best constant decisions in each sale,
chosen after it; the second holds for any policy.
"""

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from flashsale_env import ActionCodec, Population, Scenario, agents, load_population, load_scenario
from flashsale_env.agents import play, split_seeds
from flashsale_env.experiments.destinations import OutOrNowhere, run_in
from flashsale_env.experiments.display import Callback, present, progress_bar, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.formats import low_to_high, money
from flashsale_env.experiments.intervals import crossed_interval
from flashsale_env.experiments.open_loop import Effort, Family, Stage, best_schedule
from flashsale_env.experiments.options import (
    MOST_OF_ANYTHING,
    MOST_SALES,
    MOST_TRAINING_SALES,
    Json,
    Overwrite,
    Runs,
    ScenarioOption,
    TestSales,
)
from flashsale_env.experiments.pages.charts import Chart
from flashsale_env.experiments.pages.pictures import differences
from flashsale_env.experiments.tuning import Search, tune
from flashsale_env.theory.bounds import HINDSIGHT_SCOPE, hindsight_bound

Floats = npt.NDArray[np.float64]

PAID = ("push", "bid")  # the decisions in question
SHELF = ("on_hand", "stock_pressure", "reserved", "in_transit", "pipeline")
RULE = "fixed_price"
NOTHING, CONSTANT = "no spending", "best constant spending"
BLIND_RULE, RULE_BY_SHELF = "rule, shelf hidden", "rule"
BLIND_PPO, PPO = "ppo, shelf hidden", "ppo"
HINDSIGHT, BOUND = "best constant spending in hindsight", "hindsight bound"
# What is compared with what, beside everything with no spending.
PAIRS = ((RULE_BY_SHELF, BLIND_RULE), (PPO, BLIND_PPO), (PPO, RULE_BY_SHELF))
# Combinations of levels played for the ceiling.
_MOST_COMBINATIONS = 1000

Trials = Annotated[
    int, typer.Option("--trials", metavar="N", min=1, max=MOST_OF_ANYTHING, help="Tried for each schedule and rule.")
]
Sales = Annotated[int, typer.Option("--sales", metavar="N", min=2, max=MOST_SALES, help="Sales in each trial.")]
Training = Annotated[
    int,
    typer.Option("--training-sales", metavar="N", min=1, max=MOST_TRAINING_SALES, help="Sales of a training."),
]


@dataclass(frozen=True)
class Size:
    """The size of the study; `sales` are those of a trial, `training_sales` those of a learner's run, `settings` a
    learner's in place of the preset's.
    """

    trials: int = 80
    sales: int = 256
    training_sales: int = 98_304
    runs: int = 2
    episodes: int = 2000
    settings: Mapping[str, Any] = field(default_factory=dict)


EXAMPLES = ("flashsale study push --out runs/push",)


@on_interrupt("nothing was written: run the command again.")
def command(
    context: typer.Context,
    scenario: ScenarioOption = "push",
    trials: Trials = Size.trials,
    sales: Sales = Size.sales,
    training_sales: Training = Size.training_sales,
    runs: Runs = Size.runs,
    episodes: TestSales = Size.episodes,
    out: OutOrNowhere = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Measure what paying for customers is worth, by push messages and ads, to rules and to a learner.

    Rules and learners are compared with themselves where the units on hand are hidden.
    """
    sale = load_scenario(scenario)
    hidden(sale)  # a scenario that does not fit is refused before anything is written
    population = load_population(sale.population, list(sale.titles))
    size = Size(trials, sales, training_sales, runs, episodes)
    run = run_in(
        out,
        context.obj,
        options={"scenario": scenario, **asdict(size)},
        seeds={"training runs": list(range(runs)), "search": 0, "test split": 0},
        inputs=[Path(scenario)] if Path(scenario).exists() else [],
    )
    with run.claimed(overwrite=overwrite):
        with progress_bar("players") as advance:
            found = study(sale, population, size, advance)
        run.keep(found)
    present(found, show, out, as_json=as_json)


def hidden(scenario: Scenario) -> Scenario:
    """The scenario without the features of the shelf.

    Raises:
        ValueError: it has neither push nor ads, or shows no units on hand, or the rule does not apply to it.
    """
    if scenario.push is None and scenario.ads is None:
        raise ValueError(
            f"scenario {scenario.name!r} has neither [push] nor [ads], so there is nothing to pay for; "
            f"--scenario push has both."
        )
    if "on_hand" not in scenario.features:
        raise ValueError(f"scenario {scenario.name!r} does not show on_hand, so there is nothing to hide.")
    reason = agents.AGENTS[RULE].applies(scenario)
    if reason is not None:
        raise ValueError(f"the rule of this study, {RULE}, does not apply to scenario {scenario.name!r}: {reason}.")
    return scenario.replace(observe=tuple(name for name in scenario.features if name not in SHELF))


def study(scenario: Scenario, population: Population, size: Size, advance: Callback) -> dict[str, Any]:
    """Tune and train every player, and play all of them in the same sales.

    Returns:
        "rows", one for each player and ceiling: "player", "profit", "paid" (spent on messages and ads) and "units" sold
        (means over runs and sales; None for ceilings), and "gain" over no spending with "ci_low" and "ci_high";
        "pairs": the same of "player" over "against"; "params": those of the rules.
    """
    seeds = split_seeds("test", 0, size.episodes)
    blind, stage = hidden(scenario), Stage(scenario, population, seeds)
    table: dict[str, list[Any]] = {}
    todo = 5 + 2 * size.runs
    steps = iter(range(todo + 1))

    def begins(name: str) -> None:
        advance(next(steps), todo, name)

    paid = tuple(name for name in PAID if len(ActionCodec(scenario).columns(name)))
    for name, held in ((NOTHING, paid), (CONSTANT, ())):
        begins(name)
        table[name] = [stage.metrics(best_constant(scenario, population, held, size))]
    params: dict[str, dict[str, Any]] = {}
    for name, seen in ((BLIND_RULE, blind), (RULE_BY_SHELF, scenario)):
        begins(name)
        search = Search(size.trials, size.sales)
        start = params.get(BLIND_RULE)
        params[name] = tune(RULE, seen, population, search=search, start=start and with_shelf(start, seen))
        table[name] = [play(agents.make(RULE, seen, **params[name]), seen, population, seeds=seeds)]
    for name, seen in ((BLIND_PPO, blind), (PPO, scenario)):
        for seed in range(size.runs):
            begins(name)
            advice = with_shelf(params[BLIND_RULE], seen)
            settings = {"sales": size.training_sales, "adviser": RULE, "adviser_params": advice, **size.settings}
            learner = agents.make("ppo", seen, seed=seed, **settings)
            learner.learn(population)
            table.setdefault(name, []).append(play(learner, seen, population, seeds=seeds))
    begins("ceilings")
    profits = {name: np.array([played["profit"] for played in runs]) for name, runs in table.items()}
    means = {
        name: (mean_of(runs, "push_spend", "ad_spend"), mean_of(runs, "units_sold")) for name, runs in table.items()
    }
    profits |= {name: values[None] for name, values in ceilings(scenario, population, stage, seeds).items()}
    advance(todo, todo, "")
    return {
        "scenario": scenario.name,
        "size": asdict(size),
        "rows": [
            {"player": name, "profit": float(found.mean()), "paid": means.get(name, (None, None))[0],
             "units": means.get(name, (None, None))[1], **gain(found, profits[NOTHING])}
            for name, found in profits.items()
        ],
        "pairs": [
            {"player": one, "against": other, **gain(profits[one], profits[other])} for one, other in PAIRS
        ],
        "params": params,
    }  # fmt: skip


def best_constant(scenario: Scenario, population: Population, held: tuple[str, ...], size: Size) -> Floats:
    """(T, C) box actions: the best level of every decision for the whole sale, those of `held` at their first."""
    family = Family(scenario, 1, held=held, constant=True, by_row=True)
    return family.actions(best_schedule(family, population, effort=Effort(size.trials, size.sales)))


def with_shelf(params: Mapping[str, float], scenario: Scenario) -> dict[str, float]:
    """Parameters of the rule that decide as without the shelf, in a scenario that may show it."""
    space = agents.entry(RULE).space(scenario)
    return {name: 0.0 for name in space if name.endswith("_cover")} | dict(params)


def ceilings(
    scenario: Scenario, population: Population, stage: Stage, seeds: npt.NDArray[np.uint64]
) -> dict[str, Floats]:
    """(S,) the profit of the best constant decisions in each sale, and of the hindsight bound where it holds.

    Constant decisions are left out where there are too many combinations of levels.
    """
    found = {}
    codec = ActionCodec(scenario)
    if np.prod(codec.n_levels.astype(float)) <= _MOST_COMBINATIONS:
        best = np.full(len(seeds), -np.inf)
        for levels in itertools.product(*map(range, codec.n_levels)):
            action = codec.from_levels(np.array([levels]))
            best = np.maximum(best, stage.profit(np.repeat(action, scenario.horizon_ticks, axis=0)))
        found[HINDSIGHT] = best
    if HINDSIGHT_SCOPE.why_not(scenario, population) is None:
        found[BOUND] = hindsight_bound(scenario, population, seeds=seeds).per_sale
    return found


def mean_of(runs: list[Any], *names: str) -> float:
    """The mean of the sum of these metrics, over runs and sales."""
    return float(np.mean([sum(np.asarray(played[name]) for name in names) for played in runs]))


def gain(first: Floats, second: Floats) -> dict[str, float]:
    """The mean difference of (R, S) profits with its interval, on the same sales; a rule has one run."""
    found = crossed_interval(np.asarray(first - second))
    return {"gain": found.mean, "ci_low": found.low, "ci_high": found.high}


COLUMNS = ("player", "profit", "spent", "units", "less no spending", "95 % interval")
OF_PAIRS = ("player", "less", "difference", "95 % interval")


def cells(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table of players; ceilings last."""
    scale = max(abs(row["profit"]) for row in result["rows"][:-1])
    return [
        (
            row["player"],
            money(row["profit"], scale),
            "" if row["paid"] is None else money(row["paid"], scale),
            "" if row["units"] is None else f"{row['units']:.1f}",
            money(row["gain"], scale, "+"),
            low_to_high(row, scale, "+"),
        )
        for row in result["rows"]
    ]


def cells_of_pairs(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table of pairs."""
    scale = max(abs(row["profit"]) for row in result["rows"][:-1])
    return [
        (row["player"], row["against"], money(row["gain"], scale, "+"), low_to_high(row, scale, "+"))
        for row in result["pairs"]
    ]


def show(result: Mapping[str, Any]) -> None:
    """What each player earns and spends, and what the shelf is worth."""
    size = result["size"]
    title = (
        f"{result['scenario']}: {size['episodes']:,} fresh sales; learners {size['runs']} runs of "
        f"{size['training_sales']:,} sales; ceilings last"
    )
    show_table(title, COLUMNS, cells(result))
    show_table("on the same customers", OF_PAIRS, cells_of_pairs(result), text_columns=2)


def charts(result: Mapping[str, Any]) -> dict[str, Chart]:
    """What each player gains over no spending."""
    gains = {
        row["player"]: {"mean": row["gain"], **row} for row in result["rows"] if row["player"] not in (NOTHING, BOUND)
    }
    return {"players": differences(gains, "profit, less that without spending")}
