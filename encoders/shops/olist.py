"""Olist: orders of Brazilian market places, 2016 to 2018, one row a unit.

Needs olist_orders_dataset, olist_order_items_dataset and, for categories, olist_products_dataset with
product_category_name_translation. Products have no names, so titles are their identifiers. Cancelled and unavailable
orders do not count.

Source: Olist & Sionek (2018), Brazilian E-Commerce Public Dataset by Olist, Kaggle, doi 10.34740/kaggle/dsv/195341.
"""

from collections.abc import Sequence
from pathlib import Path

from flashsale_env.encoders.records.rows import Rows
from flashsale_env.encoders.shops.roles import Role, ShopReader, plain, read_roles
from flashsale_env.encoders.tables.fileformat import FileFormat

ROLES = {
    "items": Role(plain("order_id", "order_item_id", "product_id", "price")),
    "orders": Role(plain("order_id", "order_status", "order_purchase_timestamp")),
    "products": Role(plain("product_id", "product_category_name"), needed=False),
    "translation": Role(plain("product_category_name", "product_category_name_english"), needed=False),
}
NOT_SOLD = ("canceled", "unavailable")


def read(paths: Sequence[Path], form: FileFormat) -> Rows:
    """Items of orders as rows."""
    tables, notes = read_roles("olist", ROLES, paths, form)
    items, orders = tables["items"], tables["orders"].drop_duplicates("order_id").set_index("order_id")
    frame = items[["product_id", "price", "order_id"]].set_axis(["product", "price", "basket"], axis=1)
    frame["units"] = 1.0
    frame["time"] = orders["order_purchase_timestamp"].reindex(items["order_id"]).to_numpy()
    status = orders["order_status"].reindex(items["order_id"])
    if "products" in tables:
        category = tables["products"].drop_duplicates("product_id").set_index("product_id")["product_category_name"]
        if "translation" in tables:
            english = tables["translation"].drop_duplicates("product_category_name")
            names = english.set_index("product_category_name")["product_category_name_english"].to_dict()
            category = category.map(lambda name: names.get(name, name), na_action="ignore")
        frame["category"] = category.reindex(items["product_id"]).to_numpy()
    rows = Rows(frame, "olist")
    rows.notes += notes
    rows.drop("order without a record of its own", status.isna().to_numpy())
    rows.drop(f"order that is {' or '.join(NOT_SOLD)}", status.isin(NOT_SOLD).to_numpy())
    return rows


READER = ShopReader("olist", "Olist's Brazilian orders (folder or zip of its CSV files)", ROLES, read)
