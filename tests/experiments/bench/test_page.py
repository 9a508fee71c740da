"""The page holds what was measured, with the command and the machine."""

import json
from pathlib import Path

import pytest

from flashsale_env.experiments.bench.measuring import Row, Session, make_row
from flashsale_env.experiments.bench.page import as_markdown
from flashsale_env.experiments.bench.running import BENCHMARKS

RECORDS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def result():
    session = Session("flashsale bench --out x", quick=True, repeats=1)
    session.add("sale-ticks", [make_row("a rate", [2e6], "1/s"), Row("a peer", None, "1/s", notes="not installed")])
    return session.result({"numpy": "2"})


def test_the_page_holds_every_figure_with_the_command_and_the_machine(result):
    page = as_markdown(result)
    assert all(f"| {row['name']} |" in page for row in result["rows"])
    assert result["command"] in page
    assert result["machine"]["cpu"] in page
    assert "these figures mean nothing" in page


def test_a_missed_target_stands_out_on_the_page(result):
    row = {**result["rows"][0], "value": 1.0, "repeats": [1.0], "target": 2.0, "direction": "at least", "met": False}
    assert "| **no** |" in as_markdown({**result, "rows": [row]})


def test_the_recorded_page_is_the_one_of_the_recorded_figures():
    """`benchmarks/README.md` is made from `benchmarks/results.json`, not edited by hand, and not of quick sizes."""
    result = json.loads((RECORDS / "results.json").read_text(encoding="utf-8"))
    assert not result["quick"]
    assert {row["benchmark"] for row in result["rows"]} == set(BENCHMARKS)
    assert (RECORDS / "README.md").read_text(encoding="utf-8") == as_markdown(result)
