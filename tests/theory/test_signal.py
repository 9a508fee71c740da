"""What a signal of the customer's class is worth: closed forms, and the scenario `intent` against them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flashsale_env as fs
from flashsale_env.theory import signal

MEANS, SHARES = (40.0, 80.0, 160.0), (0.5, 0.35, 0.15)
ONE_PRICE, PERFECT = 23.082777, 26.487320


def confusion_of(population):
    """(3, 9) share of the customers of each class that is read as each intent."""
    mean = 80.0 / population.price_sensitivity
    predicted = population.intent_probabilities.argmax(axis=1)
    table = np.zeros((3, len(fs.INTENTS)))
    np.add.at(table, (np.searchsorted(MEANS, mean - 1e-3), predicted), population.weight)
    return table


def test_one_price_for_all():
    revenue, price = signal.best_single_price(MEANS, SHARES)
    assert (revenue, price) == (pytest.approx(23.082777, abs=1e-6), pytest.approx(72.217659, abs=1e-4))
    grid = np.linspace(1.0, 400.0, 40_000)
    brute = (grid[:, None] * np.exp(-grid[:, None] / np.array(MEANS)) * np.array(SHARES)).sum(axis=1)
    assert brute.max() <= revenue + 1e-12
    assert brute.max() == pytest.approx(revenue, abs=1e-6)


@pytest.mark.parametrize(
    ("accuracy", "revenue"), [(1.0, 26.487320), (0.9, 25.618083), (0.8, 24.835011), (0.7, 24.169236)]
)
def test_a_price_for_each_prediction(accuracy, revenue):
    found, prices = signal.price_by_prediction(MEANS, SHARES, signal.symmetric_confusion(3, accuracy))
    assert found == pytest.approx(revenue, abs=1e-6)
    assert signal.revenue_of_prices(MEANS, SHARES, signal.symmetric_confusion(3, accuracy), prices) == pytest.approx(
        found
    )


def test_a_signal_that_says_nothing_is_worth_nothing():
    revenue, prices = signal.price_by_prediction(MEANS, SHARES, np.full((3, 5), 0.2))
    assert revenue == pytest.approx(signal.best_single_price(MEANS, SHARES)[0])
    assert np.ptp(prices) < 1e-9


def test_the_scenario_earns_what_its_confusion_matrix_allows():
    """A price for each predicted intent, 4,000 sales: the exact revenue of these prices, z = 3.29."""
    scenario = fs.load_scenario("intent")
    sales = 4000
    simulator = fs.Simulator(scenario, sales=sales, actions="multidiscrete")
    confusion = confusion_of(simulator.population)
    assert confusion.sum(axis=1) == pytest.approx(SHARES, abs=1e-6)
    best, wanted = signal.price_by_prediction(MEANS, SHARES, confusion)
    codec, list_price = simulator.codec, scenario.products[0].list_price
    shown = np.array([[list_price * (1 - depth) for depth in codec.levels[c]] for c in codec.columns("targeted")])
    levels = np.abs(shown - wanted[:, None]).argmin(axis=1)
    exact = signal.revenue_of_prices(MEANS, SHARES, confusion, shown[np.arange(9), levels])
    ceiling = signal.price_by_prediction(MEANS, SHARES, np.eye(3))[0]
    assert 23.082777 < exact <= best < ceiling
    assert exact == pytest.approx(best, rel=1e-3), "the steps of the offers cost next to nothing"

    simulator.open(np.arange(sales, dtype=np.uint64) + 10**6, np.zeros(sales, np.int64))
    for _ in range(scenario.horizon_ticks):
        simulator.advance(np.tile(levels, (sales, 1)))
    earned, came = simulator.sales["money"][:, 0], simulator.sales["customers"]
    ratio = earned.sum() / came.sum()
    error = (earned - ratio * came).std(ddof=1) / (sales**0.5 * came.mean())
    assert abs(ratio - exact) < 3.29 * error
    assert (simulator.sales["lost"] == 0).all(), "stock never binds"


def test_the_best_price_of_far_classes_is_the_higher_of_two_peaks():
    """Means 1 and 100: the share of the rich, 5 % or 0.5 %, decides which peak is the highest. Against a fine grid."""
    for share, rich in ((0.05, True), (0.005, False)):
        revenue, price = signal.best_single_price((1.0, 100.0), (1 - share, share))
        grid = np.geomspace(0.5, 200, 200_000)
        earned = grid * ((1 - share) * np.exp(-grid) + share * np.exp(-grid / 100))
        assert revenue == pytest.approx(earned.max(), rel=1e-8)
        assert price == pytest.approx(grid[earned.argmax()], rel=1e-3)
        assert (price > 50) is rich


confusions = st.integers(1, 6).flatmap(
    lambda k: st.lists(st.lists(st.floats(0.01, 1.0), min_size=k, max_size=k), min_size=3, max_size=3)
)


@settings(max_examples=25, deadline=None)
@given(confusions)
def test_no_prediction_earns_more_than_the_class_or_less_than_one_price(confusion):
    """Also where there are fewer or more predictions than classes."""
    revenue, prices = signal.price_by_prediction(MEANS, SHARES, confusion)
    assert ONE_PRICE - 1e-6 <= revenue <= PERFECT + 1e-6
    assert prices.shape == (len(confusion[0]),)
    assert min(MEANS) <= prices.min() <= prices.max() <= max(MEANS)
    merged = np.asarray(confusion).sum(axis=1, keepdims=True)
    assert signal.price_by_prediction(MEANS, SHARES, merged)[0] == pytest.approx(ONE_PRICE, abs=1e-6)


def test_a_prediction_that_never_occurs_gets_the_price_for_all():
    prices = signal.price_by_prediction(MEANS, SHARES, [[1, 0, 0], [1, 0, 0], [0, 0, 1]])[1]
    assert prices[1] == pytest.approx(72.217659, abs=1e-5)
    assert prices[2] == pytest.approx(160.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: signal.best_single_price((1.0, -1.0), (0.5, 0.5)), "must be positive"),
        (lambda: signal.best_single_price((1.0, 2.0), (0.5,)), "as many shares as means"),
        (lambda: signal.price_by_prediction(MEANS, SHARES, np.eye(2)), "a row for each of 3 classes"),
        (lambda: signal.price_by_prediction(MEANS, SHARES, np.zeros((3, 3))), "row 0 is empty"),
        (lambda: signal.symmetric_confusion(3, 1.5), "accuracy of 0..1"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
