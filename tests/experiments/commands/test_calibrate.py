"""`flashsale calibrate` on files as shops have them: what is said on the screen, and what is refused in one line."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.experiments.calibrate.test_running import shop


@pytest.fixture(scope="module")
def table():
    """A shop as its till prints it, with a return and a misprint."""
    return shop(products=5, weeks=30)


@pytest.fixture(scope="module")
def german(table, tmp_path_factory):
    """The same shop as a German spreadsheet saves it: semicolons, decimal commas, days first, another encoding."""
    path = tmp_path_factory.mktemp("german") / "Umsätze.CSV"
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(7 * table["week"], unit="D")
    text = pd.DataFrame(
        {
            "Artikel": table["product"],
            "Warengruppe": table["category"].map({"tea": "Tee & Kräuter", "soda": "Süßes"}),
            "Preis": table["price"].map(lambda p: f"{p:.2f} €".replace(".", ",") if p == p else ""),
            "Menge": table["units"],
            "Datum": day.dt.strftime("%d.%m.%Y"),
            "Bon": table["basket"],
        }
    )
    path.write_bytes(text.to_csv(index=False, sep=";").encode("cp1252"))
    return path


COLUMNS = [
    *("--column", "product=Artikel", "--column", "category=Warengruppe", "--column", "price=Preis"),
    *("--column", "units=Menge", "--column", "time=Datum", "--column", "basket=Bon"),
]
FORM = ["--separator", ";", "--decimal", ",", "--date-format", "%d.%m.%Y"]
CATEGORY = ["--category", "Süßes", "--products", 3]


def test_a_german_file_is_read_when_its_form_is_said(flashsale, german, table, tmp_path):
    answer = flashsale("calibrate", german, *COLUMNS, *FORM, *CATEGORY, "--out", tmp_path / "out")
    assert answer.code == 0, answer.err
    assert "encoding guessed as cp1252" in answer.err
    assert "dropped: missing price" in answer.out
    assert "units '-1'" in answer.out
    card = json.loads((tmp_path / "out" / "card.json").read_bytes())
    assert card["validation"]["rows_used"] == len(table) - 2
    assert "Süßes" in card["elasticity"]["categories"]
    assert json.loads((tmp_path / "out" / "config.json").read_bytes())["options"]["decimal"] == ","


@pytest.mark.parametrize(
    ("left_out", "message"),
    [(0, "give --separator ';'"), (2, "give --decimal ,"), (4, "give --date-format %d.%m.%Y")],
)
def test_each_option_that_is_missing_is_named_in_one_line(flashsale, german, tmp_path, left_out, message):
    form = FORM[:left_out] + FORM[left_out + 2 :]
    answer = flashsale("calibrate", german, *COLUMNS, *form, *CATEGORY, "--out", tmp_path / "out")
    assert message in answer.complaint
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--decimal", ";"), "--decimal must be . or ,"),
        (("--date-format", "dd.mm.yyyy"), "--date-format wants a format of strptime"),
        (("--time-zone", "Berlin"), "--time-zone wants a name such as Europe/Berlin"),
        (("--week-start", "sonntag"), "--week-start"),
        (("--encoding", "utf-9"), "unknown encoding 'utf-9'"),
        (("--reader", "shopfy"), "Did you mean 'shopify'"),
        (("--reader", "shopify"), "no table of orders with the columns 'Name'"),
        (("--reader", "shopify", "--column", "price=x"), "has our column names already"),
        (("--reader", "shopify", "--kind", "choices"), "shopify holds transactions, not choices"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line(flashsale, tmp_path, words, message):
    path = tmp_path / "sales.csv"
    path.write_text("product,price,units,week\ntea,2,1,1\n")
    assert message in flashsale("calibrate", path, *words, "--out", tmp_path / "out").complaint
    assert not (tmp_path / "out").exists()


def test_a_reader_without_its_files_is_told_how(flashsale, tmp_path):
    said = flashsale("calibrate", "shopify", "--out", tmp_path / "out").complaint
    assert "shopify reads files: name its export, and add --reader shopify" in said


def test_several_files_and_a_reader(flashsale, table, tmp_path):
    """Two halves of a Shopify export give what the whole table gives."""
    lines = table.dropna(subset="price").query("units > 0")
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(7 * lines["week"], unit="D")
    export = pd.DataFrame(
        {
            "Name": lines["basket"],
            "Created at": day.dt.strftime("%Y-%m-%d 12:00:00 +0100"),
            "Lineitem quantity": lines["units"],
            "Lineitem name": lines["product"],
            "Lineitem price": lines["price"],
        }
    ).sort_values("Name", kind="stable")
    half = len(export) // 2
    paths = [tmp_path / "1.csv", tmp_path / "2.csv.gz"]
    export.iloc[:half].to_csv(paths[0], index=False)
    export.iloc[half:].to_csv(paths[1], index=False)
    words = ("calibrate", *paths, "--reader", "shopify", "--products", 4, "--out", tmp_path / "out", "--json")
    card = flashsale(*words).json
    plain = lines.drop(columns=["category", "list_price"])
    plain.to_csv(tmp_path / "plain.csv", index=False)
    same = flashsale("calibrate", tmp_path / "plain.csv", "--products", 4, "--out", tmp_path / "b", "--json").json
    found, expected = (c["elasticity"]["overall"]["estimate"] for c in (card, same))
    assert np.isclose(found, expected, rtol=1e-9)


def test_an_error_after_drops_speaks_of_the_drops_first(flashsale, tmp_path):
    path = tmp_path / "sales.csv"
    path.write_text("product,price,units,week\n" + "".join(f"tea,2,1,{w}\ntea,free,1,{w}\n" for w in range(9)))
    said = flashsale("calibrate", path, "--out", tmp_path / "out").complaint
    assert "9 of 18 rows were dropped (unparsable price: 9). Then: no product" in said
