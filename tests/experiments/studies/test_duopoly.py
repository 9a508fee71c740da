"""The study `duopoly` from the command line, with short trainings, and its two ends."""

import numpy as np
import pytest

from flashsale_env.agents.independent import QSettings
from flashsale_env.envs.sellers import SellersBatch
from flashsale_env.experiments.pages.charts import Chart
from flashsale_env.experiments.studies import duopoly
from flashsale_env.theory.duopoly import duopoly_sale


def test_every_learner_is_trained_and_reported_with_its_interval(flashsale, tmp_path):
    out = tmp_path / "out"
    words = ("--sessions", 2, "--periods", 500, "--customers", 10, "--out", out)
    found = flashsale("study", "duopoly", *words, "--json").json
    assert [row["learner"] for row in found["rows"]] == list(duopoly.LEARNERS)
    assert (found["nash"]["price"], found["joint"]["price"]) == pytest.approx((2.401058, 2.852606), abs=1e-6)
    for row in found["rows"]:
        for quantity in ("price", "profit"):
            assert row[f"{quantity}_low"] <= row[f"{quantity}_index"] <= row[f"{quantity}_high"]
            assert len(row[f"{quantity}_sessions"]) == 2
            low, high = found["nash"][quantity], found["joint"][quantity]
            assert row[f"{quantity}_index"] == pytest.approx((row[quantity] - low) / (high - low))
    assert (out / "result.json").is_file()
    assert len(duopoly.cells(found)) == len(found["rows"]) + 2
    assert isinstance(duopoly.charts(found)["duopoly"], Chart)
    again = flashsale("study", "duopoly", *words[:6], "--json").json
    assert again["rows"] == found["rows"], "the same seed gives the same figures"


def test_the_grid_has_both_prices():
    prices = duopoly.grid()
    assert np.isclose(prices, duopoly.MARKET.nash_price).sum() == 1
    assert np.isclose(prices, duopoly.MARKET.joint_price).sum() == 1
    assert (np.diff(prices) > 0).all()


@pytest.mark.parametrize(("price", "index"), [("nash_price", 0.0), ("joint_price", 1.0)])
def test_sellers_who_ask_the_price_of_an_end_have_its_index(price, index):
    """Within 4.5 standard errors of the simulated profit, 4 sessions of 20 periods of 2,000 customers."""
    prices = np.array([getattr(duopoly.MARKET, price)] * 2) + np.array([0.0, 1e-9])
    customers, sessions, ticks = 2000, 4, 20
    sale = duopoly_sale(
        duopoly.MARKET, prices[::-1].tolist(), customers_per_tick=float(customers), stock=10**5, ticks=ticks
    )
    batch = SellersBatch(sessions, sale, actions="multidiscrete")
    asked, earned = duopoly.played(
        batch, QSettings(memory=False, discount=0.0), prices, 1, customers, 0, lambda share: None
    )
    market = duopoly.MARKET
    ends = {
        name: {"price": at, "profit": float(market.profit(at, at))}
        for name, at in (("nash", market.nash_price), ("joint", market.joint_price))
    }
    assert duopoly.indices("price", asked, ends)["price_index"] == pytest.approx(index, abs=1e-6)
    # Sales of a seller in a period are Poisson.
    share = float(market.share(prices[0], prices[0]))
    spread = (prices[0] - market.c) * (share / customers / (2 * ticks * sessions)) ** 0.5
    gap = ends["joint"]["profit"] - ends["nash"]["profit"]
    assert abs(duopoly.indices("profit", earned, ends)["profit_index"] - index) < 4.5 * spread / gap
