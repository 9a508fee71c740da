"""Choices: visits that cannot be used, and visits that bought more than one unit."""

import numpy as np
import pandas as pd
import pytest

from flashsale_env.encoders.demand.elasticities import estimate_choices
from flashsale_env.encoders.records.choices import check_choices, read_choices


def lost(validation):
    return {reason: count for reason, count in validation.dropped.items() if count}


HEAD = "visit,product,price,available,bought\n"


def test_one_bad_row_drops_its_whole_visit(file):
    path = file(
        HEAD
        + "1,a,2,1,1\n1,b,3,1,0\n"
        + "2,a,,1,0\n2,b,3,1,1\n"
        + "3,a,2,1,-1\n3,b,3,1,0\n"
        + "4,a,2,0,1\n4,b,3,1,0\n"
        + "5,a,2,maybe,0\n5,b,3,1,0\n"
        + "6,a,2,1,0\n6,a,3,1,0\n"
        + "7,a,2,1,\n7,b,3,1,0\n"
        + "8,a,0,1,1\n8,b,3,1,0\n"
        + "9,b,3,1,1\n"
    )
    rows, validation = read_choices(path)
    assert rows["visit"].tolist() == ["1", "1", "9"]
    assert lost(validation) == {
        "visit where bought is blank": 2,
        "visit where available is neither true nor false": 2,
        "visit where bought is no count of units": 2,
        "visit with a missing price": 2,
        "visit with a price of 0 or less": 2,
        "visit that bought what was not available": 2,
        "visit with a product twice, at different prices or availabilities": 2,
    }


def test_truth_is_written_in_many_ways(file):
    path = file(HEAD + "1,a,2,True,yes\n1,b,3,FALSE,no\n2,a,2,y,0\n2,b,3,t,1\n3,a,2,1.0,n\n3,b,2,0,0\n")
    rows, validation = read_choices(path)
    assert not lost(validation)
    assert rows["available"].tolist() == [True, False, True, True, True, False]
    assert rows["bought"].tolist() == [1, 0, 0, 1, 0, 0]


def test_several_units_of_a_visit_are_kept_and_counted(file):
    """As a count, as a line a unit, and as two products."""
    path = file(HEAD + "1,a,2,1,3\n1,b,3,1,0\n2,a,2,1,1\n2,a,2,1,1\n2,b,3,1,0\n3,a,2,1,1\n3,b,3,1,1\n")
    rows, validation = read_choices(path)
    assert not lost(validation)
    assert rows[["visit", "product", "bought"]].values.tolist() == [
        ["1", "a", 3], ["1", "b", 0], ["2", "a", 2], ["2", "b", 0], ["3", "a", 1], ["3", "b", 1],
    ]  # fmt: skip
    assert any("3 visits bought 7 units" in note for note in validation.notes)
    assert any("1 rows list a product again in its visit" in note for note in validation.notes)


def test_a_sold_out_product_needs_no_price(file):
    path = file(HEAD + "1,a,2,1,1\n1,b,,0,0\n2,a,2,1,0\n2,b,n/a,0,0\n3,a,2,1,0\n3,b,0,0,0\n4,a,2,1,0\n4,b,3,1,1\n")
    rows, validation = read_choices(path)
    assert not lost(validation)
    assert rows["price"].isna().tolist() == [False, True, False, True, False, True, False, False]
    assert any("3 rows of products that were not available have no price" in note for note in validation.notes)


def test_a_product_that_nobody_bought_is_left_out_by_name(file):
    rows, validation = read_choices(file(HEAD + "1,a,2,1,1\n1,b,3,1,0\n2,a,2,1,0\n2,b,3,1,0\n"))
    assert rows["product"].tolist() == ["a", "a"]
    assert lost(validation) == {"product that no visit bought ('b')": 2}


def log(visits=3000, seed=0):
    """Visits that choose between two products and nothing, price sensitivity 2.5."""
    rng = np.random.default_rng(seed)
    price = np.array([4.0, 6.0]) * rng.choice([1.0, 0.8, 0.6], (visits, 2))
    utility = np.column_stack([np.zeros(visits), 1.0 - 2.5 * price / [4.0, 6.0]]) + rng.gumbel(size=(visits, 3))
    took = utility.argmax(axis=1)[:, None] == np.arange(1, 3)
    visit, product = np.indices((visits, 2)).reshape(2, -1)
    return pd.DataFrame(
        {"visit": visit, "product": product, "price": price.ravel(), "available": 1, "bought": took.ravel().astype(int)}
    )


def test_a_visit_of_two_units_weighs_as_two_visits_and_no_outside_choice_is_negative():
    """Every purchase doubled: the likelihood doubles for buyers, so odds of buying rise by exactly 2."""
    once, _ = check_choices(log(), source="log")
    table = log()
    twice, _ = check_choices(table.assign(bought=2 * table["bought"]), source="log")
    one, two = estimate_choices(once), estimate_choices(twice)
    for product in one.relevance:
        assert two.relevance[product] > one.relevance[product] + 0.3
    assert two.price_sensitivity["all products"] == pytest.approx(one.price_sensitivity["all products"], rel=0.15)


def test_a_wide_log_is_read_by_a_pattern(file):
    path = file("visit,price_a,price_b,stock_a,stock_b,choice\n1,2,3,1,1,a\n2,2,,1,0,\n3,2,3,1,1,b\n")
    columns = {"price": "price_{product}", "available": "stock_{product}", "bought": "choice"}
    rows, validation = read_choices(path, columns=columns)
    assert not lost(validation)
    assert rows["bought"].tolist() == [1, 0, 0, 0, 0, 1]
    assert rows["product"].tolist() == ["a", "b"] * 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("visit,product,price,available\n1,a,2,1\n", "column 'bought' .* is missing"),
        ("visit,product,price,available,purchased\n1,a,2,1,1\n", "Is it 'purchased'"),
        (HEAD + "1,a,,1,1\n", r"none of 1 rows can be used: visit with a missing price \(1\)"),
    ],
)
def test_an_unusable_log_is_refused_with_the_reason(file, content, message):
    with pytest.raises(ValueError, match=message):
        read_choices(file(content))
