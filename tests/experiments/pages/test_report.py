"""The page and the Markdown of a benchmark and of a training."""

import csv
import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from flashsale_env.agents import AGENTS
from flashsale_env.experiments.pages.report import PAGE
from flashsale_env.experiments.pages.tables import benchmark_table, overview_table
from flashsale_env.experiments.runs import CONFIG, Run
from tests.experiments.conftest import ask

VOID = {"meta", "img", "br", "hr"}


class Reader(HTMLParser):
    """Text and addresses of a page; fails where a tag is not closed."""

    def __init__(self):
        super().__init__()
        self.open, self.addresses, self.figures, self.text = [], [], 0, []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name in ("src", "href", "srcset", "action"):
                self.addresses.append(value)
        self.figures += tag == "figure"

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(path):
    page = Reader()
    page.feed(path.read_text())
    page.close()
    assert page.open == []
    return page


@pytest.fixture
def compared(quick_benchmark):
    folder, answer = quick_benchmark
    return folder, answer.json


def test_the_page_of_a_benchmark_shows_every_figure_and_fetches_nothing(compared):
    folder, result = compared
    page = read(folder / PAGE)
    assert page.addresses == []
    source = re.sub(r"<script>/\*\*\n\* plotly.*?</script>", "", (folder / PAGE).read_text(), flags=re.DOTALL)
    assert not re.search(r"https?:|url\(|@import|<link|\bsrc=", source)
    text = " ".join(page.text)
    for problem in result["problems"]:
        for row in benchmark_table(problem).rows:
            for cell in row:
                assert cell in text
        assert problem["name"] in text
    assert result["command"] in text
    assert f"torch {result['versions']['torch']}" in text
    assert '"training_seeds"' in text
    # Of each problem differences, learning and a sale; and the profiles.
    assert page.figures == 3 * len(result["problems"]) + 1


def test_tables_and_figures_lie_there_for_papers(compared):
    folder, result = compared
    paper = folder / "paper"
    for problem in result["problems"]:
        table = benchmark_table(problem)
        rows = list(csv.reader((paper / f"{problem['name']}.csv").read_text().splitlines()))
        assert [row[0] for row in rows[1:]] == [row[0] for row in table.rows]
        assert float(rows[1][2]) == pytest.approx(problem["rows"][0]["mean"], rel=1e-4)
        assert r"\toprule" in (paper / f"{problem['name']}.tex").read_text()
        for name in ("differences", "learning"):
            assert (paper / f"{problem['name']}-{name}.svg").read_bytes().startswith(b"<?xml")
            assert (paper / f"{problem['name']}-{name}.png").read_bytes().startswith(b"\x89PNG")
    listed = (folder / "manifest.txt").read_text().splitlines()
    assert {f"paper/{path.name}" for path in paper.iterdir()} <= set(listed)


def test_markdown_is_a_table_with_the_command_that_made_it(compared):
    folder, result = compared
    text = ask("report", folder, "--markdown").out
    lines = text.splitlines()
    assert lines[0] == f"Made by `{result['command']}`."
    tables = [line for line in lines if line.startswith("|")]
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(blocks) == 2 + len(result["problems"]), "an overview, every problem, the scores"
    assert all(len({line.count("|") for line in block}) == 1 for block in blocks)
    assert any(line.startswith("| dp | 1 | 9.4128 | 100.00 % |") for line in tables)
    assert "**mnl-stock (homogeneous)**" in lines


def test_one_table_shows_every_agent_on_every_problem(compared):
    problems = compared[1]["problems"]
    overview = overview_table(problems)
    assert overview.columns == ("agent", "gvr-periodic: of the optimum", "mnl-stock: less random")
    rows = {row[0]: row[1:] for row in overview.rows}
    assert rows.keys() == {row["label"] for problem in problems for row in problem["rows"]}
    assert rows["dp"][0] == "100.00 %"
    assert rows["dp"][1].startswith("+")
    assert rows["random"][1] == "0"
    assert rows["fixed_price"][1] == "", "it was not asked for there"
    assert [row[0] for row in overview.rows] == [name for name in AGENTS if name in rows]


def test_an_interval_of_a_learner_is_shown_and_an_exact_value_has_none(compared):
    by_name = {problem["name"]: problem for problem in compared[1]["problems"]}
    exact = {row[0]: row for row in benchmark_table(by_name["gvr-periodic"]).rows}
    assert "±" not in exact["dp"][2]
    assert "±" in exact["random"][2]
    simulated = {row[0]: row for row in benchmark_table(by_name["mnl-stock"]).rows}
    found = next(row for row in by_name["mnl-stock"]["rows"] if row["label"] == "ppo")
    assert simulated["ppo"][2] == f"{found['mean']:.4f} ± {(found['ci_high'] - found['ci_low']) / 2:.4f}"


def test_the_page_is_made_anew_when_it_is_asked_for_again(compared):
    folder, _ = compared
    (folder / PAGE).write_text("old")
    answer = ask("report", folder)
    assert answer.out.strip() == str(folder / PAGE)
    assert (folder / PAGE).read_text().startswith("<!doctype html>")


def test_a_training_has_a_page_too(small_policy, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(small_policy, folder)
    assert ask("report", folder).code == 0
    page = read(folder / PAGE)
    assert page.figures == 2
    assert page.addresses == []
    assert "ppo on gvr-periodic" in page.text
    assert "holds no benchmark" in ask("report", folder, "--markdown").complaint


GAIN = {"lever": "price", "with": 5000.0, "without": 4000.0, "gain": 1000.0, "ci_low": 900.0, "ci_high": 1100.0}


def test_a_study_has_a_page_with_its_tables_and_figures(tmp_path):
    folder = tmp_path / "levers"
    run = Run(folder, "flashsale study levers --out levers", options={"scenario": "cart"})
    with run.claimed(overwrite=False):
        run.keep({"scenario": "cart", "episodes": 100, "rows": [{**GAIN, "share": 0.25}], "schedules": {}})
    assert ask("report", folder).out.strip() == str(folder / PAGE)
    page = read(folder / PAGE)
    assert page.figures == 1
    text = " ".join(page.text)
    assert "Cart: the best schedule with and without each decision, 100 fresh sales" in text
    assert "+1,000" in text
    assert (folder / "paper" / "levers-1.csv").read_text().splitlines()[1] == "price,5000,4000,1000,900,1100,25.0"
    assert (folder / "paper" / "levers.svg").is_file()


def test_a_study_without_figures_has_no_page(tmp_path):
    run = Run(tmp_path / "built", "flashsale study populations --out built", options={})
    with run.claimed(overwrite=False):
        run.begin()
        run.finish()
    assert "and no result.json that a page could show" in ask("report", run.folder).complaint
    assert not (run.folder / "paper").exists()


def test_a_folder_without_results_is_refused(tmp_path):
    assert "holds neither a benchmark nor a training" in ask("report", tmp_path).complaint
    assert "holds neither" in ask("report", tmp_path / "nowhere").complaint
    assert list(tmp_path.iterdir()) == []


def test_an_unfinished_training_and_a_broken_result_are_named(compared, small_policy, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(small_policy, folder)
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**config, "finished": None}))
    assert "is not finished: `flashsale train gvr-periodic" in ask("report", folder).complaint

    broken = tmp_path / "benchmark"
    shutil.copytree(compared[0], broken)
    (broken / "result.json").write_text("{")
    assert "is not valid JSON" in ask("report", broken).complaint


def test_names_from_a_config_are_escaped_in_the_page(tmp_path):
    path = tmp_path / "evil.toml"
    path.write_text("""
description = "<script>alert(1)</script>"
training_seeds = [0]
evaluation_sales = 10

[[problems]]
name = "<b>bold</b>"
scenario = "gvr-periodic"
against = "fixed <i>"
agents = ["random", { agent = "fixed_price", label = "fixed <i>" }]
""")
    assert ask("benchmark", path, "--out", tmp_path / "out").code == 0
    assert ask("report", tmp_path / "out").code == 0
    page = (tmp_path / "out" / PAGE).read_text()
    own = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert "<script>alert" not in page
    assert "<b>" not in own
    assert "<i>" not in own
    read(tmp_path / "out" / PAGE)
