"""The study `text-value`: what a customer's text is worth, to predict choices and to set prices.

Leaves  the comparison of readings to `encoders.studies.text_value`.
"""

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from flashsale_env import load_scenario
from flashsale_env.encoders.studies.text_value import REPETITIONS, text_value
from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.experiments.destinations import OutOrNowhere, run_in
from flashsale_env.experiments.display import print_json, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.options import MOST_OF_ANYTHING, AnySeed, Json, Overwrite

Repetitions = Annotated[
    int,
    typer.Option(
        "--repetitions",
        metavar="N",
        min=2,
        max=MOST_OF_ANYTHING,
        help="Repetitions, each with customers, logs and fits of its own.",
    ),
]

EXAMPLES = ("flashsale study text-value --repetitions 5 --out runs/text-value",)


@on_interrupt("Nothing was written: run the command again.")
def command(
    context: typer.Context,
    repetitions: Repetitions = REPETITIONS,
    seed: AnySeed = 0,
    out: OutOrNowhere = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Compare what is read in the messages (nothing, TF-IDF, encoder, true intent) by the demand it predicts."""
    run = run_in(out, context.obj, options={"repetitions": repetitions}, seeds={"messages, tastes and logs": seed})
    with run.claimed(overwrite=overwrite):
        result = text_value(
            IntentEncoder.default(),
            load_scenario("standard"),
            repetitions=repetitions,
            seed=seed,
            progress=sys.stderr.isatty(),
        )
        run.keep(result)
    if as_json:
        print_json(result)
        return
    show(result)


def show(result: Mapping[str, Any]) -> None:
    """Likelihood by reading, and revenue of prices by reading."""
    rows = []
    for name, row in result["readings"].items():
        share = row.get("share_closed_by_repetition")
        closed = "" if share is None else f"{share['mean']:.1%} ({share['low']:.1%} .. {share['high']:.1%})"
        rows.append((name, f"{row['nll']:.4f}", closed))
    show_table(
        f"predicting {result['heldout_visits']:,} held-out visits, {result['repetitions']} repetitions",
        ("reading", "negative log-likelihood, nats a visit", "share of the gain of the true intent"),
        rows,
    )
    pricing = result["pricing"]
    priced = [("one price for all", f"{pricing['one_price']:.4f}", "")]
    for name, row in pricing["readings"].items():
        revenue = row["revenue"]
        interval = f"{revenue['mean']:.4f} ({revenue['low']:.4f} .. {revenue['high']:.4f})"
        priced.append((name, interval, f"{row['share_of_ceiling']:.1%}"))
    priced.append(("true class", f"{pricing['perfect_intent']:.4f}", f"{1:.1%}"))
    show_table("revenue a customer of prices that depend on the reading", ("reading", "revenue", "of the gain"), priced)
