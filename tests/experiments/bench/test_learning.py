"""The no-op environment stands in for the sales, and the stopwatch counts each second once."""

import numpy as np
import pytest

from flashsale_env.agents import FlashSaleVecEnv
from flashsale_env.experiments.bench import learning


def test_the_no_op_has_the_spaces_the_horizon_and_the_infos_of_the_sales_it_replaces():
    sales = FlashSaleVecEnv("gvr-periodic", num_envs=3)
    nothing = learning.no_op(sales)
    sales.seed(0)
    assert nothing.observation_space == sales.observation_space
    assert nothing.action_space == sales.action_space
    for venv in (sales, nothing):
        assert venv.reset().shape == (3, sales.layout.size)
    for tick in range(2 * sales.scenario.horizon_ticks):
        (shown, paid, closed, infos), (shown_2, paid_2, closed_2, infos_2) = (
            venv.step(np.zeros((3, 1), np.float32)) for venv in (sales, nothing)
        )
        assert (shown.dtype, shown.shape, paid.dtype) == (shown_2.dtype, shown_2.shape, paid_2.dtype)
        assert (closed == closed_2).all()
        assert closed.all() == ((tick + 1) % sales.scenario.horizon_ticks == 0)
        assert [sorted(info) for info in infos] == [sorted(info) for info in infos_2]


def test_a_call_from_one_timed_method_to_another_counts_once():
    class Clock:
        def outer(self):
            return self.inner() + self.inner()

        def inner(self):
            return 1

    original = Clock.outer
    with learning.Stopwatch(Clock, "outer", "inner") as watch:
        ticks = iter(range(100))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(learning.time, "perf_counter", lambda: float(next(ticks)))
            assert Clock().outer() == 2
    assert watch.seconds == 1.0
    assert Clock.outer is original
