"""Outcomes by group are MetricFrame's, and so are the differences and ratios; intervals are over sales."""

import importlib.util

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.agents import split_seeds
from flashsale_env.experiments import audit
from flashsale_env.experiments.pages import report
from flashsale_env.experiments.studies.fairness import EverybodyAlike
from flashsale_env.market.fairness import COUNTS, OUTCOMES

GROUPS = ("north", "south", "west", "nobody")
RUNS, SALES = 2, 400


@pytest.fixture
def found():
    """Counts of sales whose customers buy with probabilities .5, .25 and .4 and pay 10, 8 and 9."""
    rng = np.random.default_rng(5)
    shape = (RUNS, SALES, 9)
    table = {name: np.zeros(shape) for name in COUNTS}
    table["customers"][..., :3] = rng.poisson((30.0, 20.0, 10.0), (RUNS, SALES, 3))
    table["buyers"] = rng.binomial(table["customers"].astype(int), [0.5, 0.25, 0.4] + [0.0] * 6).astype(float)
    table["units"] = table["buyers"].copy()
    table["paid"] = table["units"] * ([10.0, 8.0, 9.0] + [0.0] * 6)
    table["recognised"] = np.floor(0.9 * table["customers"])
    table["confidence"] = 0.8 * table["customers"]
    return table


def test_the_figures_are_those_of_metric_frame(found):
    report = audit.audit(found, GROUPS)
    frames = [audit.frame({name: column[r] for name, column in found.items()}, GROUPS) for r in range(RUNS)]
    assert list(report["groups"]) == ["north", "south", "west"], "a group without customers has no row"
    assert [row["outcome"] for row in report["spread"]] == [
        name for name in OUTCOMES if name in ("purchase_rate", "mean_price", "encoder_accuracy", "overconfidence")
    ]
    for row in report["spread"]:
        for kind in ("difference", "ratio"):
            if row[kind] is not None:
                wanted = np.mean([getattr(frame, kind)()[row["outcome"]] for frame in frames])
                assert row[kind]["mean"] == pytest.approx(wanted)
                assert row[kind]["ci_low"] <= row[kind]["mean"] <= row[kind]["ci_high"]
    prices = next(row for row in report["spread"] if row["outcome"] == "mean_price")
    assert (prices["highest"], prices["lowest"]) == ("north", "south")
    assert prices["difference"] == {"mean": 2.0, "ci_low": 2.0, "ci_high": 2.0}
    assert prices["ratio"]["mean"] == 0.8
    assert next(row for row in report["spread"] if row["outcome"] == "overconfidence")["ratio"] is None
    bought, came = found["buyers"].sum(axis=(1, 2)), found["customers"].sum(axis=(1, 2))
    assert report["overall"]["purchase_rate"] == pytest.approx((bought / came).mean())


def test_values_of_sales_have_the_figure_as_their_mean(found):
    for outcome in ("purchase_rate", "encoder_accuracy"):
        difference, ratio = audit.spread_by_sale(outcome, found)
        for r in range(RUNS):
            frame = audit.frame({name: column[r] for name, column in found.items()}, GROUPS)
            assert difference[r].mean() == pytest.approx(frame.difference()[outcome], abs=1e-9)
            assert ratio[r].mean() == pytest.approx(frame.ratio()[outcome], abs=1e-9)


def test_the_interval_covers_what_the_groups_were_drawn_with():
    """Differences of .25 and ratios of .5 in purchase rates: 150 repetitions of 60 sales; 95 % within 4 sd of 1.8 %."""
    rng = np.random.default_rng(1)
    covered = np.zeros(2)
    for _ in range(150):
        table = {name: np.zeros((1, 60, 2)) for name in COUNTS}
        table["customers"][0] = rng.poisson((30.0, 20.0), (60, 2)) + 1
        # Sales differ: the purchase rate of a sale is that of the group, times luck that both groups share.
        luck = rng.uniform(0.5, 1.5, (60, 1))
        table["buyers"][0] = rng.binomial(table["customers"][0].astype(int), luck * (0.5, 0.25))
        for k, (values, true) in enumerate(zip(audit.spread_by_sale("purchase_rate", table), (0.25, 0.5), strict=True)):
            interval = audit.crossed_interval(values)
            covered[k] += interval.low <= true <= interval.high
    assert (np.abs(covered / 150 - 0.95) < 0.072).all()


def test_customers_are_audited_by_what_they_differ_in():
    shipped = fs.load_population("intent", ["voucher"])
    assert audit.groupings(shipped) == ("intent",)
    assert audit.groupings(fs.load_population("learned-en-zh", list(fs.load_scenario("standard").titles))) == (
        "intent",
        "language",
    )
    assert audit.groupings(fs.Population.homogeneous(["voucher"])) == ()
    plain = fs.load_scenario("intent").replace(fairness=fs.Fairness(penalty=3.0))
    assert audit.measured(plain, "language").fairness == fs.Fairness(3.0, "language")


def test_a_report_shows_who_is_served_how_and_names_the_extra(tmp_path, monkeypatch):
    """Offers to one intent only: it buys most often, and 100 % of its customers receive them."""
    scenario = fs.load_scenario("intent")
    population = fs.load_population("intent", ["voucher"])
    levels = np.zeros((1, 9), int)
    levels[0, fs.INTENTS.index("gift")] = 45
    player = EverybodyAlike(fs.ActionCodec(scenario).from_levels(levels)[0])
    monkeypatch.setattr(report, "_COUNTED", 16)
    page = "".join(report._served(tmp_path, player, scenario, population))
    for word in ("Who is served how", "purchase rate", "By intent: outcomes by group", "encoder accuracy"):
        assert word in page
    assert (tmp_path / report.PAPER / "by-intent-2.csv").exists()
    counted = audit.measured(scenario)
    _, found = audit.play_counted([player], counted, population, split_seeds("test", 0, 16))
    served = audit.audit(found, counted.fairness.groups(population))
    rates = {name: row["coupon_rate"] for name, row in served["groups"].items()}
    assert max(rates, key=rates.get) == "gift"
    assert rates["bulk"] < 0.1 < 0.9 < rates["gift"]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install &#x27;flashsale-env[fairness]&#x27;" in "".join(
        report._served(tmp_path, player, scenario, population)
    )
    with pytest.raises(ValueError, match=r"pip install 'flashsale-env\[fairness\]'"):
        audit.require_fairlearn()
    alike = fs.Population.homogeneous(["voucher"])
    assert report._served(tmp_path, player, scenario, alike) == []
