"""The study `next-basket`, on receipts of a grocer that is made up."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def receipts(tmp_path):
    """300 customers with a favourite product each, half of whom are gone before February."""
    rng = np.random.default_rng(0)
    rows = []
    for customer in range(300):
        gone = customer % 2
        for day in np.flatnonzero(rng.random(120) < min(0.5, rng.gamma(2.0, 0.08))):
            if day < (60 if gone else 120):
                when = pd.Timestamp("2000-11-01") + pd.Timedelta(days=int(day))
                product = customer % 15 if rng.random() < 0.8 else int(rng.integers(15))
                rows.append((f"{when.month}/{when.day}/{when.year}", customer, 100 + product, 1))
    path = tmp_path / "receipts.csv"
    frame = pd.DataFrame(rows, columns=["TRANSACTION_DT", "CUSTOMER_ID", "PRODUCT_ID", "AMOUNT"])
    frame.to_csv(path, index=False)
    return path


def test_it_foresees_who_comes_back_and_finds_favourites(flashsale, receipts, tmp_path):
    pytest.importorskip("implicit")
    out = tmp_path / "out"
    found = flashsale("study", "next-basket", "--file", receipts, "--places", 3, "--out", out, "--json").json
    rows = {row["recommender"]: row for row in found["rows"]}
    assert set(rows) == {"popularity", "personal frequency", "als"}
    assert rows["personal frequency"]["gain"] > rows["popularity"]["gain"] + 0.2
    assert 0.4 < found["returned"] < 0.55
    assert found["foreseen"] == pytest.approx(found["returned"], abs=0.12)
    assert found["area"] > 0.8, "whoever has not been seen for a month is gone"
    assert found["purchases_foreseen"] == pytest.approx(found["purchases"], rel=0.4)
    assert (out / "result.json").is_file()


def test_a_file_without_the_columns_is_refused(flashsale, tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    found = flashsale("study", "next-basket", "--file", path)
    assert found.code == 2
    assert "want the columns CUSTOMER_ID, PRODUCT_ID, TRANSACTION_DT, AMOUNT of Ta Feng" in found.err
