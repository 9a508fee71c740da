"""Tables for papers: numbers as CSV, and LaTeX."""

import csv
import io

from flashsale_env.experiments.formats import Table
from flashsale_env.experiments.pages.paper import as_csv, as_latex, keep_table

TABLE = Table(
    "agents & co",
    ("agent", "profit ± 95 %", "of the bound ± 95 %", "95 % interval", "runs", "remark"),
    (
        ("lp_resolve", "37,000 ± 120", "98.50 ± 0.50 %", "36,880 .. 37,120", "2", "tuned"),
        ("dp", "37,500", "100.00 %", "", "1", ""),
    ),
    ("100 % of it.",),
)


def test_a_csv_has_plain_numbers_in_columns_of_their_own():
    head, first, second = csv.reader(io.StringIO(as_csv(TABLE)))
    assert head == [
        *("agent", "profit", "profit half-width of 95 %"),
        *("of the bound, percent", "of the bound half-width of 95 %, percent"),
        *("95 % interval, low", "95 % interval, high", "runs", "remark"),
    ]
    assert first == ["lp_resolve", "37000", "120", "98.50", "0.50", "36880", "37120", "2", "tuned"]
    assert second == ["dp", "37500", "0", "100.00", "0", "", "", "1", ""], "an exact value has the half-width 0"


def test_latex_is_escaped_and_uses_booktabs():
    text = as_latex(TABLE)
    assert r"lp\_resolve & 37,000 $\pm$ 120 & 98.50 $\pm$ 0.50 \% & 36,880 .. 37,120 & 2 & tuned \\" in text
    assert r"\caption{agents \& co 100 \% of it.}" in text
    assert r"\begin{tabular}{lrrrrr}" in text
    assert text.index(r"\toprule") < text.index(r"\midrule") < text.index(r"\bottomrule")


def test_both_files_lie_beside_each_other(tmp_path):
    keep_table(tmp_path / "agents", TABLE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["agents.csv", "agents.tex"]
