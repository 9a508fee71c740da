"""A shop's list of products: what they are called and what they cost."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from flashsale_env import Product
from flashsale_env.encoders.records.columns import Column, require
from flashsale_env.encoders.records.rows import rows_of
from flashsale_env.encoders.tables.cells import identifiers
from flashsale_env.encoders.tables.fileformat import FileFormat
from flashsale_env.encoders.tables.numbers import numbers
from flashsale_env.encoders.tables.opened import OpenTable
from flashsale_env.encoders.tables.reading import read_columns

CATALOGUE_COLUMNS = {
    "title": Column("what customers call the product", True, ("name", "product", "product name", "item")),
    "price": Column("list price, currency", True, ("list price", "regular price", "unit price")),
    "noun": Column("its phrase in messages, e.g. air fryer; the title where there is none"),
}
PRICE_SHARES = (1.0, 0.85, 0.7, 0.55)  # of the list price, as in a flash sale; a scenario has levels of its own


def read_catalogue(
    paths: str | Path | Sequence[str | Path],
    *,
    columns: Mapping[str, str] | None = None,
    form: FileFormat | None = None,
) -> tuple[Product, ...]:
    """Products from files with the columns `title`, `price` and, if there, `noun`.

    Args:
        paths: one file or several, see `tables.sources`.
        columns: our name -> the file's name.
        form: how the files write their cells.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not readable, or a product without a title or a price, or with another's title.
    """
    form = form or FileFormat()

    def needs(table: OpenTable, named: Mapping[str, str]) -> None:
        require(table, named, CATALOGUE_COLUMNS, table.source.name, table.names)

    rows = rows_of(read_columns(paths, list(CATALOGUE_COLUMNS), mapped=columns, form=form, require=needs))
    title = identifiers(rows.raw["title"]).astype(object)
    price = numbers(rows.raw["price"], form, f"{rows.source}: column 'price'").values
    noun = identifiers(rows.raw["noun"]).astype(object) if "noun" in rows.raw else pd.Series([None] * len(title))
    for bad, what in (
        (title.isna().to_numpy(), "no title"),
        (~(price > 0), "no price above 0"),
        (title.duplicated().to_numpy(), "the title of an earlier product"),
    ):
        if bad.any():
            raise ValueError(
                f"{rows.source}: {int(bad.sum())} products have {what}, e.g. {rows.shown(int(bad.argmax()))}."
            )
    return tuple(
        Product(
            title=str(name),
            price_levels=tuple(share * float(cost) for share in PRICE_SHARES),
            initial_stock=1,
            noun=str(phrase) if isinstance(phrase, str) else "",
        )
        for name, cost, phrase in zip(title, price, noun, strict=True)
    )
