"""`flashsale demo`: the whole chain, from sentences to a trained policy."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from flashsale_env.experiments.display import notice, print_json, show_agents, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.formats import money
from flashsale_env.experiments.options import Json, Out, Overwrite
from flashsale_env.experiments.runs import Run

Config = Annotated[
    str, typer.Option("--config", metavar="NAME|TOML", help="Sizes of the stages: demo, quick or a TOML file.")
]

EXAMPLES = (
    "flashsale demo",
    "flashsale demo --config quick --out runs/quick",
)


@on_interrupt("{out} is incomplete: run the command again with --overwrite.")
def command(
    context: typer.Context,
    out: Out = Path("runs/demo"),
    config: Config = "demo",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Run the whole chain, from sentences to a trained policy.

    Texts, BERT, customers, PPO, comparison, pictures: under 4 minutes on 2 cores.
    """
    from flashsale_env.experiments.settings import load_demo_settings

    settings = load_demo_settings(config)
    run = Run(
        out,
        context.obj,
        options={"config": config, **dataclasses.asdict(settings)},
        seeds={"corpus, demand, tuning, training run": settings.seed, "test split": 0},
        inputs=[path for path in (config, settings.scenario) if Path(path).exists()],
    )
    with run.claimed(overwrite=overwrite):
        from flashsale_env.experiments.demo import run_demo

        result = run_demo(run, settings)
    if as_json:
        print_json(result)
        return
    show(result, settings.scenario)
    notice(f"everything is in {out}; open {out / 'index.html'}")


def show(result: Mapping[str, Any], scenario: str) -> None:
    """The agents, the figures of the stages before them, and who wins."""
    from flashsale_env.experiments.demo import verdict

    show_agents(f"{result['test_sales']:,} test sales of {scenario}, the same customers for all", result["agents"])
    bound, encoder, demand = result["bound"], result["encoder"], result["demand"]
    show_table(
        "encoder, demand model and upper bound",
        ("what", "value"),
        [
            (
                f"upper bound: {bound['name']}",
                f"{money(bound['value'])} ± {money(bound['half_width'], bound['value'])}",
            ),
            ("macro-F1 on unseen phrasings: encoder", f"{encoder['macro_f1']:.3f}"),
            ("macro-F1 on unseen phrasings: TF-IDF", f"{encoder['tfidf_macro_f1']:.3f}"),
            ("held-out negative log-likelihood of demand: no text", f"{demand['no_text_nll']:.4f}"),
            ("held-out negative log-likelihood of demand: text", f"{demand['heldout_nll']:.4f}"),
            ("held-out negative log-likelihood of demand: true intent", f"{demand['true_intent_nll']:.4f}"),
            ("seconds", f"{result['seconds']['total']:,.0f}"),
        ],
    )
    print(verdict(result))
