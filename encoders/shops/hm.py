"""H&M Personalized Fashion Recommendations: purchases from September 2018 to September 2020, one row a unit.

Needs transactions_train and, for titles and categories, articles. Prices are scaled by an unknown constant, so they are
in no currency. A basket is one customer on one day. The full file has 31.8 million rows; a calibration holds about five
million in memory, so cut the file to some weeks or articles first.

Source: H&M Group (2022), H&M Personalized Fashion Recommendations, Kaggle.
"""

from collections.abc import Sequence
from pathlib import Path

from flashsale_env.encoders.records.rows import Rows
from flashsale_env.encoders.shops.roles import Role, ShopReader, plain, read_roles
from flashsale_env.encoders.tables.cells import identifiers
from flashsale_env.encoders.tables.fileformat import FileFormat

ROLES = {
    "transactions": Role(plain("t_dat", "article_id", "price"), plain("customer_id")),
    "articles": Role(plain("article_id", "prod_name", "product_type_name"), needed=False),
}


def read(paths: Sequence[Path], form: FileFormat) -> Rows:
    """Purchases as rows."""
    tables, notes = read_roles("hm", ROLES, paths, form)
    lines = tables["transactions"]
    product = identifiers(lines["article_id"])
    frame = lines[["price", "t_dat"]].set_axis(["price", "time"], axis=1)
    frame.insert(0, "product", product.astype(object))
    frame["units"] = 1.0
    if "customer_id" in lines:
        day = identifiers(lines["t_dat"]).cat.codes
        frame["basket"] = identifiers(lines["customer_id"]).cat.codes.astype(str) + "/" + day.astype(str)
    if "articles" in tables:
        articles = tables["articles"].assign(article_id=identifiers(tables["articles"]["article_id"]).astype(object))
        articles = articles.drop_duplicates("article_id").set_index("article_id").reindex(product.astype(object))
        frame["title"], frame["category"] = articles["prod_name"].to_numpy(), articles["product_type_name"].to_numpy()
    rows = Rows(frame, "hm")
    rows.notes += [*notes, "H&M's prices are scaled by an unknown constant: all amounts are in no currency."]
    return rows


READER = ShopReader("hm", "H&M Personalized Fashion Recommendations (folder or zip of its CSV files)", ROLES, read)
