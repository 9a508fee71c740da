"""The study `reference-policy`: the trained policy that is shipped, for new learners on `standard` to be compared with.

Owns    training it, its figures, and the folder `agents/trained/standard-ppo` from which `agents.load` reads it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from flashsale_env import agents, load_population, load_scenario
from flashsale_env.experiments.destinations import OutOrShipped, run_in
from flashsale_env.experiments.display import notice, print_json, progress_bar, show_agents, show_table
from flashsale_env.experiments.evaluate import difference, figures, play_test_sales, policy_folder
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.formats import low_to_high, money
from flashsale_env.experiments.options import Json, Overwrite, Seed, TestSales
from flashsale_env.files import write_atomically

NAME, SCENARIO, AGENT = "standard-ppo", "standard", "ppo"
# The best two rules on validation sales; the policy corrects the first of them.
OPPONENTS = ("sell_through", "lp_resolve")
TEST_SALES = 10_000

Trained = Annotated[
    Path | None,
    typer.Option(
        "--run", metavar="DIR", help="Publish the policy of a finished training [default: train one, about an hour]."
    ),
]

EXAMPLES = ("flashsale study reference-policy --out runs/reference",)


@on_interrupt("{out} is untouched or incomplete: run the command again.")
def command(
    context: typer.Context,
    out: OutOrShipped = None,
    trained: Trained = None,
    seed: Seed = 0,
    episodes: TestSales = TEST_SALES,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Train the reference policy (PPO on `standard`), measure it against the best rules, publish it with its card."""
    policy = None if trained is None else policy_folder(trained)
    run = run_in(
        out,
        context.obj,
        shipped=agents.REFERENCES_FOLDER / NAME,
        options={"run": None if trained is None else str(trained), "episodes": episodes},
        seeds={"training run": seed, "test split": 0},
        inputs=[] if trained is None else [trained],
    )
    with run.claimed(overwrite=overwrite):
        if policy is not None:
            agent = agents.load(policy, SCENARIO, device="cpu")
        else:
            agent = agents.make(AGENT, SCENARIO, seed=seed, device="cpu")
            with progress_bar("training") as advance:
                agent.learn(progress=lambda done, total, _: advance(done, total, f"{AGENT} on {SCENARIO}"))
        found = card(agent, command=context.obj, sales=episodes)
        run.begin()
        agent.save(run.folder)
        write_atomically(run.folder / agents.REFERENCE_CARD, (json.dumps(found, indent=2) + "\n").encode())
        run.finish()
    if as_json:
        print_json({"out": str(run.folder), "figures": found["figures"], "minus": found["minus"]})
        return
    show(found)
    notice(f"policy and card in {run.folder}")


def card(agent: Any, *, command: str, sales: int) -> dict[str, Any]:
    """The card: profit on test sales, and the differences to the best rules."""
    scenario = load_scenario(SCENARIO)
    population = load_population(scenario.population, [product.title for product in scenario.products])
    players = {AGENT: agent, **{name: agents.make(name, scenario) for name in OPPONENTS}}
    tables = {}
    with progress_bar("evaluating") as advance:
        for done, (name, player) in enumerate(players.items()):
            advance(done, len(players), name)
            tables[name] = play_test_sales(player, scenario, population, sales)
    return {
        "name": NAME,
        "scenario": SCENARIO,
        "agent": AGENT,
        "training_run": agent.seed,
        "training_sales": agent.settings.sales,
        "population": {"name": scenario.population, "sha256": population.card.get("sha256")},
        "command": command,
        "test_sales": sales,
        "figures": {name: figures(table) for name, table in tables.items()},
        "minus": {name: difference(tables[AGENT], tables[name]) for name in OPPONENTS},
    }


def show(found: Mapping[str, Any]) -> None:
    """The policy beside the rules, and the differences on the same customers."""
    show_agents(f"{found['test_sales']:,} test sales of {SCENARIO}, the same customers for all", found["figures"])
    scale = found["figures"][AGENT]["mean_profit"]
    show_table(
        "profit on the same customers",
        ("difference", "mean", "95 % interval"),
        [
            (f"{AGENT} - {name}", money(row["diff"], scale), low_to_high(row, scale))
            for name, row in found["minus"].items()
        ],
    )
