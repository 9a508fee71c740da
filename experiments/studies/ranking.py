"""The study `ranking`: what the order of a list is worth, by who writes it.

Owns    the comparison of all rankers on customers of the reference world that none of them has met.
Leaves  the rankers and what they learn from to `encoders.ranking`.
Axes    M products, R lists, W test worlds, S sales of a world.
Units   profit in the scenario's currency.

A shop has logged sales with a shuffled list. From this log, and from what encoder and demand model say of those
customers, each ranker writes its list. The lists are then shown, all else equal, in several test worlds. Each has
voices of unseen templates, sales, and a shuffled log of its own; intervals are over the worlds. Two more lists are
ceilings: they know the tastes of the very customers who come. One is by predicted intents, as all lists are, the other
by the true ones.
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from flashsale_env import INTENTS, ActionCodec, Population, Ranking, Scenario, load_scenario
from flashsale_env.agents import split_seeds
from flashsale_env.encoders.demand.tastes import DemandModel
from flashsale_env.encoders.ranking import RANKERS, ranking
from flashsale_env.encoders.ranking.examination import examined_shares
from flashsale_env.encoders.ranking.logs import past_customers, shuffled_log
from flashsale_env.encoders.ranking.margin import expected_margin
from flashsale_env.encoders.ranking.quality import gain_at
from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.encoders.world.building import DEMAND_FOLDER
from flashsale_env.encoders.world.experiment import draw_voices
from flashsale_env.encoders.world.seeding import log_seed
from flashsale_env.experiments.destinations import OutOrNowhere, run_in
from flashsale_env.experiments.display import Callback, present, progress_bar, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.formats import low_to_high, money
from flashsale_env.experiments.intervals import mean_interval
from flashsale_env.experiments.open_loop import Stage
from flashsale_env.experiments.options import (
    MOST_OF_ANYTHING,
    MOST_SALES,
    MOST_VISITS,
    AnySeed,
    EncoderFolder,
    Json,
    Overwrite,
    ScenarioOption,
)
from flashsale_env.experiments.pages.charts import Chart
from flashsale_env.experiments.pages.pictures import differences

Floats = npt.NDArray[np.float64]
Seeds = npt.NDArray[np.uint64]

CATALOGUE = Ranking("catalogue")
CEILINGS = ("true tastes", "true tastes and intents")

Voices = Annotated[
    int, typer.Option("--voices", metavar="N", min=100, max=MOST_OF_ANYTHING, help="Customers of the log, and a world.")
]
Visits = Annotated[
    int, typer.Option("--visits", metavar="N", min=1000, max=MOST_VISITS, help="Visits of a log, at least.")
]
Worlds = Annotated[int, typer.Option("--worlds", metavar="N", min=2, max=100, help="Test worlds.")]
Sales = Annotated[int, typer.Option("--sales", metavar="N", min=2, max=MOST_SALES, help="Sales of a test world.")]

EXAMPLES = ("flashsale study ranking --out runs/ranking",)


@on_interrupt("nothing was written: run the command again.")
def command(
    context: typer.Context,
    scenario: ScenarioOption = "slate",
    encoder: EncoderFolder = None,
    voices: Voices = 2250,
    visits: Visits = 200_000,
    worlds: Worlds = 5,
    sales: Sales = 500,
    seed: AnySeed = 0,
    out: OutOrNowhere = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Measure what the order of a list is worth.

    Rankers learn from a log with a shuffled list; their lists are shown to customers of the reference world whom none
    of them has met.
    """
    sale = load_scenario(scenario)
    if sale.slate is None:
        raise ValueError(
            f"scenario {scenario!r} has no [slate], so there is nothing to rank; --scenario slate has one."
        )
    importlib.import_module("implicit")  # where it is missing, this is said before a minute of work
    demand = DemandModel.load(DEMAND_FOLDER if encoder is None else encoder)
    asked = {"scenario": scenario, "encoder": str(encoder or "default"), "voices": voices, "visits": visits}
    run = run_in(
        out,
        context.obj,
        options=asked | {"worlds": worlds, "sales": sales},
        seeds={"voices, logs and lists": seed, "test split": 0},
        inputs=[Path(scenario)] if Path(scenario).exists() else [],
    )
    with run.claimed(overwrite=overwrite):
        reader = IntentEncoder.default() if encoder is None else IntentEncoder.load(encoder)
        with progress_bar("test worlds") as advance:
            found = study(reader, demand, sale, voices, visits, worlds, sales, seed, advance)
        run.keep(found)
    present(found, show, out, as_json=as_json, kept="lists and figures")


def study(
    encoder: IntentEncoder,
    demand: DemandModel,
    scenario: Scenario,
    voices: int,
    visits: int,
    worlds: int,
    sales: int,
    seed: int,
    advance: Callback,
) -> dict[str, Any]:
    """Write every list, and show it in every test world.

    Returns:
        "examined": for each place the true share, and the one estimated from the log with its interval; "rows", one a
        list: "ranker", "ndcg", "conversion", "profit" (means over the worlds), and "gain" over the order of the
        catalogue with "ci_low" and "ci_high"; "lists": the scores of each ranker by product.
    """
    assert scenario.slate is not None
    places = len(scenario.slate.examined)
    evidence = past_customers(encoder, demand, scenario, voices=voices, visits=visits, seed=seed)
    lists = {name: ranker(evidence) for name, ranker in RANKERS.items()}
    rankings = [CATALOGUE, *(ranking(name, scores) for name, scores in lists.items())]
    found: list[dict[str, dict[str, float]]] = []
    for world in range(worlds):
        advance(world, worlds, "")
        own = log_seed("ranking test", seed, world)
        customers = draw_voices(encoder, scenario.products, "evaluation", voices, own)[2]
        told = replace(customers, intent_probabilities=np.eye(len(INTENTS), dtype=np.float32)[customers.latent_class])
        log = shuffled_log(scenario, customers, visits, split_seeds("validation", world, sales))
        figures: dict[str, dict[str, float]] = {}
        for ceiling, who, shown in ((CEILINGS[0], customers, rankings), (CEILINGS[1], told, [])):
            best = ranking(ceiling, expected_margin(replace(evidence, population=who)))
            figures |= figures_of(scenario, who, [*shown, best], split_seeds("test", world, sales), log, places)
        found.append(figures)
    estimated = examined_shares(evidence.log, places) if places > 1 else []
    return {
        "scenario": scenario.name,
        "worlds": worlds,
        "sales": sales,
        "examined": [
            {"true": true, **asdict(share)} for true, share in zip(scenario.slate.examined, estimated, strict=False)
        ],
        "rows": [row_of(name, found) for name in found[0]],
        "products": list(scenario.titles),
        "lists": {name: scores.tolist() for name, scores in lists.items()},
    }


def profits(scenario: Scenario, customers: Population, lists: Sequence[Ranking], seeds: Seeds) -> tuple[Floats, Floats]:
    """Show each list in the same sales, at the first level of every other decision: (R, S) profit and conversion."""
    assert scenario.slate is not None
    listed = scenario.replace(slate=replace(scenario.slate, rankings=tuple(lists)))
    stage, codec = Stage(listed, customers, seeds), ActionCodec(listed)
    found = []
    for number in range(len(lists)):
        levels = np.zeros((1, len(codec.names)), np.int64)
        levels[:, codec.columns("display")] = number  # no column where there is a single list
        found.append(stage.metrics(np.repeat(codec.from_levels(levels), listed.horizon_ticks, axis=0)))
    return np.array([row["profit"] for row in found]), np.array([row["conversion"] for row in found])


def figures_of(
    scenario: Scenario,
    customers: Population,
    lists: Sequence[Ranking],
    seeds: Seeds,
    log: npt.NDArray[np.void],
    places: int,
) -> dict[str, dict[str, float]]:
    """List -> its profit and conversion in the sales, and its nDCG on the log."""
    profit, conversion = profits(scenario, customers, lists, seeds)
    predicted = customers.intent_probabilities.argmax(axis=1)
    in_order = -np.arange(len(scenario.products), dtype=np.float64)
    return {
        one.title: {
            "profit": float(profit[number].mean()),
            "conversion": float(conversion[number].mean()),
            "ndcg": gain_at(np.transpose(one.scores) if one.scores else in_order, predicted, log, places),
        }
        for number, one in enumerate(lists)
    }


def row_of(name: str, worlds: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, Any]:
    """A list's means over the worlds, and its gain over the order of the catalogue with the interval over worlds."""
    means = {key: float(np.mean([world[name][key] for world in worlds])) for key in ("ndcg", "conversion", "profit")}
    gain = mean_interval([world[name]["profit"] - world[CATALOGUE.title]["profit"] for world in worlds])
    return {"ranker": name, **means, "gain": gain.mean, "ci_low": gain.low, "ci_high": gain.high}


def columns(result: Mapping[str, Any]) -> tuple[str, ...]:
    """The heads of the table of lists."""
    return ("list", f"nDCG@{len(result['examined'])}", "conversion", "profit", "less catalogue", "95 % interval")


def cells(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table of lists; ceilings last."""
    rows, scale = result["rows"], max(abs(row["profit"]) for row in result["rows"])
    return [
        (
            row["ranker"],
            f"{row['ndcg']:.3f}",
            f"{row['conversion']:.2%}",
            money(row["profit"], scale),
            money(row["gain"], scale, "+"),
            low_to_high(row, scale, "+"),
        )
        for row in rows
    ]


PLACES = ("place", "true share", "from the shuffled log", "95 % interval")


def cells_of_places(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table of places: who examines them, of those who examine the first."""
    return [
        (str(place), f"{row['true']:.2f}", f"{row['mean']:.3f}", f"{row['low']:.3f} to {row['high']:.3f}")
        for place, row in enumerate(result["examined"], start=1)
    ]


def show(result: Mapping[str, Any]) -> None:
    """What each list earns, and how far customers read."""
    profits = [row["profit"] for row in result["rows"][: -len(CEILINGS)]]
    title = f"{result['scenario']}: {result['worlds']} worlds of {result['sales']:,} sales each; ceilings last"
    show_table(title, columns(result), cells(result), best=profits.index(max(profits)))
    show_table("customers who examine a place, of those who examine the first", PLACES, cells_of_places(result))


def charts(result: Mapping[str, Any]) -> dict[str, Chart]:
    """What each list gains over the order of the catalogue."""
    gains = {row["ranker"]: {"mean": row["gain"], **row} for row in result["rows"] if row["ranker"] != CATALOGUE.title}
    return {"rankings": differences(gains, "profit of the list, less that of the catalogue's order")}
