"""`flashsale ask`: a language model plays test sales."""

from pathlib import Path
from typing import Annotated

import typer

from flashsale_env.experiments.destinations import OutOrNowhere, run_in
from flashsale_env.experiments.display import notice, print_json, progress_bar, show_agents
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.options import (
    MOST_OF_ANYTHING,
    BaseUrl,
    Calls,
    Json,
    KeyVariable,
    Minutes,
    ModelName,
    Overwrite,
    Prices,
    ScenarioArgument,
    Spend,
)

Sales = Annotated[int, typer.Option("--episodes", metavar="N", min=2, max=10_000, help="Test sales to play.")]
Ticks = Annotated[
    int | None,
    typer.Option("--ticks", metavar="N", min=1, max=MOST_OF_ANYTHING, help="Most ticks of an answer [default: all]."),
]
Against = Annotated[str, typer.Option("--against", metavar="AGENT", help="Another agent, on the same customers.")]

EXAMPLES = (
    "flashsale ask gvr-periodic --model runs/asked/journal.jsonl --episodes 20",
    "flashsale ask standard --model my-model --base-url http://localhost:8000/v1 \\\n    --calls 500 --out runs/asked",
)


@on_interrupt("the journal in {out} holds what was asked.")
def command(
    context: typer.Context,
    scenario: ScenarioArgument,
    model: ModelName,
    base_url: BaseUrl = None,
    key_variable: KeyVariable = "OPENAI_API_KEY",
    episodes: Sales = 10,
    ticks: Ticks = None,
    against: Against = "fixed_price",
    calls: Calls = None,
    minutes: Minutes = None,
    spend: Spend = None,
    prices: Prices = (0.0, 0.0),
    out: OutOrNowhere = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Let a language model play test sales.

    It is compared with another agent on the same customers.
    The model reads reports and answers with JSON. With --out, every exchange is written to a journal, which
    --model JOURNAL.jsonl replays without the model.
    """
    from flashsale_env import load_scenario
    from flashsale_env.experiments.evaluate import find_agent
    from flashsale_env.experiments.language.asking import bounds_of, find_model, play_against

    sale = load_scenario(scenario)
    bounds = bounds_of(calls, minutes, spend, prices)
    other = find_agent(against, scenario)
    options = {"scenario": scenario, "model": model, "episodes": episodes, "ticks": ticks, "against": against}
    inputs = [model] if Path(model).exists() else []
    run = run_in(out, context.obj, options=options, seeds={"test split": 0}, inputs=inputs)
    with run.claimed(overwrite=overwrite):
        asked = find_model(model, base_url, key_variable)
        run.begin()
        with progress_bar(f"asking {asked.name}") as advance:
            found = play_against(asked, sale, episodes, bounds, ticks, other, out, advance)
        run.finish()
    if as_json:
        print_json(found)
        return
    show_agents(f"{found['sales']} test sales of {scenario}", {asked.name: found["agent"], against: found["against"]})
    notice(
        f"{found['calls']} calls, {found['prompt_tokens']} + {found['completion_tokens']} tokens. {found['stopped']}"
    )
