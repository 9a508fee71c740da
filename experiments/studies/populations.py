"""The study `populations`: demand estimated in the reference world, and the populations that come of it.

Leaves  the reference world, estimation and the populations to `encoders.world.building`.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.encoders.world.building import POPULATION_FOLDER, build_populations
from flashsale_env.experiments.destinations import InPlace, OutOrShipped, run_in
from flashsale_env.experiments.display import notice, print_json, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.options import AnySeed, Json, Overwrite

ENCODER = "encoder"  # folder of the encoder with its demand model, inside --out

Encoder = Annotated[
    Path | None,
    typer.Option(
        "--encoder", metavar="DIR", help="An encoder, e.g. of `flashsale study intent-encoder` [default: shipped]."
    ),
]

EXAMPLES = ("flashsale study populations --out runs/populations",)


@on_interrupt("{out} is incomplete: run the command again with --overwrite.")
def command(
    context: typer.Context,
    out: OutOrShipped = None,
    encoder: Encoder = None,
    seed: AnySeed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Estimate demand on a logged price experiment of the reference world, and build the populations from it.

    DIR/reference holds the voices with their true tastes, DIR/learned the same voices with estimated tastes, DIR/intent
    the customers of the scenario `intent`, and DIR/encoder the encoder with its demand model. A multilingual encoder
    adds its languages to the names. About 9 minutes on one core.
    """
    reader = IntentEncoder.default() if encoder is None else IntentEncoder.load(encoder)
    run = run_in(
        out,
        context.obj,
        shipped=POPULATION_FOLDER,
        options={"encoder": "default" if encoder is None else str(encoder)},
        seeds={"messages, tastes and logs": seed},
        inputs=() if encoder is None else (encoder,),
    )
    with run.claimed(overwrite=overwrite):
        run.begin()
        home = encoder
        if not isinstance(run, InPlace):
            home = reader.save(run.folder / ENCODER)
        figures = build_populations(home, run.folder, seed=seed, command=context.obj, progress=sys.stderr.isatty())
        run.finish()
    if as_json:
        print_json({"out": str(run.folder), "figures": figures})
        return
    show(figures)
    notice(f"populations in {run.folder}; next: flashsale train standard --population DIR/learned --out DIR")


def show(figures: Mapping[str, Any]) -> None:
    """How well demand was estimated: likelihood on held-out customers, and elasticities against the true ones."""
    gap, closed = figures["gap_no_text_minus_encoder"], figures["share_of_gap_closed"]
    show_table(
        f"held-out negative log-likelihood, nats a visit, over {figures['heldout_visits']:,} visits",
        ("demand model", "value"),
        [
            ("no text", f"{figures['no_text_nll']:.4f}"),
            ("text", f"{figures['heldout_nll']:.4f}"),
            ("true intent and product", f"{figures['true_intent_nll']:.4f}"),
            ("gain of the text", f"{gap['mean']:.4f} ({gap['low']:.4f} .. {gap['high']:.4f})"),
            ("share of the possible gain", f"{closed['mean']:.1%} ({closed['low']:.1%} .. {closed['high']:.1%})"),
        ],
    )
    show_table(
        "mean own-price elasticity at list prices",
        ("intent", "true", "estimated"),
        [(intent, f"{row['true']:.2f}", f"{row['recovered']:.2f}") for intent, row in figures["elasticity"].items()],
    )
