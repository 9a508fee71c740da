"""The trained reference policy that is shipped: what a new learner on `standard` should be compared with.

Owns    training it, its figures, and the folder `agents/trained/NAME` that `agents.load(NAME)` reads.

    python -m flashsale_env.experiments.studies.reference_policy             trains it again and replaces it
    python -m flashsale_env.experiments.studies.reference_policy --run DIR   takes the policy of a finished training
"""

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Any

from flashsale_env import agents, load_population, load_scenario
from flashsale_env.experiments.display import progress_bar
from flashsale_env.experiments.evaluate import difference, figures, play_test_sales, policy_folder
from flashsale_env.files import write_atomically

NAME, SCENARIO, AGENT = "standard-ppo", "standard", "ppo"
# The best rules on validation sales; the policy corrects the first of them.
OPPONENTS = ("sell_through", "lp_resolve")
TEST_SALES = 10_000


def card(agent: Any, *, command: str, sales: int) -> dict[str, Any]:
    """What the policy earns on test sales, beside the rules it was measured against."""
    scenario = load_scenario(SCENARIO)
    population = load_population(scenario.population, [product.title for product in scenario.products])
    players = {AGENT: agent, **{name: agents.make(name, scenario) for name in OPPONENTS}}
    with progress_bar("evaluating") as advance:
        tables = {}
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


def publish(agent: Any, *, command: str, out: Path, sales: int = TEST_SALES) -> dict[str, Any]:
    """Save a trained agent with its card to `out`, the card last."""
    found = card(agent, command=command, sales=sales)
    agent.save(out)
    write_atomically(out / agents.REFERENCE_CARD, (json.dumps(found, indent=2) + "\n").encode())
    return found


def main(arguments: list[str] | None = None) -> None:
    """Train the reference policy, measure it, and put it where `agents.load` finds it."""
    parser = argparse.ArgumentParser(
        prog="python -m flashsale_env.experiments.studies.reference_policy", description=main.__doc__
    )
    parser.add_argument("--seed", type=int, default=0, help="number of the training run (default 0)")
    parser.add_argument("--run", type=Path, metavar="DIR", help="a finished training, instead of one more")
    parser.add_argument("--out", type=Path, default=agents.REFERENCES_FOLDER / NAME, metavar="DIR")
    parser.add_argument("--sales", type=int, default=TEST_SALES, help="test sales of its figures")
    given = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(given)
    command = shlex.join(["python", "-m", "flashsale_env.experiments.studies.reference_policy", *given])
    if options.run is not None:
        agent = agents.load(policy_folder(options.run), SCENARIO, device="cpu")
    else:
        agent = agents.make(AGENT, SCENARIO, seed=options.seed, device="cpu")
        with progress_bar("training") as advance:
            agent.learn(progress=lambda done, total, _: advance(done, total, f"{AGENT} on {SCENARIO}"))
    found = publish(agent, command=command, out=options.out, sales=options.sales)
    print(json.dumps({"figures": found["figures"], "minus": found["minus"]}, indent=2))


if __name__ == "__main__":
    main()
