"""The options that tell how a shop's files write their cells, for every command that reads such files.

Owns    one option for each field of `FileFormat`, and what the screen says about the rows of a file.
Leaves  reading to `encoders.tables` and `encoders.records`.

    @with_reading_options
    def command(context: typer.Context, files: Files, form: FileFormat) -> None: ...
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from flashsale_env.experiments.display import notice, show_table

# Mirrors `FileFormat`, which is not imported here: the command line is built without pandas.
_OPTIONS: dict[str, tuple[Any, Any]] = {
    "separator": (
        Annotated[str | None, typer.Option("--separator", metavar="SIGN", help="Between cells: a sign, or tab.")],
        None,
    ),
    "decimal": (Annotated[str | None, typer.Option("--decimal", metavar="SIGN", help="Decimal sign: . or ,")], None),
    "thousands": (
        Annotated[str | None, typer.Option("--thousands", metavar="SIGN", help="Sign between thousands.")],
        None,
    ),
    "date_format": (
        Annotated[
            str | None,
            typer.Option("--date-format", metavar="FORMAT", help="As of strptime, e.g. %d/%m/%Y; epoch-s; excel."),
        ],
        None,
    ),
    "time_zone": (
        Annotated[str | None, typer.Option("--time-zone", metavar="NAME", help="Of the shop, e.g. Europe/Berlin.")],
        None,
    ),
    "week_start": (
        Annotated[str, typer.Option("--week-start", metavar="DAY", help="First day of a week, e.g. sunday.")],
        "monday",
    ),
    "skip_rows": (
        Annotated[
            int | None, typer.Option("--skip-rows", metavar="N", min=0, max=100_000, help="Rows above the header.")
        ],
        None,
    ),
    "sheet": (
        Annotated[str | None, typer.Option("--sheet", metavar="NAME", help="Sheet of a workbook: name or number.")],
        None,
    ),
    "encoding": (
        Annotated[
            str | None,
            typer.Option("--encoding", metavar="NAME", help="Character encoding [default: guessed, and said]."),
        ],
        None,
    ),
    "currency": (
        Annotated[
            str | None, typer.Option("--currency", metavar="CODE", help="Use the rows in this currency, e.g. EUR.")
        ],
        None,
    ),
}


def with_reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each field of its argument `form`, which it gets as a checked `FileFormat`.

    Every value is checked before the command begins.
    """

    @functools.wraps(command)
    def read(**values: Any) -> None:
        from flashsale_env.encoders.tables.fileformat import FileFormat

        form = FileFormat(**{name: values.pop(name) for name in _OPTIONS})
        command(**values, form=form)

    own = inspect.signature(command).parameters
    kept = [parameter for name, parameter in own.items() if name != "form"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _OPTIONS.items()
    ]
    plain = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in kept]
    everything = [*plain, *added]
    read.__signature__ = inspect.Signature(everything)  # type: ignore[attr-defined]
    read.__annotations__ = {parameter.name: parameter.annotation for parameter in everything} | {"return": None}
    return read


def said(form: Any) -> dict[str, Any]:
    """What the user said about the files, for `config.json`."""
    return {
        field.name: getattr(form, field.name)
        for field in dataclasses.fields(form)
        if getattr(form, field.name) != field.default
    }


def show_rows(title: str, account: Mapping[str, Any]) -> None:
    """How many rows were used, the reason of each that was not with examples, and notes.

    Args:
        title: of the table.
        account: `Validation.as_dict`; "not_in_the_regression" may add reason -> {"products", "rows"}.
    """
    left_out = account.get("not_in_the_regression", {})
    show_table(
        f"rows of {title}",
        ("rows", "number", "examples"),
        [("read", f"{account['rows_read']:,}", ""), ("used", f"{account['rows_used']:,}", "")]
        + [
            (f"dropped: {reason}", f"{count:,}", "\n".join(account["examples"].get(reason, ())))
            for reason, count in account["dropped"].items()
            if count
        ]
        + [
            (f"not in the estimate: {reason}", f"{count['rows']:,}", f"{count['products']:,} products")
            for reason, count in left_out.items()
            if count["rows"]
        ],
    )
    for note in account["notes"]:
        notice(note)
