"""The README says what is so: its code runs, its tables are generated, its figures are those of the shipped cards."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import flashsale_env as fs
from flashsale_env.agents import AGENTS
from flashsale_env.experiments.dispatch import app
from flashsale_env.experiments.verify.running import as_markdown, run_verification

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


def test_the_ten_line_example_trains_saves_loads_and_evaluates(tmp_path):
    code = blocks("python")[0]
    assert "agent.learn(sales=20 * 1024)" in code
    assert len(code.strip().splitlines()) <= 11
    short = code.replace("20 * 1024", "1024").replace("10_000", "500")
    done = subprocess.run([sys.executable, "-c", short], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    profits = [float(line.rsplit(" ", 1)[1]) for line in done.stdout.strip().splitlines()]
    assert len(profits) == 2
    assert all(8.0 < profit < 10.0 for profit in profits)


def test_the_environment_example_runs(tmp_path):
    code = blocks("python")[1].replace("num_envs=1024", "num_envs=4")
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)


def test_the_stable_baselines3_example_runs(tmp_path):
    code = blocks("python")[2]
    assert "FlashSaleVecEnv" in code
    short = code.replace("256", "16").replace("3840", "960")
    subprocess.run([sys.executable, "-c", short], cwd=tmp_path, check=True, capture_output=True)


def test_the_observation_table_is_generated():
    table = TEXT.split('describe())" -->\n')[1].split("\n<!-- end of layout")[0]
    assert table == fs.Layout(fs.load_scenario("standard")).describe()


def test_the_example_with_other_tools_runs(tmp_path):
    code = blocks("python")[3]
    assert "VecNormalize" in code
    short = code.replace("20_000", "500").replace("num_envs=256", "num_envs=16").replace("2560", "160")
    subprocess.run([sys.executable, "-c", short], cwd=tmp_path, check=True, capture_output=True)


def test_the_search_over_common_sales_runs(tmp_path):
    code = blocks("python")[4]
    assert "create_study" in code
    short = code.replace("1024", "16").replace("n_trials=100", "n_trials=2")
    subprocess.run([sys.executable, "-c", short], cwd=tmp_path, check=True, capture_output=True)


def verification_rows():
    table = TEXT.split("<!-- verification: flashsale verify --markdown -->\n")[1].split("\n<!-- end of")[0]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()[2:]]


def test_the_verification_table_has_every_anchor_with_its_exact_value_and_no_failure():
    """Anchors, quantities, expected values and limits as `flashsale verify` gives them; the whole table: `slow`."""
    rows = run_verification(sales=1000)["rows"]
    shown = [line.strip("| ").split(" | ") for line in as_markdown({"rows": rows}).splitlines()[2:]]
    for row, printed in zip(shown, verification_rows(), strict=True):
        # The degrees of freedom of a chi-square grow with the number of sales.
        known = 2 if "chi-square" in row[1] else 4
        assert [cell.strip() for cell in row[:known]] == printed[:known]
        assert printed[-1] == "pass"


@pytest.mark.slow
def test_the_verification_table_is_generated():
    table = as_markdown(run_verification(sales=100_000))
    assert table == TEXT.split("<!-- verification: flashsale verify --markdown -->\n")[1].split("\n<!-- end of")[0]


def test_every_agent_of_the_table_is_described_as_flashsale_list_describes_it():
    """`flashsale list` has them all; one that is new is in the table when somebody adds it."""
    table = TEXT.split("## Agents")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| `([a-z_0-9A-Z]+)` \| (.+?) \|$", table, flags=re.MULTILINE))
    assert len(rows) > 30
    assert rows == {name: AGENTS[name].description for name in rows}


def test_every_scenario_is_in_the_table():
    for name in fs.SCENARIOS:
        assert f"`{fs.environment_id(name)}`" in TEXT


def test_demand_figures_are_those_of_the_shipped_card():
    figures = json.loads((ROOT / "flashsale_env" / "data" / "learned" / "card.json").read_text())["figures"]
    for name in ("no_text_nll", "heldout_nll", "true_intent_nll"):
        assert f"{figures[name]:.4f}" in TEXT, name
    for intent, row in figures["elasticity"].items():
        assert f"| {intent} | {row['true']:.2f} | {row['recovered']:.2f} |" in TEXT


def test_encoder_figures_are_those_of_the_shipped_card():
    figures = json.loads((ROOT / "encoders" / "data" / "default" / "card.json").read_text())["figures"]
    for value in (*figures["evaluation"]["en"].values(), *figures["tfidf_evaluation"]["en"].values()):
        assert f"{value:.3f}".lstrip("0") in TEXT


def test_every_command_of_the_command_line_section_exists():
    lines = re.findall(r"^flashsale .*$", TEXT, flags=re.MULTILINE)
    commands = [shlex.split(line.split("#")[0]) for line in lines]
    named = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert {words[1] for words in commands} == named
    for words in commands:
        assert words[0] == "flashsale"
        usage = subprocess.run(
            [sys.executable, "-m", "flashsale_env.experiments", words[1], "--help"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for option in (word.strip("[]") for word in words[2:]):
            if option.startswith("--"):
                assert option in usage, f"{words[1]} has no {option}"


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^make ([a-z-]+)", TEXT, flags=re.MULTILINE)
    assert {"demo", "test"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)
