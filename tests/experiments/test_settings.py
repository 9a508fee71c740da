"""Experiments as data: read strictly."""

import pytest

from flashsale_env.experiments.settings import CONFIGS, load_demo_settings, parse_assignments


def test_assignments_are_names_with_toml_values_or_bare_words():
    found = parse_assignments(["n=3", "drift=[1.5, 0.5]", "actions = discrete", "on=true", "std=none"], "n=20")
    assert found == {"n": 3, "drift": [1.5, 0.5], "actions": "discrete", "on": True, "std": None}
    with pytest.raises(ValueError, match="--set gives 'n' twice"):
        parse_assignments(["n=3", "n=4"], "n=20")
    for bad in ("n", "n=", "=3", "n=two words", "n=[1"):
        with pytest.raises(ValueError, match=r"--set wants NAME=VALUE, got .*; e.g. --set n=20"):
            parse_assignments([bad], "n=20")


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_every_shipped_experiment_loads(name):
    assert load_demo_settings(name).description


def test_the_demo_logs_enough_visits_for_its_interval():
    """Half a million visits and two thousand sales are what the figures of the demo promise."""
    demo = load_demo_settings("demo")
    assert demo.visits >= 500_000
    assert demo.evaluation_sales >= 2000


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("voices = 180", "voises = 180", "unknown key 'voises'. Did you mean 'voices'"),
        ("voices = 180", "voices = 1", "voices must be at least 2, got 1"),
        ("voices = 180", 'voices = "many"', "voices must be a whole number, got 'many'"),
        ("voices = 180", "voices = true", "voices must be a whole number, got True"),
        ("bound_sales = 8", "bound_sales = 65", "bound_sales must be at most evaluation_sales, got 65 > 64"),
        ("voices = 180", "", "missing key 'voices'"),
        ("voices = 180", "voices =", "not valid TOML"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, old, new, message):
    path = tmp_path / "mine.toml"
    path.write_text(CONFIGS["quick"].read_text().replace(f"\n{old}", f"\n{new}"))
    with pytest.raises(ValueError, match=message):
        load_demo_settings(str(path))


def test_an_unknown_experiment_offers_the_nearest():
    with pytest.raises(ValueError, match=r"unknown experiment 'quik'. Did you mean 'quick'"):
        load_demo_settings("quik")
    with pytest.raises(FileNotFoundError, match=r"no experiment at nowhere.toml"):
        load_demo_settings("nowhere.toml")
