"""What holds of a product in all its rows: one category, and a title that no other has."""

import pandas as pd

from flashsale_env.encoders.records.rows import Validation

ONE_CATEGORY = "all products"


def finish(table: pd.DataFrame, wanted: tuple[str, ...], account: Validation) -> pd.DataFrame:
    """The columns that the estimators use, with one category and one distinct title per product.

    Raises:
        ValueError: a product is in more than one category.
    """
    for name in ("product", "category", "store", "basket", "visit"):
        if name in table:
            table[name] = table[name].cat.remove_unused_categories()
    if "category" not in table:
        table["category"] = pd.Categorical([ONE_CATEGORY] * len(table))
    pairs = table[["product", "category"]].drop_duplicates()
    if pairs["product"].duplicated().any():
        product = pairs.loc[pairs["product"].duplicated(), "product"].iloc[0]
        both = pairs.loc[pairs["product"] == product, "category"].tolist()
        raise ValueError(
            account.before(
                f"{account.source}: product {product!r} is in more than one category: {', '.join(map(repr, both))}."
            )
        )
    table["title"] = _titles(table)
    return table[[name for name in wanted if name in table]].reset_index(drop=True)


def _titles(table: pd.DataFrame) -> pd.Series:
    """One title per product: its first, or its identifier. Products that share a title get their identifiers added."""
    products = table["product"].cat.categories
    title = pd.Series(products, index=products, dtype=object)
    if "title" in table:
        first = table[["product", "title"]].dropna().drop_duplicates("product").set_index("product")["title"]
        title.update(first.astype(object))
    shared = title.duplicated(keep=False) & (title != title.index)
    title[shared] = title[shared] + " (" + title.index[shared] + ")"
    return pd.Series(title.to_numpy()[table["product"].cat.codes], index=table.index, dtype="category")
