"""Orders of WooCommerce: the export with one row per item, or the answer of the REST API.

The price is the total of the line over its quantity, after its discount and without tax; the list price is the
subtotal over the quantity. Orders count if they are completed, processing, on hold or refunded.

Source: WooCommerce REST API, "Orders", line_items; the columns of the extension Customer/Order/Coupon Export, format
"one row per item".
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from flashsale_env.encoders.records.rows import Rows
from flashsale_env.encoders.shops.roles import Role, ShopReader, read_roles
from flashsale_env.encoders.tables.cells import identifiers
from flashsale_env.encoders.tables.fileformat import FileFormat
from flashsale_env.encoders.tables.numbers import numbers

ROLES = {
    "orders": Role(
        {
            "order": ("order_id", "order_number", "id", "number", "Order ID", "Order Number"),
            "time": ("order_date", "date_created", "Order Date"),
            "title": ("item_name", "line_items.name", "Item Name"),
            "units": ("item_quantity", "line_items.quantity", "Quantity"),
            "amount": ("item_total", "line_items.total", "Order Line Total"),
        },
        {
            "status": ("status", "order_status", "Order Status"),
            "sku": ("item_sku", "line_items.sku", "SKU"),
            "product": ("item_product_id", "item_id", "line_items.product_id"),
            "subtotal": ("item_subtotal", "line_items.subtotal", "Order Line Subtotal"),
            "currency": ("order_currency", "currency", "Order Currency"),
        },
    )
}
SOLD = frozenset({"completed", "processing", "on-hold", "refunded"})


def read(paths: Sequence[Path], form: FileFormat) -> Rows:
    """Line items as rows."""
    tables, notes = read_roles("woocommerce", ROLES, paths, form)
    lines = tables["orders"]
    title = identifiers(lines["title"]).astype(object)
    product = title
    for name in ("product", "sku"):  # a SKU goes before a number of the database
        if name in lines:
            number = identifiers(lines[name]).astype(object)
            product = number.where(number.notna() & (number != "0"), product)
    frame = pd.DataFrame(
        {
            "product": product,
            "title": title,
            "time": lines["time"],
            "units": lines["units"],
            "amount": lines["amount"],
            "basket": identifiers(lines["order"]).astype(object),
        }
    )
    if "currency" in lines:
        frame["currency"] = lines["currency"]
    if "subtotal" in lines:
        units = numbers(lines["units"], form, "woocommerce: units").values
        subtotal = numbers(lines["subtotal"], form, "woocommerce: subtotal").values
        frame["list_price"] = np.divide(subtotal, units, out=np.full(len(units), np.nan), where=units > 0)
    rows = Rows(frame, "woocommerce")
    rows.notes += notes
    if "status" in lines:
        status = identifiers(lines["status"]).astype(str).str.lower().str.removeprefix("wc-").str.replace(" ", "-")
        rows.drop(f"order that is none of {', '.join(sorted(SOLD))}", ~status.isin(SOLD))
    return rows


READER = ShopReader(
    "woocommerce", "orders of WooCommerce, one row per item (CSV) or from the REST API (JSON)", ROLES, read
)
