"""The panel of weekly sales: what is summed, what is left out, and how weeks without a row are read."""

import numpy as np
import pandas as pd
import pytest

from flashsale_env.encoders.demand.panel import weekly_panel
from flashsale_env.encoders.records.transactions import check_transactions
from flashsale_env.encoders.studies.shops import Shop


def rows_of(shop=None, **columns):
    """Records of a shop of four products with some columns changed."""
    return (shop or Shop(products=4, weeks=40, units=40)).records(0).assign(**columns)


def test_products_that_tell_nothing_are_left_out_by_name():
    rows = rows_of()
    rows.loc[rows["product"] == "product 0", "price"] = 3.0
    rows = rows[(rows["product"] != "product 1") | (rows["week"] < 5)]
    rows.loc[rows["product"] == "product 2", "units"] = 1.0
    panel = weekly_panel(rows)
    out = {reason: counts["names"] for reason, counts in panel.left_out.items() if counts["products"]}
    assert out == {
        "fewer than 8 weeks with a record": ["product 1"],
        "no price variation": ["product 0"],
        "never more than one unit a week": ["product 2"],
    }
    assert panel.left_out["no price variation"]["rows"] == 40
    assert panel.cells["product"].unique().tolist() == ["product 3"]
    with pytest.raises(ValueError, match=r"no product identifies an elasticity .*no price variation: 1"):
        weekly_panel(rows[rows["product"] == "product 0"])


def test_rows_of_0_units_are_weeks_on_sale_without_a_purchase():
    shop = Shop(products=4, weeks=40, units=1.0, zeros=True)
    panel = weekly_panel(shop.records(0))
    assert (panel.cells["units"] == 0).sum() > 20
    assert not panel.truncated
    assert panel.absent == "missing"
    without = weekly_panel(shop.records(0)[lambda t: t["units"] > 0])
    assert without.truncated
    assert not weekly_panel(shop.records(0)[lambda t: t["units"] > 0], absent="missing").truncated


def test_goods_sold_by_weight_have_no_weeks_of_at_least_one_unit():
    panel = weekly_panel(rows_of()[lambda t: t["units"] > 0].assign(units=lambda t: t["units"] / 7))
    assert not panel.truncated
    assert any("not whole numbers" in note for note in panel.notes)


def test_a_price_is_what_was_paid_over_units_and_in_a_week_without_a_sale_what_was_shown():
    table = pd.DataFrame({"product": "a", "week": [*range(9), 3], "price": [2.0] * 4 + [3.0] * 5 + [5.0], "units": 1})
    table.loc[0, "units"] = 0
    table.loc[9, "units"] = 3
    rows = check_transactions(table, source="shop")[0]
    cells = weekly_panel(rows).cells.set_index("week")
    assert cells.loc[0, ["price", "units"]].tolist() == [2.0, 0.0]
    assert cells.loc[3, ["price", "units"]].tolist() == [(2 + 3 * 5) / 4, 4.0]


def test_stores_are_taken_apart_where_their_cells_are_filled():
    shop = Shop(units=4, products=3, stores=6, weeks=26)
    assert weekly_panel(shop.records(0)).stores == "apart"
    summed = weekly_panel(shop.records(0), stores="summed")
    assert summed.stores == "summed"
    assert len(summed.cells) <= 3 * 26
    sparse = weekly_panel(Shop(units=0.4, products=3, stores=30, weeks=40).records(0))
    assert sparse.stores == "summed"
    assert "30 stores, summed" in sparse.notes[0]
    with pytest.raises(ValueError, match="need the column `store`"):
        weekly_panel(rows_of(), stores="apart")


def test_the_week_ends_with_the_stock_where_sales_reach_it_or_the_data_say_so():
    rows = rows_of(stock=lambda t: t["units"] + (t["week"] % 2))
    assert weekly_panel(rows).cells.groupby("week")["sold_out"].all().iloc[:4].tolist() == [True, False, True, False]
    flagged = rows_of(sold_out=lambda t: (t["week"] < 3) * 1.0)
    assert weekly_panel(flagged).cells.loc[lambda t: t["sold_out"], "week"].max() == 2


@pytest.mark.parametrize(
    ("stock", "message"),
    [
        (lambda t: t["units"] * 0 + 3, "of the weeks sold more than their stock"),
        (
            lambda t: t["units"] + np.arange(len(t)),
            r"stock of product 'product 0' takes several values in week 0, .* to ",
        ),
    ],
)
def test_a_stock_that_is_not_that_of_the_week_is_refused(stock, message):
    rows = rows_of()
    with pytest.raises(ValueError, match=message):
        weekly_panel(pd.concat([rows, rows]).assign(stock=stock))


def test_unknown_options_are_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"unknown absent 'zero'\. Did you mean 'zeros'"):
        weekly_panel(rows_of(), absent="zero")
