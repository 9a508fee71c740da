"""`flashsale study`: every study is listed, and none is loaded before it runs."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from flashsale_env.experiments.dispatch import app
from flashsale_env.experiments.studies import STUDIES

ROOT = Path(__file__).parents[3]
GROUP = typer.main.get_command(app).commands["study"]


def test_every_file_of_the_folder_is_a_study_of_the_table():
    files = {path.stem for path in (ROOT / "experiments" / "studies").glob("*.py")} - {"__init__"}
    assert files == {name.replace("-", "_") for name in STUDIES}


def test_the_studies_are_in_the_help_of_their_group(flashsale):
    group = flashsale("study", "--help").out
    for name, summary in STUDIES.items():
        assert name in group
        assert " ".join(summary.split()) in " ".join(group.split())


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_has_a_help_and_the_options_of_every_study(flashsale, name):
    answer = flashsale("study", name, "--help")
    assert answer.code == 0
    assert GROUP.get_command(None, name).help
    for option in ("--out", "--overwrite", "--json"):
        assert option in answer.out


def test_an_unknown_study_is_one_line_that_offers_the_nearest(flashsale):
    assert "unknown study 'widr'. Did you mean 'wider'?" in flashsale("study", "widr", "--out", "x").complaint


def test_the_help_of_the_studies_loads_no_torch():
    """In a process of its own, because this one has torch already."""
    code = (
        "import sys; from flashsale_env.experiments.cli import main; main(['study', '--help']);"
        "print('torch' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stderr.strip() == "False"


@pytest.mark.parametrize("name", ["intent-encoder", "populations", "reference-policy"])
def test_what_the_package_ships_is_not_replaced_unasked(flashsale, name):
    assert "--overwrite to replace it" in flashsale("study", name).complaint
