"""The study `coverage` from the command line."""

from flashsale_env.encoders.studies.coverage import KINDS
from flashsale_env.experiments.studies import coverage


def test_each_kind_of_shop_is_a_row(flashsale, monkeypatch):
    names = ("five", "one")
    kinds = {"five": KINDS["5 units a week, rows of 0 units"], "one": KINDS["one product"]}
    monkeypatch.setattr(coverage, "KINDS", kinds)
    words = ("study", "coverage", "--shops", 3)
    rows = flashsale(*words, "--json").json["rows"]
    assert tuple(row["kind"] for row in rows) == names
    assert rows[1]["warned"] == 3
    shown = flashsale(*words).out
    assert f"{rows[0]['covered']} of 3" in shown


def test_no_shops_are_refused(flashsale):
    assert "--shops" in flashsale("study", "coverage", "--shops", 0).complaint
