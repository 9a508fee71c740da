"""A learning curve and the lines beside it: the same sales, and the name of the agent that learned."""

import pandas as pd
import pytest

from flashsale_env import agents
from flashsale_env.agents.play import play
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.experiments import train
from flashsale_env.experiments.pages import pictures

SALES = 40  # of a validation; the curves of many sales look right on whatever sales they are drawn


@pytest.fixture
def drawn(monkeypatch):
    figures = []
    monkeypatch.setattr(pictures, "_save", lambda figure, path: figures.append(figure))
    return figures


@pytest.mark.parametrize("name", ["ppo", "sarsa"])
def test_curve_and_lines_are_means_over_the_same_sales(flashsale, tmp_path, drawn, name):
    words = ["train", "gvr-periodic", "--agent", name, "--sales", 64, "--set", f"validation_sales={SALES}"]
    small = ["--set", "net_arch=[8]"] if name == "ppo" else []
    answer = flashsale(*words, *small, "--out", tmp_path / "out", "--json")
    assert answer.code == 0, answer.err
    seeds = split_seeds("validation", 0, SALES)

    def mean(agent):
        return float(play(agent, "gvr-periodic", seeds=seeds)["profit"].mean())

    kept = agents.load(tmp_path / "out" / "policy", "gvr-periodic")
    assert mean(kept) == answer.json["best"]["profit"], "the best point of the curve is the policy that was kept"
    (axes,) = drawn[0].axes
    lines = {line.get_label(): line.get_ydata() for line in axes.get_lines()}
    curve = pd.read_csv(tmp_path / "out" / "learning_curve.csv")
    assert list(lines.pop(name)) == pytest.approx(list(curve["profit"]))
    assert set(curve["agent"]) == {name}
    assert set(curve["validation_sales"]) == {SALES}
    levels = {agents.labelled(rule, agent := agents.make(rule, "gvr-periodic")): mean(agent) for rule in RULES}
    assert {label: data[0] for label, data in lines.items()} == levels
    assert axes.get_ylabel() == f"mean profit of {SALES} validation sales"
    assert axes.get_title(loc="left") == "the same sales for all"


RULES = train.opponents("gvr-periodic")


def test_a_curve_without_lines_has_the_name_of_its_agent(tmp_path, drawn):
    """As in a benchmark, where a row may be called otherwise than its agent."""
    curve = [{"sales": 0, "steps": 0, "seconds": 0.0, "profit": 1.0, "ret": 1.0}]
    train.write_curve(tmp_path, "ppo without messages", curve, {}, 16)
    (axes,) = drawn[0].axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["ppo without messages"]
    assert "dp" in RULES
    assert "lp_resolve" in RULES
