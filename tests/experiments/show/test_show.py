"""`flashsale show`: every scenario at 80 columns, and the same as JSON."""

import subprocess
import sys

import gymnasium as gym
import pytest

import flashsale_env as fs
from flashsale_env import agents
from flashsale_env.experiments.show.summary import summary
from flashsale_env.experiments.toml_writer import scenario_toml


@pytest.mark.parametrize("name", fs.SCENARIOS)
def test_every_scenario_is_shown_within_80_columns(flashsale, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    answer = flashsale("show", name)
    assert answer.code == 0, answer.err
    assert max(map(len, answer.out.splitlines())) <= 80
    sale = fs.load_scenario(name)
    words = " ".join(answer.out.replace("│", " ").split())
    for decision in dict.fromkeys(row.partition("[")[0] for row in fs.ActionCodec(sale).names):
        assert decision in words
    assert f"observation, {fs.Layout(sale).size} numbers" in words


def test_json_has_what_the_spaces_of_the_environment_have(flashsale):
    found = flashsale("show", "standard", "--json").json
    sale = fs.load_scenario("standard")
    codec, layout = fs.ActionCodec(sale), fs.Layout(sale)
    levels = [row for decision in found["decisions"] for row in decision["levels"].values()]
    assert levels == [list(row) for row in codec.levels]
    assert sum(row["numbers"] for row in found["observation"]) == layout.size
    assert found["ids"]["box"] == fs.environment_id("standard")
    assert all(gym.spec(name) for name in found["ids"].values())
    assert found["customers"] == pytest.approx(sale.customers_per_tick.sum())
    assert found["trained"] == ["standard-ppo"]
    assert found["best_rule"]["name"] in agents.AGENTS
    assert {row["name"] for row in found["mechanisms"]} >= {"coupon", "messages", "replenishment", "shocks"}
    assert "waiting" not in {row["name"] for row in found["mechanisms"]}


def test_the_agents_that_can_play_are_those_that_can_be_made():
    for row in summary("gvr-periodic")["agents"]:
        if row["learns"]:
            continue
        if row["why_not"] is None:
            agents.make(row["name"], "gvr-periodic")
        else:
            with pytest.raises(ValueError, match="does not apply"):
                agents.make(row["name"], "gvr-periodic")


def test_what_is_known_of_the_optimum(flashsale):
    assert summary("gvr-periodic")["optimum"] == gym.spec(fs.environment_id("gvr-periodic")).reward_threshold
    assert "9.41277, the expected return of the best policy" in flashsale("show", "gvr-periodic").out
    assert summary("standard")["optimum"] is None
    assert summary("full")["bounds"]["hindsight"]  # a reason
    assert summary("standard")["bounds"] == {"dual": None, "hindsight": None}


def test_a_file_is_shown_without_ids_of_its_own(flashsale, tmp_path):
    path = tmp_path / "mine.toml"
    sale = fs.load_scenario("gvr-periodic").replace(name="mine", horizon_ticks=5, currency="EUR")
    path.write_text(scenario_toml(sale))
    found = flashsale("show", path, "--json").json
    assert (found["name"], found["ticks"], found["ids"], found["optimum"]) == ("mine", 5, {}, None)
    shown = flashsale("show", path).out
    assert "the agent `dp` computes the best policy" in shown
    assert "EUR" in shown
    assert "none is tuned" in shown


def test_an_unknown_scenario_is_named_with_the_nearest(flashsale):
    assert "Did you mean 'standard'?" in flashsale("show", "standart").complaint


def test_show_loads_no_torch():
    code = "import sys; from flashsale_env.experiments.cli import main; main(['show', 'standard', '--json']); "
    code += "print('torch' in sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stderr.strip() == "False"
