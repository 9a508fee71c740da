"""The ready readers by name.

A new one is a file here that declares a `READER`, and one line in `READERS`.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from flashsale_env.encoders.records.rows import Validation
from flashsale_env.encoders.records.transactions import check_rows
from flashsale_env.encoders.shops import (
    complete_journey,
    hm,
    instacart,
    m5,
    olist,
    online_retail,
    shopify,
    ta_feng,
    woocommerce,
)
from flashsale_env.encoders.shops.roles import ShopReader
from flashsale_env.encoders.tables.fileformat import FileFormat
from flashsale_env.errors import unknown_name

READERS: dict[str, ShopReader] = {
    module.READER.name: module.READER
    for module in (shopify, woocommerce, online_retail, olist, hm, m5, instacart, ta_feng, complete_journey)
}


def read_shop(
    name: str, paths: Sequence[str | Path] = (), form: FileFormat | None = None
) -> tuple[pd.DataFrame, Validation]:
    """Transactions of a known shop, as `records.transactions.read_transactions` returns them.

    Args:
        name: of `READERS`.
        paths: its files, archives or folders; none where a package holds the data.
        form: what the user says about the files; the rest is known.

    Raises:
        FileNotFoundError: no such file.
        ValueError: unknown name, other files, or no row is left.
    """
    if name not in READERS:
        raise ValueError(unknown_name("reader", name, READERS))
    reader = READERS[name]
    form = (form or FileFormat()).or_else(reader.form)
    return check_rows(reader.read([Path(path) for path in paths], form), form=form)
