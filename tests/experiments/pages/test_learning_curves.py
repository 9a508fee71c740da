"""A learning curve and the lines beside it: the same sales, and the name of the agent that learned."""

import pandas as pd
import pytest

from flashsale_env import agents
from flashsale_env.agents.play import play
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.experiments import train

SALES = 40  # of a validation; the curves of many sales look right on whatever sales they are drawn


@pytest.fixture
def drawn(monkeypatch):
    charts = []
    monkeypatch.setattr(train, "keep", lambda path, chart: charts.append(chart))
    return charts


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
    (panel,) = drawn[0].panels
    (line, *levels) = panel.series
    curve = pd.read_csv(tmp_path / "out" / "learning_curve.csv")
    assert line.name == name
    assert list(line.y) == pytest.approx(list(curve["profit"]))
    assert set(curve["agent"]) == {name}
    assert set(curve["validation_sales"]) == {SALES}
    rules = {agents.labelled(rule, agent := agents.make(rule, "gvr-periodic")): mean(agent) for rule in RULES}
    assert {series.name.partition(", below")[0]: series.y[0] for series in levels} == rules
    assert panel.y.title.startswith(f"mean profit of {SALES} validation sales")
    assert "on the same sales" in drawn[0].caption
    best = play(kept, "gvr-periodic", seeds=seeds)["profit"]
    row = curve.iloc[int(curve["profit"].argmax())]
    assert row["standard_error"] == pytest.approx(best.std(ddof=1) / SALES**0.5)


RULES = train.opponents("gvr-periodic")


def test_a_curve_without_lines_has_the_name_of_its_agent(tmp_path, drawn):
    """As in a benchmark, where a row may be called otherwise than its agent."""
    curve = [{"sales": 0, "steps": 0, "seconds": 0.0, "profit": 1.0, "ret": 1.0}]
    train.write_curve(tmp_path, "ppo without messages", curve, {}, 16)
    (panel,) = drawn[0].panels
    assert [series.name for series in panel.series] == ["ppo without messages"]
    assert "dp" in RULES
    assert "lp_resolve" in RULES
