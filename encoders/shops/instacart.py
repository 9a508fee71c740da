"""Instacart Market Basket Analysis: orders without prices and without dates.

Nothing about prices can be learned from it, and the reader says so instead of failing on a missing column.

Source: Instacart (2017), The Instacart Online Grocery Shopping Dataset.
"""

from collections.abc import Sequence
from pathlib import Path

from flashsale_env.encoders.records.rows import Rows
from flashsale_env.encoders.shops.roles import Role, ShopReader, plain, read_roles
from flashsale_env.encoders.tables.fileformat import FileFormat

ROLES = {
    "order_products": Role(plain("order_id", "product_id", "add_to_cart_order", "reordered")),
    "orders": Role(plain("order_id", "user_id", "order_number", "order_dow"), needed=False),
    "products": Role(plain("product_id", "product_name", "aisle_id"), needed=False),
}


def read(paths: Sequence[Path], form: FileFormat) -> Rows:
    """Refuses.

    Raises:
        ValueError: always: either these are not Instacart's files, or they are.
    """
    tables, _ = read_roles("instacart", ROLES, paths, form)
    raise ValueError(
        f"instacart: {len(tables['order_products']):,} lines, but Instacart published no prices and no dates: "
        f"no elasticity can be estimated from them. Join prices and dates of your own and read the result as "
        f"transactions, or calibrate on a data set with prices, such as ta-feng or complete-journey."
    )


READER = ShopReader("instacart", "Instacart's orders, which hold no prices: it says so", ROLES, read)
