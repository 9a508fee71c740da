"""Orders exported from the admin of Shopify: one row a line item, with what concerns the order on its first row alone.

The price is that of the line item less its own discount. Discounts of a whole order (`Discount Amount`) are not shared
out, because the export does not say among which lines. `Created at` is the shop's own clock.

Source: Shopify Help Center, "Exporting orders", list of the columns of the CSV file.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from flashsale_env.encoders.records.rows import Rows
from flashsale_env.encoders.shops.roles import Role, ShopReader, plain, read_roles
from flashsale_env.encoders.tables.cells import identifiers
from flashsale_env.encoders.tables.fileformat import FileFormat
from flashsale_env.encoders.tables.numbers import numbers

ROLES = {
    "orders": Role(
        plain("Name", "Created at", "Lineitem quantity", "Lineitem name", "Lineitem price"),
        plain(
            *("Lineitem compare at price", "Lineitem discount", "Lineitem sku", "Currency", "Cancelled at"),
            *("Financial Status", "Vendor"),
        ),
    )
}
_OF_THE_ORDER = ("Created at", "Currency", "Cancelled at", "Financial Status")


def read(paths: Sequence[Path], form: FileFormat) -> Rows:
    """Line items as rows."""
    tables, notes = read_roles("shopify", ROLES, paths, form)
    lines = tables["orders"]
    text = {name: identifiers(lines[name]) for name in lines if name not in ("Lineitem quantity", "Lineitem price")}
    order = text["Name"]
    for name in _OF_THE_ORDER:
        if name in text:
            text[name] = text[name].astype(object).groupby(order, observed=True).transform("first")
    frame = pd.DataFrame(
        {
            "product": (text["Lineitem sku"] if "Lineitem sku" in text else text["Lineitem name"]).astype(object),
            "title": text["Lineitem name"].astype(object),
            # The clock of the shop; the offset behind it only says where that clock stands.
            "time": text["Created at"].astype(str).str.slice(0, 19).where(text["Created at"].notna()),
            "units": lines["Lineitem quantity"],
            "price": lines["Lineitem price"],
            "basket": order.astype(object),
        }
    )
    frame["product"] = frame["product"].where(frame["product"].notna(), frame["title"])
    if "Currency" in text:
        frame["currency"] = text["Currency"]
    price = numbers(lines["Lineitem price"], form, "shopify: column 'Lineitem price'").values
    if "Lineitem discount" in lines:
        off = numbers(lines["Lineitem discount"], form, "shopify: column 'Lineitem discount'").values
        units = numbers(lines["Lineitem quantity"], form, "shopify: column 'Lineitem quantity'").values
        has = (off > 0) & (units > 0)
        frame["price"] = np.where(has, price - np.divide(off, units, out=np.zeros(len(off)), where=has), price)
    listed = np.full(len(price), np.nan)
    if "Lineitem compare at price" in lines:
        listed = numbers(lines["Lineitem compare at price"], form, "shopify: column 'Lineitem compare at price'").values
    frame["list_price"] = np.fmax(np.where(listed > 0, listed, np.nan), price)
    rows = Rows(frame, "shopify")
    rows.notes += notes
    if "Cancelled at" in text:
        rows.drop("cancelled order", text["Cancelled at"].notna())
    if "Financial Status" in text:
        rows.drop("payment voided", text["Financial Status"].astype(str).str.lower() == "voided")
    return rows


READER = ShopReader("shopify", "orders exported from Shopify's admin (CSV)", ROLES, read)
