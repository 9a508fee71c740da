"""The study `sentiment`: polarity of real Chinese shopping reviews, the multilingual backbone against TF-IDF.

Leaves  the reviews, the classifiers and their comparison to `encoders.text.sentiment`.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from flashsale_env.encoders.text.backbone import load_backbone
from flashsale_env.encoders.text.sentiment import METHODS, read_reviews, review_study
from flashsale_env.errors import unknown_name
from flashsale_env.experiments.display import notice, print_json, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.options import MOST_OF_ANYTHING, AnySeed, CacheFolder, Json, Out, Overwrite
from flashsale_env.experiments.runs import RESULT, Run, write_json

CLASSIFIER = "classifier"  # folder of the fine-tuned classifier, inside --out

Folder = Annotated[Path, typer.Argument(metavar="REVIEWS", help="Folder with neg.txt and pos.txt, a review a line.")]
BackboneOption = Annotated[
    str, typer.Option("--backbone", metavar="NAME", help="Pretrained BERT: minilm, multilingual, a folder or a hub id.")
]
Method = Annotated[
    str, typer.Option("--method", metavar="NAME", help="What is trained: frozen (a classifier on it) or layers.")
]
Epochs = Annotated[
    int,
    typer.Option("--epochs", metavar="N", min=1, max=MOST_OF_ANYTHING, help="Passes over the reviews, method layers."),
]

EXAMPLES = ("flashsale study sentiment REVIEWS --out runs/sentiment",)


@on_interrupt("{out} is incomplete: run the command again with --overwrite.")
def command(
    context: typer.Context,
    folder: Folder,
    out: Out,
    backbone: BackboneOption = "multilingual",
    method: Method = "layers",
    epochs: Epochs = 1,
    seed: AnySeed = 0,
    cache: CacheFolder = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Classify reviews as praise or complaint: a BERT backbone, TF-IDF on characters, and both together.

    With --method layers, DIR/classifier holds the fine-tuned classifier. About 8 minutes on one core.
    """
    if method not in METHODS:
        raise ValueError(unknown_name("method", method, METHODS))
    read_reviews(folder)
    load_backbone(backbone)
    asked = {"backbone": backbone, "method": method, "epochs": epochs}
    run = Run(out, context.obj, options={"reviews": str(folder), **asked}, seeds={"training": seed}, inputs=[folder])
    with run.claimed(overwrite=overwrite):
        run.begin()
        result = review_study(
            folder,
            backbone=backbone,
            method=method,
            epochs=epochs,
            seed=seed,
            cache=cache,
            out=out / CLASSIFIER if method == "layers" else None,
            progress=sys.stderr.isatty(),
        )
        write_json(out / RESULT, result)
        run.finish()
    if as_json:
        print_json({"out": str(out), **result})
        return
    show(result)
    notice(f"results in {out}")


def show(result: Mapping[str, Any]) -> None:
    """Accuracy of every classifier, and its difference to TF-IDF on the same reviews."""
    show_table(
        f"polarity of {result['test']:,} test reviews, trained on {result['train']:,}; ± half of the 95 % interval",
        ("classifier", "accuracy", "less TF-IDF"),
        [
            (name, _with_half_width(row), _with_half_width(result["minus_tfidf"].get(name), "+"))
            for name, row in result["accuracy"].items()
        ],
    )


def _with_half_width(row: Mapping[str, float] | None, sign: str = "") -> str:
    return "" if row is None else f"{row['mean']:{sign}.3f} ± {row['half_width']:.3f}"
