"""The columns of records, and how a file that lacks one is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flashsale_env.encoders.tables.opened import OpenTable
from flashsale_env.encoders.tables.reading import header_below, nearest


@dataclass(frozen=True)
class Column:
    """Meaning of a column, and whether a file must have it.

    Args:
        meaning: for the documentation and for errors.
        required: whether a file must have it.
        also_called: other names of it, which are proposed and never used unasked.
    """

    meaning: str
    required: bool = False
    also_called: tuple[str, ...] = ()


TRANSACTION_COLUMNS = {
    "product": Column(
        "identifier of the product", True, ("sku", "item", "article", "product id", "item id", "stock code", "ean")
    ),
    "price": Column(
        "price paid per unit, currency; give this or `amount`", False, ("unit price", "item price", "sales price")
    ),
    "amount": Column(
        "paid for all units of the row, currency; price is amount / units",
        False,
        ("line total", "total", "sales", "revenue", "sales value", "turnover"),
    ),
    "units": Column(
        "units bought; a file without it has one unit a row",
        False,
        ("quantity", "qty", "units sold", "count", "pieces", "volume", "menge", "anzahl", "quantité", "数量"),
    ),
    "week": Column(
        "number of the week: counted on, as yyyyww or 2024-W05, or of the year beside `year`; give this or `time`",
        False,
        ("week number", "calendar week", "yearweek", "wk", "kw"),
    ),
    "year": Column("year of the week, where `week` is the week of a year"),
    "time": Column(
        "time stamp in ISO 8601, e.g. 2024-05-31T18:04:00, or in the form of --date-format; give this or `week`",
        False,
        ("date", "timestamp", "datetime", "order date", "created at", "invoice date", "purchase date", "datum"),
    ),
    "category": Column("group of products that share one elasticity"),
    "title": Column("what customers call the product; the identifier where there is none"),
    "list_price": Column("price per unit before any discount, currency"),
    "discount": Column("currency off per unit; list price is price + discount where `list_price` is not given"),
    "store": Column("identifier of the store"),
    "basket": Column("identifier of the shopping trip: one visitor"),
    "cancelled": Column("1 where the order was cancelled, else 0; such rows are dropped"),
    "currency": Column("code of the currency; a file with several needs --currency"),
}
CHOICE_COLUMNS = {
    "visit": Column("identifier of the visit: one customer looking at the offer", True, ("session", "visitor", "user")),
    "product": Column("identifier of a product offered in that visit, one row each", True, ("sku", "item", "article")),
    "price": Column("price shown per unit, currency; may be blank where the product was not available", True),
    "available": Column(
        "1 where the product could be bought in that visit, else 0", True, ("in stock", "availability")
    ),
    "bought": Column(
        "units bought in that visit, 0 for none", True, ("choice", "chosen", "purchased", "purchase", "quantity")
    ),
    "category": Column("group of products that share one price sensitivity"),
    "title": Column("what customers call the product; the identifier where there is none"),
}


def require(
    table: OpenTable | None, named: Mapping[str, str], known: Mapping[str, Column], source: str, found: Sequence[str]
) -> None:
    """Refuse a file without a required column, with the one that may be meant.

    Args:
        table: the file, to look for its header further down; None for a table in memory.
        named: our name -> the file's, for the columns that are there.
        known: the columns of the records.
        source: for messages.
        found: names that are there.

    Raises:
        ValueError: a column is missing.
    """
    missing = [name for name, column in known.items() if column.required and name not in named]
    if "week" in known and not {"week", "time"} & set(named):
        missing.append("time")
    if "amount" in known and not {"price", "amount"} & set(named):
        missing.append("price")
    if not missing:
        return
    missing.sort(key=list(known).index)
    name = missing[0]
    others = [column for column in found if column and column not in named.values()]
    near = nearest(name, others, known[name].also_called)
    hint = header_below(table, list(known)) if table is not None else ""
    if not hint:
        hint = f" Is it {near!r}? Map it: {name}={near}." if near else f" Map another one: {name}=COLUMN."
    either = " (or `week`)" if name == "time" else ""
    more = f" So are {', '.join(missing[1:])}." if len(missing) > 1 else ""
    raise ValueError(
        f"{source}: column {name!r}{either} ({known[name].meaning}) is missing.{hint}{more} Columns found: "
        f"{', '.join(column for column in found if column)}."
    )


def proposed(name: str, known: Mapping[str, Column], found: Sequence[str]) -> str:
    """A column that is called as `name` is elsewhere; "" if there is none."""
    folded = {column.lower().replace("_", " ").strip(): column for column in found}
    return next((folded[word] for word in known[name].also_called if word in folded), "")
