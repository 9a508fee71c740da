"""The study `intent-encoder`: the intent encoder, fine-tuned on generated messages and measured on unseen templates.

Leaves  fine-tuning and measuring to `encoders.text.intent`.
"""

from typing import Annotated

import typer

from flashsale_env.encoders.corpus.generator import MIXED
from flashsale_env.encoders.corpus.phrases import LANGUAGES
from flashsale_env.encoders.text.backbone import load_backbone
from flashsale_env.encoders.text.intent import fine_tune_on_corpus
from flashsale_env.encoders.text.training import METHODS
from flashsale_env.encoders.world.building import DEMAND_FOLDER as SHIPPED
from flashsale_env.errors import unknown_name
from flashsale_env.experiments.destinations import OutOrShipped, run_in
from flashsale_env.experiments.display import notice, print_json, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.options import MOST_OF_ANYTHING, AnySeed, Json, Overwrite

BackboneOption = Annotated[
    str, typer.Option("--backbone", metavar="NAME", help="Pretrained BERT: minilm, multilingual, a folder or a hub id.")
]
Method = Annotated[str, typer.Option("--method", metavar="NAME", help=f"How it is fine-tuned: {', '.join(METHODS)}.")]
Epochs = Annotated[
    int, typer.Option("--epochs", metavar="N", min=1, max=MOST_OF_ANYTHING, help="Passes over the messages.")
]
Language = Annotated[
    str | None,
    typer.Option(
        "--language",
        metavar="NAME",
        help=f"Of the messages: {', '.join((*LANGUAGES, MIXED))} [default: all of the backbone's].",
    ),
]

EXAMPLES = ("flashsale study intent-encoder --out runs/encoder",)


@on_interrupt("{out} is untouched or incomplete: run the command again.")
def command(
    context: typer.Context,
    out: OutOrShipped = None,
    backbone: BackboneOption = "minilm",
    method: Method = "lora",
    epochs: Epochs = 1,
    language: Language = None,
    seed: AnySeed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Fine-tune the intent encoder on generated messages, and measure it on templates that it was not trained on.

    The weights are the same on any machine. `flashsale study populations --encoder DIR` fits a demand model beside it.
    """
    if method not in METHODS:
        raise ValueError(unknown_name("method", method, METHODS))
    if language is not None and language not in (*LANGUAGES, MIXED):
        raise ValueError(unknown_name("language", language, (*LANGUAGES, MIXED)))
    load_backbone(backbone)
    asked = {"backbone": backbone, "method": method, "epochs": epochs, "language": language}
    run = run_in(out, context.obj, shipped=SHIPPED, options=asked, seeds={"corpus and training": seed})
    with run.claimed(overwrite=overwrite):
        encoder = fine_tune_on_corpus(
            backbone=backbone, method=method, epochs=epochs, seed=seed, language=language, command=context.obj
        )
        run.begin()
        encoder.save(run.folder, overwrite=True)
        run.finish()
    figures, seconds = encoder.card["figures"], encoder.card["training"]["seconds"]
    if as_json:
        print_json({"out": str(run.folder), "figures": figures, "seconds": seconds})
        return
    rows = {"encoder": figures["evaluation"], "TF-IDF": figures["tfidf_evaluation"]}
    show_table(
        "intents of messages from unseen templates",
        ("classifier", "language", "accuracy", "macro-F1"),
        [
            (name, code, f"{row['accuracy']:.3f}", f"{row['macro_f1']:.3f}")
            for name, by_language in rows.items()
            for code, row in by_language.items()
        ],
        text_columns=2,
    )
    notice(f"encoder in {run.folder}, after {seconds:,.0f} seconds; next: flashsale study populations --encoder DIR")
