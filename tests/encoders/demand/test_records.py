"""Readers of shops' files: every row that is left out, and files that are refused."""

import numpy as np
import pandas as pd
import pytest

from flashsale_env.encoders.demand.records import read_choices, read_transactions


@pytest.fixture
def file(tmp_path):
    def write(content: str, name="sales.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode())
        return path

    return write


def test_every_dropped_row_is_counted_under_its_reason(file):
    good = "".join(f"tea,{2 + k % 2},1,2024-01-{k + 1:02d},b{k}\n" for k in range(10))
    path = file(
        "product,price,units,time,basket\n"
        + good
        + "tea,2,1,2024-01-01,b0\n"  # the first row again
        + ",2,1,2024-01-01,x\n"
        + "tea,2,1,,x\n"
        + "tea,2,1,31/12/2024,x\n"
        + "tea,2,,2024-01-01,x\n"
        + "tea,2,two,2024-01-01,x\n"
        + "tea,2,-1,2024-01-01,x\n"
        + "tea,,1,2024-01-01,x\n"
        + "tea,1.2.3,1,2024-01-01,x\n"
        + "tea,0,1,2024-01-01,x\n"
        + "tea,2,1,2024-01-01, \n"
        + "tea,200,1,2024-01-01,x\n"
        + "tea,2,1000,2024-01-01,x\n"
    )
    rows, validation = read_transactions(path)
    assert validation.rows_read == 23
    assert validation.rows_used == len(rows) == 10
    assert validation.dropped == {
        "missing product": 1,
        "missing time": 1,
        "unparsable time": 1,
        "missing units": 1,
        "unparsable units": 1,
        "units of 0 or less": 1,
        "missing price": 1,
        "unparsable price": 1,
        "price of 0 or less": 1,
        "missing basket": 1,
        "duplicate: equal to an earlier row in every column read": 1,
        "outlier: price beyond a factor of 5 of the product's median": 1,
        "outlier: more than 100 times the product's median units": 1,
    }
    # Weeks begin on Monday, and 1 January 2024 was one.
    assert rows["week"].tolist() == [0] * 7 + [1] * 3


def test_without_baskets_equal_rows_are_kept_and_noted(file):
    path = file("product,price,units,week\n" + "tea,2,1,5\n" * 3)
    rows, validation = read_transactions(path)
    assert len(rows) == 3
    assert validation.notes == (
        "2 rows equal an earlier one; without a basket they may be two purchases and are kept.",
    )


def test_identifiers_stay_text_and_columns_may_have_other_names(file):
    path = file("\ufeffsku,paid,units,week,category,name\n007,2,1,5,tea,Oolong\n7,3,1,6,tea,Oolong\n")
    rows, validation = read_transactions(path, columns={"product": "sku", "price": "paid", "title": "name"})
    assert rows["product"].tolist() == ["007", "7"]
    assert rows["title"].tolist() == ["Oolong (007)", "Oolong (7)"]
    assert rows["week"].tolist() == [0, 1]
    assert validation.columns["price"] == "paid"


def test_a_discount_is_added_back_to_the_list_price(file):
    rows, _ = read_transactions(file("product,price,units,week,discount\ntea,2,1,5,0.5\ntea,2.5,1,5,\n"))
    assert rows["list_price"].tolist()[0] == 2.5
    assert np.isnan(rows["list_price"].tolist()[1])


def test_parquet_gives_the_same_rows_as_csv(tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    table = pd.DataFrame(
        {"product": [1, 1], "price": [2.0, np.nan], "units": [1, 2], "time": pd.to_datetime(["2024-01-01", None])}
    )
    table.to_parquet(tmp_path / "sales.parquet")
    table.to_csv(tmp_path / "sales.csv", index=False)
    (binary, account), (text, same) = (read_transactions(tmp_path / f"sales.{kind}") for kind in ("parquet", "csv"))
    assert binary.astype(str).equals(text.astype(str))
    assert account.dropped == same.dropped
    assert account.dropped["missing time"] == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "product,prices,units,week\na,1,1,1\n",
            r"column 'price' \(.*\) is missing\. Is it 'prices'\? Map it: price=prices",
        ),
        ("product,price,units\na,1,1\n", "want a column `week` .* got neither"),
        ("product,price,units,week,time\na,1,1,1,2024-01-01\n", "got both"),
        ("product,price,units,week\n", "has a header but no rows"),
        ("", "is empty"),
        ("product,price,units,week\na,1,1,1,9\n", "is not a readable CSV file"),
        ("product,price,units,week\na,0,1,1\n", r"none of 1 rows can be used: price of 0 or less \(1\)"),
        (
            "product,price,units,week,category\na,1,1,1,tea\na,1,1,1,soda\n",
            "product 'a' is in more than one category: 'tea', 'soda'",
        ),
    ],
)
def test_an_unusable_file_of_transactions_is_refused_with_the_reason(file, content, message):
    with pytest.raises(ValueError, match=message):
        read_transactions(file(content))


def test_a_wrong_name_a_missing_file_and_another_format_have_errors_of_their_own(file, tmp_path):
    path = file("product,price,units,week\na,1,1,1\n")
    with pytest.raises(ValueError, match=r"unknown column of the schema 'prize'\. Did you mean 'price'"):
        read_transactions(path, columns={"prize": "price"})
    with pytest.raises(ValueError, match=r"for price, unknown column 'unit'\. Did you mean 'units'"):
        read_transactions(path, columns={"price": "unit"})
    with pytest.raises(FileNotFoundError, match="no file at"):
        read_transactions(tmp_path / "nowhere.csv")
    with pytest.raises(ValueError, match=r"ends in \.csv, \.csv\.gz or \.parquet"):
        read_transactions(file("x", name="sales.xlsx"))
    with pytest.raises(ValueError, match="is a folder"):
        read_transactions(tmp_path)


def test_one_bad_row_drops_its_whole_visit(file):
    path = file(
        "visit,product,price,available,bought\n"
        "1,a,2,1,1\n1,b,3,1,0\n"
        "2,a,,1,0\n2,b,3,1,1\n"
        "3,a,2,1,1\n3,b,3,1,1\n"
        "4,a,2,0,1\n4,b,3,1,0\n"
        "5,a,2,yes,0\n5,b,3,1,0\n"
        "6,a,2,1,0\n6,a,3,1,0\n"
    )
    rows, validation = read_choices(path)
    assert rows["visit"].tolist() == ["1", "1"]
    assert {reason: count for reason, count in validation.dropped.items() if count} == {
        "visit with a missing price": 2,
        "visit where available is neither 0 nor 1": 2,
        "visit with a product twice": 2,
        "visit with more than one product bought": 2,
        "visit that bought what was not available": 2,
    }
