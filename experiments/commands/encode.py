"""`flashsale encode`: customers from a shop's own messages."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flashsale_env.experiments.display import notice, print_json, show_table
from flashsale_env.experiments.exits import on_interrupt
from flashsale_env.experiments.formats import short
from flashsale_env.experiments.options import (
    CacheFolder,
    EncoderFolder,
    Json,
    Out,
    Overwrite,
    ProductsOf,
    TextColumn,
)
from flashsale_env.experiments.reading import said, show_rows, with_reading_options
from flashsale_env.experiments.runs import Run

if TYPE_CHECKING:
    from flashsale_env import Product
    from flashsale_env.encoders.tables.fileformat import FileFormat
    from flashsale_env.experiments.encode import Encoded

Messages = Annotated[
    list[Path], typer.Argument(metavar="MESSAGES...", help="CSV, TSV, XLSX, JSONL or Parquet, also in .gz or .zip.")
]
Labels = Annotated[
    str | None,
    typer.Option(
        "--labels", metavar="C", help="Column with intents of some rows; the encoder is fine-tuned on them first."
    ),
]
Mapped = Annotated[
    Path | None,
    typer.Option(
        "--mapping", metavar="FILE.toml", help='Meaning of the --labels: a table [labels] with REFUND = "intent".'
    ),
]
SkipEmpty = Annotated[bool, typer.Option("--skip-empty", help="Leave out rows without a text.")]
Folds = Annotated[
    int, typer.Option("--folds", metavar="N", min=2, max=100, help="Folds that test the fine-tuned encoder.")
]
BackboneOption = Annotated[
    str | None,
    typer.Option("--backbone", metavar="NAME", help="Another BERT, unchanged: multilingual, a folder or a hub id."),
]
Catalogue = Annotated[
    Path | None,
    typer.Option("--catalogue", metavar="FILE", help="Products that the customers shop for: title, price, noun."),
]
InScopeOnly = Annotated[bool, typer.Option("--in-scope-only", help="Leave out messages with none of the nine intents.")]


EXAMPLES = (
    "flashsale encode messages.csv --text-column text --out runs/shop",
    "flashsale encode messages.csv --text-column text --catalogue products.csv \\\n    --out runs/own",
)


@on_interrupt("{out} is untouched or incomplete: run the command again.")
@with_reading_options
def command(
    context: typer.Context,
    messages: Messages,
    text_column: TextColumn,
    out: Out,
    scenario: ProductsOf = "standard",
    catalogue: Catalogue = None,
    encoder: EncoderFolder = None,
    backbone: BackboneOption = None,
    labels: Labels = None,
    mapping: Mapped = None,
    folds: Folds = 5,
    skip_empty: SkipEmpty = False,
    in_scope_only: InScopeOnly = False,
    cache: CacheFolder = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    *,
    form: "FileFormat",
) -> None:
    """Build customers from a shop's own messages.

    BERT gives the intent of each message, the demand model the tastes of the customer who wrote it.
    """
    from flashsale_env.experiments.messages import read

    if mapping is not None and labels is None:
        raise ValueError("--mapping gives the meaning of labels: name their column with --labels.")
    if backbone is not None and encoder is not None:
        raise ValueError("--encoder and --backbone are two encoders: give one of them.")
    products = _products(scenario, catalogue)
    reading: dict[str, Any] = {"labels": labels, "mapping": mapping, "skip_empty": skip_empty}
    how: dict[str, Any] = {"backbone": backbone, "folds": folds, "in_scope_only": in_scope_only}
    asked = {"messages": [str(path) for path in messages], "text_column": text_column, **reading, **said(form), **how}
    asked |= {"scenario": scenario, "catalogue": catalogue, "encoder": encoder or backbone or "default"}
    run = Run(
        out,
        context.obj,
        options={name: str(value) if isinstance(value, Path) else value for name, value in asked.items()},
        inputs=[path for path in (*messages, encoder, mapping, catalogue) if path],
    )
    with run.claimed(overwrite=overwrite):
        given = read(messages, text_column, form=form, **reading)

        from flashsale_env.experiments.encode import encode_messages

        found = encode_messages(run, given.texts, given.labels, products, encoder, cache=cache, **how)
    if as_json:
        print_json({"out": str(out), "rows": given.account, **found.as_json()})
        return
    show_rows(", ".join(map(str, messages)), given.account)
    show(found, in_scope_only)
    _tell(found, out, cache, scenario if catalogue is None else "SCENARIO")


def _tell(found: "Encoded", out: Path, cache: Path | None, scenario: str) -> None:
    """Where the files are, and what comes next."""
    from flashsale_env.experiments.encode import CONFUSION

    if found.cache is not None:
        notice(f"{found.cache.hits:,} of {found.cache.hits + found.cache.misses:,} texts were in {cache}")
    if found.cross_validation is not None:
        notice(f"which intents are mistaken for which: {out / CONFUSION}.png")
    following = f"flashsale train {scenario} --population {out} --out DIR"
    notice(f"population of {len(found.population):,} voices in {out}; next: {following}")


def _products(scenario: str, catalogue: Path | None) -> "tuple[Product, ...]":
    """The products of a scenario, or of a catalogue.

    Raises:
        ValueError: the customers of the scenario have no tastes for products.
    """
    from flashsale_env import load_scenario

    if catalogue is not None:
        from flashsale_env.encoders.records.catalogue import read_catalogue

        return read_catalogue(catalogue)
    sale = load_scenario(scenario)
    if sale.choice.model == "exponential":
        titles = ", ".join(repr(product.title) for product in sale.products)
        raise ValueError(
            f"the customers of {sale.name} have an exponential willingness to pay for {titles} and no tastes, which is "
            f"what messages give: choose a scenario with another choice model, or --catalogue FILE."
        )
    return sale.products


def show(found: "Encoded", in_scope_only: bool) -> None:
    """The mix of intents, what fine-tuning gained, messages out of scope, and examples."""
    voices, content = len(found.population), found.as_json()
    show_table(
        f"intents of {voices:,} messages",
        ("intent", "messages", "share", "mean probability", "price sensitivity"),
        [
            (
                intent,
                f"{row['messages']:,}",
                f"{row['messages'] / voices:.1%}",
                f"{row['mean_probability']:.3f}",
                "-" if row["mean_price_sensitivity"] is None else f"{row['mean_price_sensitivity']:.2f}",
            )
            for intent, row in sorted(content["intents"].items(), key=lambda item: -item[1]["messages"])
        ],
    )
    if found.cross_validation is not None:
        before, after = found.cross_validation["zero_shot"], found.cross_validation
        show_table(
            f"intents of the {found.labelled:,} labelled messages, cross-validated",
            ("encoder", "accuracy", "macro-F1"),
            [
                (name, f"{row['accuracy']:.3f}", f"{row['macro_f1']:.3f}")
                for name, row in {"before fine-tuning": before, "fine-tuned, on held-out rows": after}.items()
            ],
        )
    if found.outside:
        left_out, kept = "they were left out", "they count with the nearest; --in-scope-only leaves them out"
        fate = left_out if in_scope_only else kept
        notice(f"{found.outside:,} of {found.messages:,} messages have none of the nine intents: {fate}")
    if found.masked:
        kinds = ", ".join(f"{kind} ({count:,})" for kind, count in found.masked.items())
        notice(f"personal details masked in what is kept: {kinds}")
    show_table(
        "examples, evenly spaced over the file",
        ("message", "intent", "probability"),
        [(short(row["text"]), row["intent"], f"{row['probability']:.2f}") for row in content["examples"]],
        text_columns=2,
    )
