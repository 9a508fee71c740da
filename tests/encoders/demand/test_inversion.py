"""Inversion of the logit: utilities from shares, and tastes that sell a history again."""

import numpy as np
import pytest

from flashsale_env.encoders.demand.inversion import (
    History,
    expected_share,
    log_share_ratio,
    price_response,
    tastes_from_history,
)

CATEGORY = np.array([0, 0, 1])
VISITORS = np.array([900.0, 400.0])


def history(seed=0, weeks=60):
    """Three products with promotions that sell best, and one that came late."""
    rng = np.random.default_rng(seed)
    price = np.array([4.0, 6.0, 2.5]) * rng.choice([1, 0.8, 0.6], (weeks, 3), p=[0.6, 0.3, 0.1])
    on_sale = np.ones((weeks, 3), bool)
    on_sale[:20, 1] = False
    demand = rng.poisson(30 * (price / price.max(axis=0)) ** -2.5) * on_sale
    return History(price, on_sale, demand.astype(float))


def share_of(tastes, told, appeal_sd=0.0):
    appeal = tastes.relevance[CATEGORY, np.arange(3)]
    return expected_share(
        told.price, told.on_sale, CATEGORY, appeal, tastes.price_sensitivity[CATEGORY] / tastes.reference, appeal_sd
    )


def test_shares_that_leave_no_outside_option_are_refused():
    assert np.allclose(log_share_ratio(np.array([0.2, 0.3]), np.array([0, 0])), np.log([0.4, 0.6]))
    with pytest.raises(ValueError, match="sum to less than 1"):
        log_share_ratio(np.array([0.6, 0.4]), np.array([0, 0]))


@pytest.mark.parametrize("appeal_sd", [0.0, 0.4])
def test_at_its_prices_a_history_is_sold_again_and_prices_are_answered_as_estimated(appeal_sd):
    told = history()
    elasticity = np.array([-1.4, -3.0, -2.2])
    tastes = tastes_from_history(told, CATEGORY, VISITORS, elasticity=elasticity, appeal_sd=appeal_sd)
    share = share_of(tastes, told, appeal_sd)
    sold = (share * VISITORS[CATEGORY]).sum(axis=0)
    assert sold == pytest.approx(told.demand.sum(axis=0), rel=1e-6)
    assert price_response(told.price, share, told.on_sale) == pytest.approx(elasticity, rel=1e-6)
    assert share[:20, 1].max() == 0
    assert tastes.relevance[1, :2].max() < -20


def test_sales_at_the_mean_price_are_below_those_of_a_mean_week_because_promotions_sell_most():
    """Attaching mean units to the mean price, which sells few, was off by a third in the worked example."""
    told = history()
    tastes = tastes_from_history(told, CATEGORY, VISITORS, elasticity=np.full(3, -4.0))
    flat = History(np.broadcast_to(told.mean_price, told.price.shape), told.on_sale, told.demand)
    at_mean = (share_of(tastes, flat) * VISITORS[CATEGORY]).sum(axis=0)
    assert (at_mean < 0.95 * told.demand.sum(axis=0)).all()


def test_with_given_sensitivities_only_the_level_is_fitted():
    told = history()
    sensitivity = np.array([2.0, 2.0, 3.0])
    tastes = tastes_from_history(told, CATEGORY, VISITORS, sensitivity=sensitivity)
    assert tastes.price_sensitivity == pytest.approx([2.0, 3.0])
    assert tastes.reference == pytest.approx(told.mean_price)
    assert (share_of(tastes, told) * VISITORS[CATEGORY]).sum(axis=0) == pytest.approx(told.demand.sum(axis=0))


def test_a_price_that_never_moves_has_its_elasticity_there():
    told = history()
    still = History(np.broadcast_to([4.0, 6.0, 2.5], told.price.shape), np.ones((60, 3), bool), told.demand + 1)
    tastes = tastes_from_history(still, CATEGORY, VISITORS, elasticity=np.full(3, -2.0))
    step = 1e-4
    for j in range(3):
        moved = [still.price.copy() for _ in range(2)]
        moved[0][:, j] *= np.exp(step)
        moved[1][:, j] *= np.exp(-step)
        up, down = (share_of(tastes, History(p, still.on_sale, still.demand))[0, j] for p in moved)
        assert np.log(up / down) / (2 * step) == pytest.approx(-2.0, rel=1e-3)


def test_more_units_than_visits_are_refused_with_the_numbers():
    with pytest.raises(ValueError, match=r"'tea' sells .* units a week and has 20\.0 visits"):
        tastes_from_history(
            history(), CATEGORY, np.array([20.0, 400.0]), elasticity=np.full(3, -2.0), names=("tea", "soda")
        )
    with pytest.raises(ValueError, match=r"elasticity of product 2 must be below 0, got 0\.1"):
        tastes_from_history(history(), CATEGORY, VISITORS, elasticity=np.array([-1.0, -1.0, 0.1]))
