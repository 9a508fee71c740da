"""`flashsale strategy`: a plan of the whole sale, scored on test sales and improved."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flashsale_env.experiments.destinations import OutOrNowhere, run_in
from flashsale_env.experiments.display import print_json, progress_bar
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.options import (
    MOST_OF_ANYTHING,
    MOST_SALES,
    AnySeed,
    BaseUrl,
    Json,
    KeyVariable,
    ModelOrNone,
    Overwrite,
    ScenarioArgument,
    TestSales,
)

Document = Annotated[
    Path | None, typer.Argument(metavar="FILE", help="Strategy as TOML or JSON [default: the shipped one].")
]
Trials = Annotated[int, typer.Option("--trials", metavar="N", min=0, max=MOST_OF_ANYTHING, help="Of each search.")]
Searches = Annotated[int, typer.Option("--searches", metavar="N", min=1, max=1000, help="Searches, each with a seed.")]
Sales = Annotated[int, typer.Option("--sales", metavar="N", min=1, max=MOST_SALES, help="Validation sales of a trial.")]
Rounds = Annotated[int, typer.Option("--rounds", metavar="N", min=1, max=1000, help="Strategies that --model writes.")]
Against = Annotated[
    str | None, typer.Option("--against", metavar="AGENT", help="Beside it [default: the exact optimum or best agent].")
]

EXAMPLES = (
    "flashsale strategy gvr-periodic strategy.toml --trials 20",
    "flashsale strategy standard --trials 60 --searches 10 --out runs/strategy",
)


@on_interrupt("nothing was written: run the command again.")
def command(
    context: typer.Context,
    scenario: ScenarioArgument,
    document: Document = None,
    trials: Trials = 0,
    searches: Searches = 1,
    sales: Sales = 256,
    model: ModelOrNone = None,
    base_url: BaseUrl = None,
    key_variable: KeyVariable = "OPENAI_API_KEY",
    rounds: Rounds = 3,
    against: Against = None,
    seed: AnySeed = 0,
    episodes: TestSales = 10_000,
    out: OutOrNowhere = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Score a strategy on test sales, and improve it.

    The exact optimum or the best agent stands beside it.
    A strategy is a document: phases with decisions in words. --trials searches its numbers on validation sales;
    --model lets a language model write it, told what each draft earns.
    """
    from flashsale_env import load_scenario
    from flashsale_env.experiments.language.asking import find_model
    from flashsale_env.experiments.language.strategies import Effort, prepared, show, study

    effort = Effort(trials, searches, sales, seed, episodes, rounds)
    given = {"scenario": scenario, "document": document and str(document), "model": model, "against": against}
    task = prepared(scenario, load_scenario(scenario), document, against)
    author = None if model is None else find_model(model, base_url, key_variable)
    inputs = [path for path in (document, scenario) if path and Path(path).exists()]
    run = run_in(out, context.obj, options=given | asdict(effort), seeds={"search": seed}, inputs=inputs)
    with run.claimed(overwrite=overwrite):
        run.begin()
        with progress_bar("strategies") as advance:
            found = study(task, effort, author, out, advance)
        run.finish()
    if as_json:
        print_json(found)
        return
    show(found)
