"""Transactions: every row that is left out has a reason, and nothing that sells is taken for an error."""

import gzip

import numpy as np
import openpyxl
import pandas as pd
import pytest

from flashsale_env.encoders.records.transactions import check_transactions, read_transactions
from flashsale_env.encoders.tables.fileformat import FileFormat


def lost(validation):
    return {reason: count for reason, count in validation.dropped.items() if count}


def test_every_dropped_row_is_counted_under_its_reason_with_examples(file):
    good = "".join(f"tea,{2 + k % 2},1,2024-01-{k + 1:02d},b{k}\n" for k in range(10))
    path = file(
        "product,price,units,time,basket\n"
        + good
        + ",2,1,2024-01-01,x\n"
        + "tea,2,1,,x\n"
        + "tea,2,1,31/12/2024,x\n"
        + "tea,2,,2024-01-01,x\n"
        + "tea,2,two,2024-01-01,x\n"
        + "tea,2,-1,2024-01-01,x\n"
        + "tea,2,0,2024-01-01,x\n"
        + "tea,,1,2024-01-01,x\n"
        + "tea,1.2.3,1,2024-01-01,x\n"
        + "tea,0,1,2024-01-01,x\n"
        + "tea,2,1,2024-01-01, \n"
        + "tea,200,1,2024-01-01,x\n"
        + "tea,2,1000,2024-01-01,x\n"
        + "tea,2,1,9999-12-31,x\n"
        + ",,,,\n"
        + "product,price,units,time,basket\n"
    )
    rows, validation = read_transactions(path)
    assert validation.rows_read == 26
    assert validation.rows_used == len(rows) == 11
    assert lost(validation) == {
        "the header again": 1,
        "blank row": 1,
        "missing product": 1,
        "missing time": 1,
        "unparsable time": 1,
        "time before 1900 or after 2100: a placeholder": 1,
        "missing units": 1,
        "unparsable units": 1,
        "units below 0: a return or a correction": 1,
        "missing price": 1,
        "unparsable price": 1,
        "price of 0 or less: a gift, a refund or a placeholder": 1,
        "missing basket": 1,
        "outlier: a price alone, 5 times off every other of the product": 1,
        "outlier: units alone, 100 times off every other row of the product": 1,
    }
    assert validation.examples["unparsable price"] == (
        "row 19: product 'tea', price '1.2.3', units '1', time '2024-01-01', basket 'x'",
    )
    # Weeks begin on Monday, and 1 January 2024 was one.
    assert rows["week"].tolist() == [0] * 7 + [1] * 3 + [0]  # a row of 0 units is a week that sold nothing


def test_equal_rows_are_units_of_one_purchase_and_are_kept(file):
    with_basket = file("product,price,units,week,basket\n" + "tea,2,1,5,b\n" * 3)
    rows, validation = read_transactions(with_basket)
    assert rows["units"].tolist() == [1, 1, 1]
    assert any("2 rows equal an earlier one" in n and "units of the same purchase" in n for n in validation.notes)
    rows, validation = read_transactions(file("product,price,units,week\n" + "tea,2,1,5\n" * 3))
    assert len(rows) == 3
    assert any("they count as further purchases" in note for note in validation.notes)


def test_equal_rows_of_two_files_raise_the_question_whether_they_overlap(file):
    head = "product,price,units,week,basket\n"
    paths = [file(head + "tea,2,1,5,b\ntea,2,1,6,c\n", "1.csv"), file(head + "tea,2,1,6,c\ntea,2,1,7,d\n", "2.csv")]
    rows, validation = read_transactions(paths)
    assert len(rows) == 4
    assert any("1 of them equal a row of another file" in note for note in validation.notes)


def test_without_a_column_of_units_a_row_is_one_unit(file):
    rows, validation = read_transactions(file("product,price,week\n" + "tea,2,5\n" * 3))
    assert rows["units"].tolist() == [1, 1, 1]
    assert any("every row counts as one unit" in note for note in validation.notes)


def test_a_column_that_may_hold_the_units_is_not_passed_over(file):
    path = file("product,price,week,qty\ntea,2,5,3\n")
    with pytest.raises(ValueError, match=r"Is it 'qty'\? Map it: units=qty\. If every row is one unit: units=1"):
        read_transactions(path)
    assert read_transactions(path, columns={"units": "qty"})[0]["units"].tolist() == [3]
    assert read_transactions(path, columns={"units": "1"})[0]["units"].tolist() == [1]


def test_the_price_follows_from_what_was_paid_in_all(file):
    rows, validation = read_transactions(file("product,amount,units,week\ntea,6,3,5\ntea,-4,2,5\ntea,4,0,5\n"))
    assert rows["price"].tolist() == [2]
    assert lost(validation) == {
        "units of 0, which have no price": 1,
        "amount of 0 or less: a gift, a refund or a placeholder": 1,
    }


def test_cancelled_orders_are_dropped(file):
    path = file("product,price,units,week,cancelled\ntea,2,1,5,no\ntea,2,1,5,TRUE\ntea,2,1,5,maybe\ntea,2,1,5,\n")
    rows, validation = read_transactions(path)
    assert len(rows) == 2
    assert lost(validation) == {"cancelled order": 1, "cancelled is neither true nor false": 1}


def test_several_currencies_are_refused_until_one_is_named(file):
    path = file("product,price,units,week,currency\ntea,2,1,5,EUR\ntea,3,1,5,usd\n")
    with pytest.raises(ValueError, match="prices in 2 currencies, EUR, USD: give --currency CODE"):
        read_transactions(path)
    rows, validation = read_transactions(path, form=FileFormat(currency="eur"))
    assert rows["price"].tolist() == [2]
    assert lost(validation) == {"price in another currency than EUR": 1}
    with pytest.raises(ValueError, match="has no prices in GBP: it has EUR, USD"):
        read_transactions(path, form=FileFormat(currency="GBP"))
    with pytest.raises(ValueError, match="prices in 2 currencies"):
        read_transactions(file("product,price,units,week\ntea,€2,1,5\ntea,$3,1,5\n"))
    assert len(read_transactions(file("product,price,units,week,currency\ntea,€2,1,5,EUR\n"))[0]) == 1


# ------------------------------------------------------------------------------------------------- prices as they are


def sales(prices, units=None, **columns):
    units = [1] * len(prices) if units is None else units
    return pd.DataFrame({"product": "tea", "price": prices, "units": units, "week": np.arange(len(prices)), **columns})


def test_a_deep_discount_is_a_flash_sale_and_no_error():
    """Ninety per cent off: 20 rows of 1000, and a single week that sold as no other."""
    rows, validation = check_transactions(sales([10.0] * 980 + [1.0] * 20), source="shop")
    assert len(rows) == 1000, lost(validation)
    rows, validation = check_transactions(sales([10.0] * 51 + [1.0], [20] * 51 + [900]), source="shop")
    assert len(rows) == 52, lost(validation)
    rows, validation = check_transactions(sales([10.0] * 51 + [1.0], list_price=[10.0] * 52), source="shop")
    assert len(rows) == 52, lost(validation)


@pytest.mark.parametrize("wrong", [1.0, 100.0, 0.01])
def test_a_price_alone_that_sold_no_more_than_usual_is_an_error(wrong):
    rows, validation = check_transactions(sales([10.0, 11.0, 9.0] * 10 + [wrong]), source="shop")
    assert len(rows) == 30
    (reason,) = lost(validation)
    assert reason.startswith("outlier: a price alone")
    assert f"price {wrong:g}" in validation.examples[reason][0]


def test_nobody_can_tell_an_error_among_three_rows():
    assert len(check_transactions(sales([10.0, 10.0, 1.0]), source="shop")[0]) == 3


def test_a_time_far_from_all_others_is_an_error(file):
    lines = "".join(f"tea,2,1,2024-01-{k % 28 + 1:02d}\n" for k in range(200))
    rows, validation = read_transactions(file("product,price,units,time\n" + lines + "tea,2,1,1970-01-01\n"))
    assert len(rows) == 200
    assert lost(validation) == {"outlier: time more than a year from all others": 1}
    half = "tea,2,1,2021-01-04\n" * 100
    assert len(read_transactions(file("product,price,units,time\n" + lines + half))[0]) == 300


# --------------------------------------------------------------------------------------------------- columns, formats


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
    _, validation = read_transactions(file("product,price,units,week,discount\ntea,2,1,5,0.5\ntea,2.5,1,5,20%\n"))
    assert any("1 rows have an unparsable discount" in note for note in validation.notes)


def test_every_kind_of_file_gives_the_same_rows(tmp_path):
    table = pd.DataFrame(
        {"product": [1, 1], "price": [2.0, np.nan], "units": [1, 2], "time": pd.to_datetime(["2024-01-01", None])}
    )
    table.to_parquet(tmp_path / "sales.parquet")
    table.to_csv(tmp_path / "sales.csv", index=False)
    table.to_excel(tmp_path / "sales.xlsx", index=False)
    table.to_json(tmp_path / "sales.jsonl", orient="records", lines=True, date_format="iso")
    (tmp_path / "sales.csv.gz").write_bytes(gzip.compress((tmp_path / "sales.csv").read_bytes(), mtime=0))
    expected, account = read_transactions(tmp_path / "sales.csv")
    for ending in ("parquet", "xlsx", "jsonl", "csv.gz"):
        rows, same = read_transactions(tmp_path / f"sales.{ending}")
        assert rows.astype(str).equals(expected.astype(str)), ending
        assert same.dropped == account.dropped
    assert account.dropped["missing time"] == 1


def test_a_german_workbook_saved_as_text(file):
    text = "sep=;\nArtikel;Preis;Menge;Datum\nTee;1.234,50 €;2;31.05.2024\nTee;999,00 €;1;03.06.2024\nSumme;;3;\n"
    path = file(text.encode("cp1252"), "Umsatz.CSV")
    columns = {"product": "Artikel", "price": "Preis", "units": "Menge", "time": "Datum"}
    with pytest.raises(ValueError, match=r"'Preis'.*give --decimal , --thousands ."):
        read_transactions(path, columns=columns)
    form = FileFormat(decimal=",", thousands=".")
    with pytest.raises(ValueError, match=r"'Datum'.*give --date-format %d\.%m\.%Y"):
        read_transactions(path, columns=columns, form=form)
    form = FileFormat(decimal=",", thousands=".", date_format="%d.%m.%Y")
    rows, validation = read_transactions(path, columns=columns, form=form)
    assert rows["price"].tolist() == [1234.5, 999.0]
    assert lost(validation) == {"missing time": 1}  # the row of totals
    assert "'Summe'" in validation.examples["missing time"][0]


def test_a_header_further_down_is_found_and_named(tmp_path):
    book = openpyxl.Workbook()
    for row in (["Sales report"], ["from May"], ["product", "price", "units", "week"], ["tea", 2, 1, 5]):
        book.active.append(row)
    book.save(tmp_path / "sales.xlsx")
    with pytest.raises(ValueError, match="Row 3 looks like the header: give --skip-rows 2"):
        read_transactions(tmp_path / "sales.xlsx")
    assert len(read_transactions(tmp_path / "sales.xlsx", form=FileFormat(skip_rows=2))[0]) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "product,prices,units,week\na,1,1,1\n",
            r"column 'price' \(.*\) is missing\. Is it 'prices'\? Map it: price=prices",
        ),
        ("product,unit price,units,week\na,1,1,1\n", "Is it 'unit price'"),
        ("product,price,units\na,1,1\n", r"column 'time' \(or `week`\) .* is missing"),
        ("product,price,units,order_date\na,1,1,x\n", "Is it 'order_date'"),
        ("product,price,units,week,time\na,1,1,1,2024-01-01\n", "got both"),
        ("product,price,units,week\n", "has a header but no rows"),
        ("", "is empty"),
        ("product,price,units,week\na,1,1,1,9\n", "is not a readable CSV file"),
        (
            "product,price,units,week\na,0,1,1\n",
            r"none of 1 rows can be used: price of 0 or less: .* \(1\); e\.g\. row 1: product 'a', price '0'",
        ),
        (
            "product,price,units,week,category\na,1,1,1,tea\na,1,1,1,soda\n,1,1,1,tea\n",
            r"1 of 3 rows were dropped \(missing product: 1\)\. Then: .*product 'a' is in more than one category",
        ),
    ],
)
def test_an_unusable_file_is_refused_with_the_reason(file, content, message):
    with pytest.raises(ValueError, match=message):
        read_transactions(file(content))


def test_of_two_clocks_the_one_that_is_named_counts(file):
    path = file("product,price,units,week,time\na,1,1,1,2024-01-01\na,1,1,9,2024-01-01\n")
    assert read_transactions(path, columns={"time": "time"})[0]["week"].tolist() == [0, 0]
    assert read_transactions(path, columns={"week": "week"})[0]["week"].tolist() == [0, 8]


def test_the_year_is_used_with_the_week_of_the_year(file):
    rows, _ = read_transactions(file("product,price,units,week,year\na,1,1,52,2023\na,1,1,1,2024\na,1,1,1,2025\n"))
    assert rows["week"].tolist() == [0, 1, 53]


def test_a_wrong_name_and_a_missing_file_have_errors_of_their_own(file, tmp_path):
    path = file("product,price,units,week\na,1,1,1\n")
    with pytest.raises(ValueError, match=r"unknown column of the schema 'prize'\. Did you mean 'price'"):
        read_transactions(path, columns={"prize": "price"})
    with pytest.raises(ValueError, match=r"for price, unknown column 'unit'\. Did you mean 'units'"):
        read_transactions(path, columns={"price": "unit"})
    with pytest.raises(FileNotFoundError, match="no file at"):
        read_transactions(tmp_path / "nowhere.csv")


def test_a_table_in_memory_is_checked_alike():
    with pytest.raises(ValueError, match=r"shop: column 'product' .* is missing"):
        check_transactions(pd.DataFrame({"price": [1], "week": [1]}), source="shop")


def test_what_holds_of_a_week_and_further_numbers_are_read_beside_the_sales(file):
    path = file(
        "product,price,units,week,stock,sold_out,visits,cost\n"
        "tea,2,3,5,3,yes,900,1.20\ntea,2,0,6,9,no,950,1.30\ntea,2,1,7,-1,no,900,1.20\n"
        "tea,2,1,8,4,perhaps,900,1.20\ntea,2,1,9,4,no,,1.20\ntea,2,1,10,4,no,900,dear\n"
    )
    rows, validation = read_transactions(path, further=("cost",))
    assert rows[["units", "stock", "sold_out", "visits", "cost"]].to_numpy().tolist() == [
        [3, 3, 1, 900, 1.2],
        [0, 9, 0, 950, 1.3],
    ]
    assert lost(validation) == {
        "stock below 0": 1,
        "unparsable sold_out": 1,
        "missing visits": 1,
        "unparsable cost": 1,
    }
    assert "cost" not in read_transactions(path)[0]
    with pytest.raises(ValueError, match=r"unknown column 'cots'\. Did you mean 'cost'"):
        read_transactions(path, further=("cots",))
    with pytest.raises(ValueError, match="'price' has another use already"):
        read_transactions(path, further=("price",))
