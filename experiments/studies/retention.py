"""The study `retention`: whom to give a retention coupon, learned from coupons that were given at random.

Owns    the customers, their replay with and without a coupon, and what each rule of giving it earns.
Leaves  the learners to `experiments.uplift`, the sale to the simulator.
Axes    W worlds, each with a history, a log and a test of its own; C customers of a log or a test.
Units   profit in currency a customer who comes.

A customer is a voice of the population. The shop knows the encoder's intent probabilities of its message, and from its
history how often it came, how often it bought, and when it bought last. Draws are counter-based, so a sale can be
replayed with a coupon for nobody and for everybody, and the same customers meet both: the true uplift of each is known,
and never shown to a learner. The ceiling gives the coupon to those only who would not buy without it.
"""

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from flashsale_env import (
    Arrivals,
    Campaign,
    Population,
    Product,
    Retention,
    Scenario,
    Shocks,
    Simulator,
    load_population,
    load_scenario,
)
from flashsale_env.experiments.destinations import OutOrNowhere, run_in
from flashsale_env.experiments.display import Callback, notice, present, progress_bar, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.formats import low_to_high
from flashsale_env.experiments.intervals import mean_interval
from flashsale_env.experiments.options import MOST_OF_ANYTHING, AnySeed, Json, Overwrite
from flashsale_env.experiments.pages.charts import Chart
from flashsale_env.experiments.pages.pictures import differences
from flashsale_env.experiments.uplift import LEARNERS, Coupons, Uplift, doubly_robust

Floats = npt.NDArray[np.float64]

# Rules that no learner makes: for everybody alike, by the true willingness to pay, and by the very draw of a customer.
NOBODY, EVERYBODY, TASTES, CEILING = "nobody", "everybody", "true tastes", "who would not buy"
# Sales of a history; a recency counts them.
PERIODS = 10
_SHARE = 0.5  # of coupons in the log
_IN_A_SALE = 50.0  # customers expected in a sale
_NEXT_TO_NOBODY = 1e-9

Customers = Annotated[
    int,
    typer.Option(
        "--customers", metavar="N", min=1000, max=MOST_OF_ANYTHING, help="Visits of a history, a log, a test."
    ),
]
Worlds = Annotated[int, typer.Option("--worlds", metavar="N", min=2, max=100, help="Independent repetitions.")]
Price = Annotated[float, typer.Option("--price", min=1.0, max=10_000.0, help="Price of the voucher, currency.")]
Off = Annotated[float, typer.Option("--off", min=0.01, max=0.99, help="Share off with the coupon.")]

EXAMPLES = ("flashsale study retention --out runs/retention",)


@on_interrupt("nothing was written: run the command again.")
def command(
    context: typer.Context,
    price: Price = 80.0,
    off: Off = 0.25,
    customers: Customers = 20_000,
    worlds: Worlds = 5,
    seed: AnySeed = 0,
    out: OutOrNowhere = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Measure whom a retention coupon should go to.

    T- and DR-learners learn from coupons that were given at random; what they earn lies between a coupon for nobody or
    everybody and one for exactly those who would not buy without it. With scikit-uplift installed, Qini and AUUC too.
    """
    run = run_in(
        out,
        context.obj,
        options={"price": price, "off": off, "customers": customers, "worlds": worlds},
        seeds={"sales and coupons": seed},
    )
    with run.claimed(overwrite=overwrite):
        with progress_bar("worlds") as advance:
            found = study(price, off, customers, worlds, seed, advance)
        run.keep(found)
    present(found, show, out, as_json=as_json)


@dataclass(frozen=True)
class Replay:
    """Customers of a test who came, and what each does without and with a coupon, (C,)."""

    voice: npt.NDArray[np.int64]
    without: npt.NDArray[np.int64]
    with_coupon: npt.NDArray[np.int64]


def study(price: float, off: float, customers: int, worlds: int, seed: int, advance: Callback) -> dict[str, Any]:
    """Learn in every world from its log, and give coupons in its test.

    Returns:
        "rows", one a rule: "rule", "profit", "share" of customers with a coupon, "gain" over the better of nobody and
        everybody with "ci_low" and "ci_high", and "qini" and "auuc" (None without scikit-uplift); "average", the
        average uplift of the purchase probability: "true", "estimated" and its "ci_low" and "ci_high" over worlds.
    """
    sale, population = scenario(price, off), load_population("intent", ["voucher"])
    prices = (price, price * (1.0 - off))
    worth = sale.products[0].reference_price / population.price_sensitivity
    wanted = prices[1] * np.exp(-prices[1] / worth) > prices[0] * np.exp(-prices[0] / worth)
    found: list[dict[str, dict[str, Any]]] = []
    averages = []
    for world in range(worlds):
        advance(world, worlds, "")
        history = replay(sale, population, customers, seed, 3 * world)
        known = known_of(population, history)
        training, test = (replay(sale, population, customers, seed, 3 * world + part) for part in (1, 2))
        rng = np.random.default_rng([seed, world])
        log, tested = (randomised(part, known, prices, rng) for part in (training, test))
        rules: dict[str, npt.NDArray[np.bool_]] = {
            NOBODY: np.zeros(len(test.voice), np.bool_),
            EVERYBODY: np.ones(len(test.voice), np.bool_),
            TASTES: wanted[test.voice],
            CEILING: test.without == 0,
        }
        scores: dict[str, Uplift] = {}
        for name, learner in LEARNERS.items():
            scores[name] = learner(log)(tested.known)
            rules[name] = scores[name].profit > 0
        found.append({name: figures_of(rule, test, prices, scores.get(name), tested) for name, rule in rules.items()})
        averages.append((float(np.mean(training.with_coupon - training.without)), doubly_robust(log).purchase.mean()))
    true, estimated = (np.array(column) for column in zip(*averages, strict=True))
    error = mean_interval((estimated - true).tolist())
    order = (NOBODY, EVERYBODY, *LEARNERS, TASTES, CEILING)
    return {
        "price": price,
        "off": off,
        "customers": customers,
        "worlds": worlds,
        "rows": [row_of(name, found) for name in order],
        "average": {
            "true": float(true.mean()),
            "estimated": float(estimated.mean()),
            "ci_low": float(true.mean()) + error.low,
            "ci_high": float(true.mean()) + error.high,
        },
    }


def scenario(price: float, off: float) -> Scenario:
    """The voucher of the scenario `campaign`, at one price, in sales to which past customers alone come."""
    campaign = load_scenario("campaign")
    voucher = campaign.products[0]
    return campaign.replace(
        name="retention study",
        horizon_ticks=1,
        products=(Product(voucher.title, (price,), 10**6, reference_price=voucher.reference_price),),
        arrivals=Arrivals(_NEXT_TO_NOBODY),
        campaign=Campaign(2),
        # Everybody of a base of this size comes to every sale.
        retention=Retention(_IN_A_SALE, _IN_A_SALE, visit_shape=1000.0, visit_scale=0.01, coupon=(0.0, off)),
        shocks=Shocks(),
        messages=None,
        observe=("time_left", "on_hand"),
    )


def replay(sale: Scenario, population: Population, customers: int, seed: int, block: int) -> Replay:
    """At least so many visits of customers, each with and without the coupon."""
    number = int(np.ceil(1.1 * customers / _IN_A_SALE)) + 10
    simulator = Simulator(sale, population, sales=number, actions="multidiscrete", log_rows=int(4 * _IN_A_SALE))
    seeds = np.asarray(np.random.SeedSequence([seed, block]).generate_state(number, np.uint64), np.uint64)
    found = []
    for level in (0, 1):
        simulator.open(seeds, np.zeros(number, np.int64))
        simulator.advance(np.full((number, 1), level))
        log = simulator.choice_log()
        found.append((log["voice"].astype(np.int64), (log["bought"] == 0).astype(np.int64)))
    (voice, without), (again, with_coupon) = found
    assert np.array_equal(voice, again), "a replay meets other customers"
    return Replay(voice[:customers], without[:customers], with_coupon[:customers])


def known_of(population: Population, history: Replay) -> Floats:
    """(V, 12) what the shop knows of each customer: intent probabilities, visits, frequency, recency.

    Frequency is the share of visits with a purchase; recency the share of the history since the last one, 1 without.
    """
    voices, visits = len(population), len(history.voice)
    period = np.arange(visits) * PERIODS // visits
    came = np.bincount(history.voice, minlength=voices)
    bought = np.bincount(history.voice, history.without, minlength=voices)
    last = np.full(voices, -1)
    np.maximum.at(last, history.voice[history.without == 1], period[history.without == 1])
    recency = np.where(last < 0, 1.0, (PERIODS - 1 - last) / PERIODS)
    share = bought / np.maximum(came, 1)
    return np.column_stack([population.intent_probabilities, came, share, recency]).astype(np.float64)


def randomised(part: Replay, known: Floats, prices: tuple[float, float], rng: np.random.Generator) -> Coupons:
    """The log of a shop that gives coupons at random: one of the two outcomes of each customer."""
    given = (rng.random(len(part.voice)) < _SHARE).astype(np.int64)
    bought = np.where(given == 1, part.with_coupon, part.without)
    return Coupons(known[part.voice], given, bought, _SHARE, prices)


def figures_of(
    rule: npt.NDArray[np.bool_], test: Replay, prices: tuple[float, float], scores: Uplift | None, log: Coupons
) -> dict[str, Any]:
    """Profit of a customer under a rule, the share with a coupon, and how well its scores order the customers."""
    earned = np.where(rule, prices[1] * test.with_coupon, prices[0] * test.without)
    qini = auuc = None
    if scores is not None and importlib.util.find_spec("sklift") is not None:
        metrics = importlib.import_module("sklift.metrics")
        qini = float(metrics.qini_auc_score(log.bought, scores.purchase, log.given))
        auuc = float(metrics.uplift_auc_score(log.bought, scores.purchase, log.given))
    return {"profit": float(earned.mean()), "share": float(rule.mean()), "qini": qini, "auuc": auuc}


def row_of(name: str, found: list[dict[str, dict[str, Any]]]) -> dict[str, Any]:
    """A rule's means over the worlds, and its gain over the better of nobody and everybody."""
    plain = max((NOBODY, EVERYBODY), key=lambda rule: float(np.mean([world[rule]["profit"] for world in found])))
    gain = mean_interval([world[name]["profit"] - world[plain]["profit"] for world in found])
    means = {
        key: None if found[0][name][key] is None else float(np.mean([world[name][key] for world in found]))
        for key in ("profit", "share", "qini", "auuc")
    }
    return {"rule": name, **means, "gain": gain.mean, "ci_low": gain.low, "ci_high": gain.high}


COLUMNS = ("coupon for", "customers", "profit", "gain", "95 % interval", "Qini", "AUUC")


def cells(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table of rules; the ceilings last."""
    return [
        (
            row["rule"],
            f"{row['share']:.1%}",
            f"{row['profit']:.3f}",
            f"{row['gain']:+.3f}",
            low_to_high(row, 1.0, "+"),
            *("" if row[key] is None else f"{row[key]:.4f}" for key in ("qini", "auuc")),
        )
        for row in result["rows"]
    ]


def show(result: Mapping[str, Any]) -> None:
    """What each rule earns, and the average uplift."""
    offer = f"price {result['price']:g}, coupon {result['off']:.0%}"
    title = f"{result['worlds']} worlds of {result['customers']:,} customers; {offer}"
    learners = [row["profit"] for row in result["rows"][:-2]]
    show_table(title, COLUMNS, cells(result), best=learners.index(max(learners)))
    average = result["average"]
    notice(
        f"average uplift of the purchase probability: {average['true']:.4f}, estimated {average['estimated']:.4f} "
        f"({average['ci_low']:.4f} to {average['ci_high']:.4f})"
    )


def charts(result: Mapping[str, Any]) -> dict[str, Chart]:
    """What each rule gains over the better of nobody and everybody."""
    gains = {row["rule"]: {"mean": row["gain"], **row} for row in result["rows"]}
    return {"coupons": differences(gains, "profit of a customer, less that without or with a coupon for all")}
