"""Scenarios written as TOML read back equal."""

import pytest

from flashsale_env import SCENARIOS, load_scenario
from flashsale_env.experiments.toml_writer import scenario_toml


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_written_as_toml_reads_back_equal(name, tmp_path):
    scenario = load_scenario(name)
    path = tmp_path / "copy.toml"
    path.write_text(scenario_toml(scenario, comments=["two\nlines"]), encoding="utf-8")
    assert load_scenario(path) == scenario
    assert path.read_text(encoding="utf-8").startswith("# two lines\n")


def test_titles_with_quotes_and_control_characters_survive_toml(tmp_path):
    scenario = load_scenario("gvr-periodic").replace(name='5" "\\ \x7f\n價')
    path = tmp_path / "copy.toml"
    path.write_text(scenario_toml(scenario), encoding="utf-8")
    assert load_scenario(path) == scenario
