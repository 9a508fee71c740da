"""`flashsale explain`: why the encoder assigns an intent to one message."""

from pathlib import Path
from typing import Annotated

import typer

from flashsale_env.experiments.display import notice, print_json, show_table
from flashsale_env.experiments.options import EncoderFolder, Json, PopulationOption, ProductsOf, checked
from flashsale_env.experiments.runs import check_file

Message = Annotated[str, typer.Argument(metavar="MESSAGE", help="What a customer wrote, in quotes.")]
Intent = Annotated[
    str | None, typer.Option("--intent", metavar="NAME", help="Intent to explain [default: the most probable].")
]
Page = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE.html", help="Write the coloured message there.", callback=checked(check_file)),
]
Replace = Annotated[bool, typer.Option("--overwrite", help="Replace the file that --out names.")]

EXAMPLES = (
    'flashsale explain "when does my parcel arrive?"',
    'flashsale explain "a gift for my sister" --intent gift --out gift.html',
)


def command(
    message: Message,
    intent: Intent = None,
    encoder: EncoderFolder = None,
    scenario: ProductsOf = "standard",
    population: PopulationOption = None,
    out: Page = None,
    overwrite: Replace = False,
    as_json: Json = False,
) -> None:
    """Show which words of a message decide its intent.

    Beside them stand the tastes inferred from the message and those of all customers.
    """
    from flashsale_env import load_population, load_scenario

    sale = load_scenario(scenario)
    customers = load_population(population or sale.population, [product.title for product in sale.products])
    if out is not None and out.exists() and not overwrite:
        raise FileExistsError(f"{out} is there already: choose another file, or pass --overwrite.")

    from rich.console import Console

    from flashsale_env.encoders.text.explain import to_terminal
    from flashsale_env.experiments.explain import explain_message, strongest, write_html

    found = explain_message(message, intent, encoder, sale, customers)
    if out is not None:
        write_html(out, found.explanation)
    if as_json:
        print_json(found.as_json())
        return
    Console(highlight=False, soft_wrap=True).print(to_terminal(found.explanation))
    if found.in_scope is False:
        notice("out of scope: the encoder assigns none of the nine intents to this message.")
    show_table(
        f"tastes inferred from the message, beside those of {len(customers):,} customers",
        ("taste", "unit", "this message", "mean of customers", "share of customers below"),
        [
            (row.taste, row.unit, f"{row.value:.2f}", f"{row.average:.2f}", f"{row.share_below:.0%}")
            for row in strongest(found.tastes)
        ],
        text_columns=2,
    )
    if out is not None:
        notice(f"the coloured message is in {out}")
