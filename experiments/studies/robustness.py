"""The study `robustness`: what typing slips, greetings, signatures and other noise cost the intent encoder.

Leaves  the perturbations and the measurement to `encoders.studies.robustness`, files to `encoders.studies.transfer`.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from flashsale_env.encoders.studies.robustness import ROWS, evaluation_rows, robustness_study
from flashsale_env.encoders.studies.transfer import read_labelled, read_mapping
from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.experiments.destinations import OutOrNowhere, run_in
from flashsale_env.experiments.display import print_json, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.options import MOST_OF_ANYTHING, AnySeed, EncoderFolder, Json, Overwrite

Files = Annotated[
    list[Path] | None,
    typer.Argument(metavar="MESSAGES.csv...", help="Labelled messages [default: generated ones of unseen templates]."),
]
Mapped = Annotated[
    Path | None, typer.Option("--mapping", metavar="FILE.toml", help="Intents of the labels, as in `study transfer`.")
]
Column = Annotated[str | None, typer.Option("--text-column", metavar="C", help="Column that holds the messages.")]
LabelColumn = Annotated[str | None, typer.Option("--label-column", metavar="C", help="Column of the labels.")]
Rows = Annotated[
    int, typer.Option("--rows", metavar="N", min=9, max=MOST_OF_ANYTHING, help="Generated messages, without a file.")
]

EXAMPLES = ("flashsale study robustness", "flashsale study robustness --rows 900 --out runs/robustness")


@on_interrupt("Nothing was written: run the command again.")
def command(
    context: typer.Context,
    files: Files = None,
    mapping: Mapped = None,
    text_column: Column = None,
    label_column: LabelColumn = None,
    encoder: EncoderFolder = None,
    rows: Rows = ROWS,
    seed: AnySeed = 0,
    out: OutOrNowhere = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Perturb messages as people do, and measure how much accuracy the encoder loses.

    Without files: on English messages of templates that it was not trained on.
    """
    texts, intents = [], []
    if files and (mapping is None or text_column is None or label_column is None):
        raise ValueError("files of messages need --mapping, --text-column and --label-column.")
    if not files and (mapping or text_column or label_column):
        raise ValueError("--mapping, --text-column and --label-column describe files: name at least one.")
    asked = {"files": [str(path) for path in files or ()], "mapping": str(mapping), "rows": rows}
    asked |= {"text_column": text_column, "label_column": label_column, "encoder": str(encoder or "default")}
    given = [path for path in (*(files or ()), mapping, encoder) if path]
    run = run_in(out, context.obj, options=asked, seeds={"perturbations": seed}, inputs=given)
    if files and mapping is not None and text_column is not None and label_column is not None:
        for path in files:
            found = read_labelled(path, read_mapping(mapping), text_column, label_column)
            texts += found[0]
            intents += found[1]
    else:
        texts, intents = evaluation_rows(rows, seed)
    with run.claimed(overwrite=overwrite), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*only their beginning and end are read")  # that is measured here
        model = IntentEncoder.load(encoder) if encoder else IntentEncoder.default()
        result = robustness_study(model, texts, intents, seed=seed)
        run.keep(result)
    if as_json:
        print_json(result)
        return
    show(result)


def show(result: Mapping[str, Any]) -> None:
    """Accuracy under each perturbation, and the points lost."""
    fall = (100 * row["fall"][key] for row in result["perturbations"] for key in ("mean", "low", "high"))
    show_table(
        f"intents of {result['rows']:,} messages; accuracy as written: {result['accuracy']:.3f}",
        ("perturbation", "accuracy", "points lost"),
        [
            (row["name"], f"{row['accuracy']:.3f}", f"{next(fall):+.1f} ({next(fall):+.1f} to {next(fall):+.1f})")
            for row in result["perturbations"]
        ],
    )
