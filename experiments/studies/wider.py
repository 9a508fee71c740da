"""A policy trained on few products, in a sale of many: what weights shared across products gain.

    python -m flashsale_env.experiments.studies.wider --out DIR --seeds 2
    python -m flashsale_env.experiments.studies.wider --out DIR --sales 12288 --sales 49152   two budgets of training

Owns    the study: the policies "per_product" and "merchant" trained on `standard` with the same budget; the first one,
        without further training, among variants of the same products; and both trained there from the beginning.
Leaves  the wider sale to `flashsale_env.generator`, learning to `agents`, intervals to `statistics`.
Axes    R training runs, S test sales.
Units   profit in the scenario's currency.

Every policy starts from the same adviser, tuned on the narrow sale; a variant takes its product's parameters. Prices of
variants are its own, so the parameters, which are shares of a ladder, mean the same there.
"""

import argparse
import contextlib
import itertools
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from flashsale_env import Population, Scenario, agents, load_population, load_scenario
from flashsale_env.agents import play, split_seeds
from flashsale_env.agents.rules.merchant import own
from flashsale_env.agents.sb3.on_policy import PPOAgent
from flashsale_env.agents.sb3.presets import preset
from flashsale_env.experiments.display import Callback, notice, progress_bar, show_table
from flashsale_env.experiments.runs import Run, write_json
from flashsale_env.experiments.statistics import Interval, crossed_interval
from flashsale_env.generator import variants

RESULT = "result.json"
SHARED, SEPARATE = "per_product", "merchant"
ADVISER = "adviser"


@dataclass(frozen=True)
class Study:
    """How much is done.

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


@dataclass(frozen=True)
class Place:
    """A sale that policies are trained and compared in."""

    scenario: Scenario
    population: Population
    adviser: str
    params: dict[str, float]

    def profit(self, player: Any, episodes: int) -> np.ndarray:
        """(S,) of the test sales."""
        seeds = split_seeds("test", 0, episodes)
        return play(player, self.scenario, self.population, seeds=seeds)["profit"]

    def train(self, policy: str, seed: int, sales: int, settings: Mapping[str, Any]) -> PPOAgent:
        """A learner that has played so many training sales here."""
        learner: PPOAgent = agents.make(
            "ppo", self.scenario, seed=seed, policy=policy, sales=sales, adviser_params=self.params, **settings
        )
        learner.learn(self.population)
        return learner


def inherited(params: Mapping[str, float], parents: Mapping[str, str]) -> dict[str, float]:
    """Parameters of a heuristic in the wider sale: what is a product's own holds for each of its variants.

    >>> inherited({"gain": 4.0, "base[shoes]": 0.3}, {"shoes, variant 1": "shoes", "shoes, variant 2": "shoes"})
    {'gain': 4.0, 'base[shoes, variant 1]': 0.3, 'base[shoes, variant 2]': 0.3}
    """
    wide: dict[str, float] = {}
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
    moved_name = f"{SHARED} from {len(scenario.products)} products"
    rows: list[dict[str, Any]] = []
    trained = [(narrow, SHARED), (narrow, SEPARATE), (wide, SHARED), (wide, SEPARATE)]
    todo = list(itertools.product(study.sales, trained, study.seeds))
    profits: dict[tuple[int, str, str], list[np.ndarray]] = {}
    for done, (sales, (place, policy), seed) in enumerate(todo):
        advance(done, len(todo), f"{policy}, {place.scenario.name}, {sales:,} sales, run {seed}")
        learner = place.train(policy, seed, sales, study.settings)
        of = profits.setdefault((sales, place.scenario.name, policy), [])
        of.append(place.profit(learner, study.episodes))
        if place is narrow:
            saved = learner.save(folder / f"{policy}-{sales}-{seed}")
            if policy == SHARED:
                moved = PPOAgent.load(saved, wide.scenario, adviser_params=wide.params)
                of = profits.setdefault((sales, wide.scenario.name, moved_name), [])
                of.append(wide.profit(moved, study.episodes))
        rows = compare(profits, adviser, products)
        write_json(
            folder / RESULT,
            {"study": asdict(study), "adviser": {name: float(p.mean()) for name, p in adviser.items()}, "rows": rows},
        )
    advance(len(todo), len(todo))
    return rows


def compare(
    profits: Mapping[tuple[int, str, str], list[np.ndarray]],
    adviser: Mapping[str, np.ndarray],
    products: Mapping[str, int],
) -> list[dict[str, Any]]:
    """Every policy against the adviser, and against every other of the same sale and budget; rows as in `run_study`.

    Runs are compared as far as both have them: run r of one with run r of the other.
    """
    rows = []
    for (sales, name, policy), runs in profits.items():
        opponents = {ADVISER: [adviser[name]] * len(runs)}
        others = [key for key in profits if key[:2] == (sales, name)]
        opponents |= {key[2]: profits[key] for key in others[others.index((sales, name, policy)) + 1 :]}
        for against, theirs in opponents.items():
            both = min(len(runs), len(theirs))
            ours, other = np.array(runs[:both]), np.array(theirs[:both])
            gain: Interval = crossed_interval(ours - other)
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


def show(rows: list[dict[str, Any]]) -> None:
    """The comparisons as a table."""
    show_table(
        "Weights shared across products",
        ("policy", "against", "products", "training sales", "profit", "gain", "95 % interval", "gain of each run"),
        [
            (
                row["policy"],
                row["against"],
                str(row["products"]),
                f"{row['sales']:,}",
                f"{row['mean_profit'][0]:,.0f}",
                f"{row['gain']:+,.0f}",
                f"{row['ci_low']:+,.0f} .. {row['ci_high']:+,.0f}",
                " ".join(f"{gain:+,.0f}" for gain in row["by_seed"]),
            )
            for row in rows
        ],
        text_columns=2,
    )


def main(arguments: list[str] | None = None) -> int:
    """Measure what sharing weights across products gains, and whether it carries over to more products."""
    parser = argparse.ArgumentParser(prog="python -m flashsale_env.experiments.studies.wider", description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--scenario", default="standard")
    parser.add_argument("--copies", type=int, default=Study.copies, help="variants of each product")
    parser.add_argument("--seeds", type=int, default=len(Study.seeds), help="training runs of every policy")
    parser.add_argument("--sales", type=int, action="append", help="budget of a training; may be given several times")
    parser.add_argument("--episodes", type=int, default=Study.episodes, help="test sales")
    parser.add_argument("--overwrite", action="store_true")
    options = parser.parse_args(arguments)
    command = shlex.join(
        ["python", "-m", "flashsale_env.experiments.studies.wider", *(sys.argv[1:] if arguments is None else arguments)]
    )
    try:
        scenario = load_scenario(options.scenario)
        population = load_population(scenario.population, [product.title for product in scenario.products])
        study = Study(
            options.copies, tuple(range(options.seeds)), tuple(options.sales or Study.sales), options.episodes
        )
        places(scenario, population, study)  # says what does not fit before anything is written
        run = Run(options.out, command, {"scenario": scenario.name, **asdict(study)}, {"training": list(study.seeds)})
        folder = contextlib.ExitStack()
        folder.enter_context(run.claimed(overwrite=options.overwrite))
    except (ValueError, OSError) as error:
        notice(f"error: {error}")
        return 2
    with folder:
        run.begin()
        with progress_bar("training") as advance:
            rows = run_study(options.out, scenario, population, study, advance)
        run.finish()
    show(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
