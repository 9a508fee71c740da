"""The study `wider`: a policy trained on few products, in a sale of many.

    flashsale study wider --out DIR --runs 2
    flashsale study wider --out DIR --sales 12288 --sales 49152   two budgets of training

Owns    the study. The policies "per_product" (weights shared across products) and "merchant" (separate weights) are
        trained on `standard` with the same budget; the first one then plays, without further training, a sale of
        variants of the same products; both are also trained there from the start.
Leaves  the wider sale to `flashsale_env.variants`, learning to `agents`, intervals to `experiments.intervals`.
Axes    R training runs, S test sales.
Units   profit in the scenario's currency.

Every policy starts from the same adviser, tuned on the narrow sale; a variant takes the parameters of its product. They
are shares of a product's own price levels, and so mean the same for a variant with other prices.
"""

import itertools
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from flashsale_env import Population, Scenario, agents, load_population, load_scenario
from flashsale_env.agents import play, split_seeds
from flashsale_env.agents.rules.levers.base import own
from flashsale_env.agents.sb3.on_policy import PPOAgent
from flashsale_env.agents.sb3.presets import preset
from flashsale_env.experiments.display import Callback, notice, print_json, progress_bar, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.formats import low_to_high, money
from flashsale_env.experiments.intervals import crossed_interval
from flashsale_env.experiments.options import (
    MOST_OF_ANYTHING,
    MOST_TRAINING_SALES,
    Json,
    Out,
    Overwrite,
    Runs,
    ScenarioOption,
    TestSales,
)
from flashsale_env.experiments.runs import RESULT, Run, write_json
from flashsale_env.variants import variants

Floats = npt.NDArray[np.float64]

SHARED, SEPARATE = "per_product", "merchant"
ADVISER = "adviser"

Copies = Annotated[
    int,
    typer.Option(
        "--copies", metavar="N", min=1, max=MOST_OF_ANYTHING, help="Variants of each product in the wider sale."
    ),
]
Budgets = Annotated[
    list[int] | None,
    typer.Option(
        "--sales", metavar="N", min=1, max=MOST_TRAINING_SALES, help="Sales of a training; repeat it for more budgets."
    ),
]


@dataclass(frozen=True)
class Study:
    """The size of the study.

    Args:
        copies: variants of each product in the wider sale.
        seeds: training runs of every policy.
        sales: budgets of a training, in sales played.
        episodes: test sales, the same for every policy of a sale.
        variant_seed: of the variants.
        settings: of the learners, in place of the preset's.
    """

    copies: int = 4
    seeds: tuple[int, ...] = (0, 1)
    sales: tuple[int, ...] = (12_288, 49_152)
    episodes: int = 4096
    variant_seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.seeds or not self.sales or min(self.sales) < 1:
            raise ValueError(
                f"want at least one training run and budgets of at least one sale, got seeds {list(self.seeds)} and "
                f"sales {list(self.sales)}."
            )
        if self.episodes < 2:
            raise ValueError(f"an interval needs at least 2 test sales, got {self.episodes}.")


EXAMPLES = ("flashsale study wider --out runs/wider",)


@on_interrupt("{out} is incomplete: run the command again with --overwrite.")
def command(
    context: typer.Context,
    out: Out,
    scenario: ScenarioOption = "standard",
    copies: Copies = 4,
    runs: Runs = 2,
    sales: Budgets = None,
    episodes: TestSales = 4096,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Measure what weights shared across products gain, and whether the policy carries over to more products."""
    sale = load_scenario(scenario)
    population = load_population(sale.population, [product.title for product in sale.products])
    study = Study(copies, tuple(range(runs)), tuple(sales or Study.sales), episodes)
    places(sale, population, study)  # a scenario that does not fit is refused before anything is written
    run = Run(
        out,
        context.obj,
        options={"scenario": scenario, **asdict(study)},
        seeds={"training runs": list(study.seeds), "test split": 0},
        inputs=[scenario] if Path(scenario).exists() else [],
    )
    with run.claimed(overwrite=overwrite):
        run.begin()
        with progress_bar("training") as advance:
            rows = run_study(out, sale, population, study, advance)
        run.finish()
    if as_json:
        print_json({"out": str(out), "rows": rows})
        return
    show({"rows": rows})
    notice(f"results and policies in {out}")


@dataclass(frozen=True)
class Place:
    """A sale that policies are trained and compared in."""

    scenario: Scenario
    population: Population
    adviser: str
    params: dict[str, Any]

    def profit(self, player: Any, episodes: int) -> Floats:
        """(S,) of the test sales."""
        seeds = split_seeds("test", 0, episodes)
        return play(player, self.scenario, self.population, seeds=seeds)["profit"]

    def train(self, policy: str, seed: int, sales: int, settings: Mapping[str, Any]) -> PPOAgent:
        """A learner, trained for this many sales here."""
        learner: PPOAgent = agents.make(
            "ppo", self.scenario, seed=seed, policy=policy, sales=sales, adviser_params=self.params, **settings
        )
        learner.learn(self.population)
        return learner

    def load(self, folder: Path) -> PPOAgent:
        """A policy that was trained in another sale, with the adviser of this one."""
        with warnings.catch_warnings():
            # The warning that it was made for another sale is the point of this study.
            warnings.simplefilter("ignore", UserWarning)
            loaded: PPOAgent = PPOAgent.load(folder, self.scenario, adviser_params=self.params)
        return loaded


def inherited(params: Mapping[str, Any], parents: Mapping[str, str]) -> dict[str, Any]:
    """Parameters of a heuristic in the wider sale: a parameter of one product applies to each of its variants.

    >>> inherited({"gain": 4.0, "base[shoes]": 0.3}, {"shoes, variant 1": "shoes", "shoes, variant 2": "shoes"})
    {'gain': 4.0, 'base[shoes, variant 1]': 0.3, 'base[shoes, variant 2]': 0.3}
    """
    wide: dict[str, Any] = {}
    for name, value in params.items():
        kind, _, title = name.partition("[")
        of = [variant for variant, parent in parents.items() if parent == title.removesuffix("]")]
        wide |= {own(kind, variant): value for variant in of} if of else {name: value}
    return wide


def places(scenario: Scenario, population: Population, study: Study) -> tuple[Place, Place]:
    """The narrow and the wide sale, each with its adviser."""
    adviser = study.settings.get("adviser", preset(scenario).adviser)
    if not adviser:
        raise ValueError(f"no adviser applies to scenario {scenario.name!r}; this study compares corrections of one.")
    params = agents.make(adviser, scenario).params
    wide, customers, parents = variants(scenario, population, study.copies, study.variant_seed)
    return Place(scenario, population, adviser, params), Place(wide, customers, adviser, inherited(params, parents))


def run_study(
    folder: Path, scenario: Scenario, population: Population, study: Study, advance: Callback
) -> list[dict[str, Any]]:
    """Train, evaluate, and write `result.json` after every training.

    Returns:
        One row a budget and comparison: "sales" of the budget, "scenario", "products", "policy" and "against" as
        "POLICY" or "POLICY from N products", "mean_profit" of both over runs and sales, "gain" of the first over the
        second with "ci_low" and "ci_high", paired on the same customers, and "by_seed", the gain of each run.
    """
    narrow, wide = places(scenario, population, study)
    adviser = {
        place.scenario.name: place.profit(agents.make(place.adviser, place.scenario, **place.params), study.episodes)
        for place in (narrow, wide)
    }
    products = {place.scenario.name: len(place.scenario.products) for place in (narrow, wide)}
    moved = f"{SHARED} from {len(scenario.products)} products"
    rows: list[dict[str, Any]] = []
    trained = [(narrow, SHARED), (narrow, SEPARATE), (wide, SHARED), (wide, SEPARATE)]
    todo = list(itertools.product(study.sales, trained, study.seeds))
    profits: dict[tuple[int, str, str], list[Floats]] = {}
    for done, (sales, (place, policy), seed) in enumerate(todo):
        advance(done, len(todo), f"{policy}, {place.scenario.name}, {sales:,} sales, run {seed}")
        learner = place.train(policy, seed, sales, study.settings)
        profits.setdefault((sales, place.scenario.name, policy), []).append(place.profit(learner, study.episodes))
        if place is narrow:
            saved = learner.save(folder / f"{policy}-{sales}-{seed}")
            if policy == SHARED:
                carried = wide.profit(wide.load(saved), study.episodes)
                profits.setdefault((sales, wide.scenario.name, moved), []).append(carried)
        rows = compare(profits, adviser, products)
        means = {name: float(profit.mean()) for name, profit in adviser.items()}
        write_json(folder / RESULT, {"study": asdict(study), "adviser": means, "rows": rows})
    advance(len(todo), len(todo))
    return rows


def compare(
    profits: Mapping[tuple[int, str, str], list[Floats]],
    adviser: Mapping[str, Floats],
    products: Mapping[str, int],
) -> list[dict[str, Any]]:
    """Every policy against the adviser and against every other of the same sale and budget; rows as in `run_study`.

    Run r of one policy is compared with run r of the other; runs that only one of them has are left out.
    """
    rows = []
    for (sales, name, policy), runs in profits.items():
        opponents = {ADVISER: [adviser[name]] * len(runs)}
        others = [key for key in profits if key[:2] == (sales, name)]
        opponents |= {key[2]: profits[key] for key in others[others.index((sales, name, policy)) + 1 :]}
        for against, theirs in opponents.items():
            both = min(len(runs), len(theirs))
            ours, other = np.array(runs[:both]), np.array(theirs[:both])
            gain = crossed_interval(ours - other)
            rows.append(
                {
                    "sales": sales,
                    "scenario": name,
                    "products": products[name],
                    "policy": policy,
                    "against": against,
                    "mean_profit": [float(ours.mean()), float(other.mean())],
                    "gain": gain.mean,
                    "ci_low": gain.low,
                    "ci_high": gain.high,
                    "by_seed": (ours - other).mean(axis=1).tolist(),
                }
            )
    return rows


def show(result: Mapping[str, Any]) -> None:
    """The comparisons as a table."""
    rows = result["rows"]
    scale = max(abs(row["mean_profit"][0]) for row in rows)
    show_table(
        "weights shared across products",
        ("policy", "against", "products", "training sales", "profit", "gain", "95 % interval", "gain of each run"),
        [
            (
                row["policy"],
                row["against"],
                str(row["products"]),
                f"{row['sales']:,}",
                money(row["mean_profit"][0], scale),
                money(row["gain"], scale, "+"),
                low_to_high(row, scale, "+"),
                " ".join(money(gain, scale, "+") for gain in row["by_seed"]),
            )
            for row in rows
        ],
        text_columns=2,
    )
