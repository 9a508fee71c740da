"""The study `transfer`: how well an encoder classifies real customers' messages that it was not trained on.

Leaves  reading the files and the comparison to `encoders.studies.transfer`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from flashsale_env.encoders.studies.transfer import read_mapping, transfer_study
from flashsale_env.experiments.destinations import OutOrNowhere, run_in
from flashsale_env.experiments.display import print_json, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.options import EncoderFolder, Json, Overwrite, TextColumn

MEASURES = ("accuracy", "macro_f1", "expected_calibration_error")

Files = Annotated[list[Path], typer.Argument(metavar="MESSAGES.csv", help="CSV files with a header, one a shop.")]
Mapped = Annotated[
    Path,
    typer.Option(
        "--mapping", metavar="FILE.toml", help='Intents of the shops\' labels: a table [labels] with REFUND = "intent".'
    ),
]
LabelColumn = Annotated[str, typer.Option("--label-column", metavar="C", help="Column of the shops' labels.")]
Across = Annotated[bool, typer.Option("--across", help="Also tune on each shop and measure on the others.")]

EXAMPLES = ("flashsale study transfer SHOP.csv --mapping MAP.toml \\\n    --text-column sentence --label-column label",)


@on_interrupt("Nothing was written: run the command again.")
def command(
    context: typer.Context,
    files: Files,
    mapping: Mapped,
    text_column: TextColumn,
    label_column: LabelColumn,
    encoder: EncoderFolder = None,
    across: Across = False,
    out: OutOrNowhere = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Classify the labelled messages of real shops: the encoder against TF-IDF, both trained on generated messages.

    Rows with another label than those of the mapping measure how well the encoder rejects messages with no intent.
    """
    read_mapping(mapping)
    asked = {"files": [str(path) for path in files], "mapping": str(mapping), "across": across}
    asked |= {"text_column": text_column, "label_column": label_column, "encoder": str(encoder or "default")}
    run = run_in(
        out, context.obj, options=asked, seeds={}, inputs=[path for path in (*files, mapping, encoder) if path]
    )
    with run.claimed(overwrite=overwrite):
        result = transfer_study(
            files,
            mapping,
            text_column=text_column,
            label_column=label_column,
            encoder=encoder,
            tune_across=across,
        )
        run.keep(result)
    if as_json:
        print_json(result)
        return
    show(result)


def show(result: Mapping[str, Any]) -> None:
    """Accuracy by shop, messages out of scope, and what tuning on another shop changed."""
    show_table(
        "intents of the labelled messages",
        ("shop", "rows", "accuracy", "macro-F1", "calibration error", "accuracy of TF-IDF", "macro-F1 of TF-IDF"),
        [
            (
                name,
                f"{row['rows']:,}",
                f"{row['encoder']['accuracy']:.3f}",
                f"{row['encoder']['macro_f1']:.3f}",
                f"{row['expected_calibration_error']:.3f}",
                f"{row['tfidf']['accuracy']:.3f}",
                f"{row['tfidf']['macro_f1']:.3f}",
            )
            for name, row in result["shops"].items()
        ],
    )
    show_table(
        "distance of the mix of intents from the true one (total variation)",
        ("shop", "messages counted", "corrected for confusion"),
        [
            (name, f"{row['mix']['counted']:.3f}", f"{row['mix']['corrected']:.3f}")
            for name, row in result["shops"].items()
        ],
    )
    print(f"{result['out_of_scope_rows']:,} rows with other labels or no text are out of scope.")
    if result["out_of_scope"]:
        show_table(
            "in scope against out of scope, at the encoder's threshold",
            ("shop", "AUROC", "rejected", "of rows out of scope", "accepted", "of rows in scope"),
            [
                (
                    name,
                    f"{row['auroc']:.3f}",
                    f"{row['rejected']:.0%}",
                    f"{row['others']:,}",
                    f"{row['accepted']:.0%}",
                    f"{row['rows']:,}",
                )
                for name, row in result["out_of_scope"].items()
            ],
        )
    for name, choice in result["across"].items():
        head = choice["head"] if choice["head"] == "as it is" else f"C = {choice['head']:g}"
        show_table(
            f"tuned on {name}: head {head}, temperature {choice['temperature']:.2f}",
            ("measured on", "accuracy", "macro-F1", "calibration error"),
            [
                (other, *(f"{row['before'][key]:.3f} -> {row['after'][key]:.3f}" for key in MEASURES))
                for other, row in choice["others"].items()
            ],
        )
