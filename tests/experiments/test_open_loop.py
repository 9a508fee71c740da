"""Open-loop schedules: their actions, and a search that finds what is known to be best."""

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.agents import exact, split_seeds
from flashsale_env.experiments.open_loop import Effort, Family, Stage, best_schedule


@pytest.fixture(scope="module")
def two_phases():
    return fs.load_scenario("gvr-two-phase")


def test_numbers_are_steps_in_time_and_held_decisions_stay_at_their_first_level():
    standard = fs.load_scenario("standard")
    family = Family(standard, phases=2, held=("order",))
    assert family.names == (
        "price, phase 1 of 2",
        "price, phase 2 of 2",
        "coupon, phase 1 of 2",
        "coupon, phase 2 of 2",
    )
    actions = family.actions([0.0, 1.0, 0.25, 0.5])
    codec = fs.Simulator(standard).codec
    first, last = actions[: standard.horizon_ticks // 2], actions[standard.horizon_ticks // 2 :]
    assert (first[:, codec.columns("price")] == -1.0).all()
    assert (last[:, codec.columns("price")] == 1.0).all()
    assert (first[:, codec.columns("coupon")] == -0.5).all()
    assert (actions[:, codec.columns("order")] == -1.0).all()


def test_rows_have_numbers_of_their_own_on_request(two_phases):
    scenario = fs.load_scenario("mnl-stock")
    family = Family(scenario, phases=1, by_row=True)
    assert family.names == ("price[large], phase 1 of 1", "price[small], phase 1 of 1")
    assert family.actions([0.0, 1.0])[0].tolist() == [-1.0, 1.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"held": ("prize",)}, "'prize'.*price"),
        ({"held": ("price",)}, "leaves nothing to decide"),
        ({"phases": 0}, "1 to as many phases, got 0"),
        ({"phases": 61}, "60 ticks"),
    ],
)
def test_what_does_not_fit_is_refused(two_phases, changes, message):
    with pytest.raises(ValueError, match=message):
        Family(two_phases, **changes)


def test_the_best_constant_price_and_the_gain_of_moving_are_found(two_phases):
    """Willingness to pay falls at half time: the best fixed price and the optimum are known."""
    effort = Effort(trials=80, sales=256)
    stage = Stage(two_phases, None, split_seeds("test", 0, 4000))
    constant = Family(two_phases, phases=2, constant=True)
    fixed = stage.profit(constant.actions(best_schedule(constant, effort=effort)))
    best = exact.evaluate_exactly(fs.agents.make("fixed_price", two_phases), two_phases)
    assert abs(fixed.mean() - best) < 4 * fixed.std() / len(fixed) ** 0.5 + 0.01 * best
    moving = Family(two_phases, phases=2)
    gain = stage.profit(moving.actions(best_schedule(moving, effort=effort))) - fixed
    assert gain.mean() > 4 * gain.std() / len(gain) ** 0.5
    optimum = exact.evaluate_exactly(fs.agents.make("dp", two_phases), two_phases)
    assert gain.mean() + fixed.mean() < optimum + 4 * fixed.std() / len(fixed) ** 0.5


def test_a_search_is_reproducible_and_never_below_what_it_starts_from(two_phases):
    family, effort = Family(two_phases, phases=2), Effort(trials=12, sales=32)
    first = best_schedule(family, effort=effort, start=[[0.1, 0.2]])
    again = best_schedule(family, effort=effort, start=[[0.1, 0.2]])
    np.testing.assert_array_equal(first, again)
