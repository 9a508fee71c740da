"""Whole units are recovered from observations, and a limit that never binds is not observed."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import flashsale_env as fs
from flashsale_env.scenario import FEATURES
from tests.core.strategies import SALES, markets

any_market = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
MOST_UNITS = 1 << 23


def everything(scenario):
    """The scenario with every feature shown, including those on request."""
    return scenario.replace(observe=tuple(name for name in FEATURES if name in scenario._applicable_features()))


def one_product(**changes):
    product = fs.Product("a", (5.0, 4.0), **{"initial_stock": 10, **changes.pop("product", {})})
    fields = {"horizon_ticks": 4, "tick_minutes": 1.0, "arrivals": fs.Arrivals(3.0), **changes}
    return fs.Scenario(name="any", products=(product,), **fields)


@any_market
@given(markets())
def test_units_read_from_observations_are_those_of_the_simulator(market):
    """Tick, stock, pipeline, reserve and sales of every product, at every tick, under random actions."""
    scenario, population, seeds, rng = market
    scenario = everything(scenario)
    simulator, units = fs.Simulator(scenario, population, sales=SALES, threads=1), fs.UnitReader(scenario)
    limited = scenario.replenishment is None or not scenario.replenishment.unlimited
    reserve = np.array([product.reserve for product in scenario.products])
    storage = np.array([product.storage or 10**6 for product in scenario.products])
    can_order = np.array([product.can_be_ordered for product in scenario.products])
    observations = simulator.open(seeds, np.zeros(SALES, np.int64))
    for _ in range(scenario.horizon_ticks + 1):
        sales, slots = simulator.sales, scenario.lead_ticks + 1
        ahead = (int(sales["tick"][0]) + np.arange(scenario.lead_ticks)) % slots
        position = sales["on_hand"] + sales["inbound"].sum(axis=1)
        held = {
            "tick": sales["tick"],
            "on_hand": sales["on_hand"],
            "in_transit": sales["inbound"].sum(axis=1),
            "pipeline": sales["inbound"][:, ahead].swapaxes(1, 2),
            "position": position,
        }
        room = storage - position
        if limited:
            held |= {"reserve": sales["reserve"], "sold": sales["sold"], "owned": sales["sold"] + position}
            room = np.minimum(room, sales["reserve"])
        held["to_order"] = np.where(can_order, room, 0)
        for quantity, wanted in held.items():
            read = getattr(units, quantity)(observations)
            assert read.dtype == np.int64
            np.testing.assert_array_equal(read, wanted, err_msg=quantity)
        if scenario.coupon is not None:
            np.testing.assert_allclose(
                units.coupon_budget(observations), sales["coupon"]["budget"], rtol=1e-6, atol=1e-30
            )
        if sales["tick"][0] < scenario.horizon_ticks:
            observations, _, _ = simulator.advance(rng.uniform(-1, 1, (SALES, len(simulator.codec.names))))
    assert (simulator.sales["ordered"] <= reserve).all() or not limited


@any_market
@given(markets(), st.integers(0, 1000))
def test_a_storage_that_never_binds_is_not_observed(market, spare):
    """Storage for all units, and any room beyond, gives the same observations as no limit."""
    scenario, population, seeds, rng = market
    if scenario.replenishment is not None and scenario.replenishment.unlimited:
        return  # unlimited supply: orders fill the storage, so it binds
    seen = []
    actions = rng.uniform(-1, 1, (scenario.horizon_ticks, SALES, len(fs.ActionCodec(scenario).names)))
    for room in (None, 0, spare):
        limits = [0 if room is None else units + room for units in scenario.stock_scale.tolist()]
        products = [dataclasses.replace(p, storage=s) for p, s in zip(scenario.products, limits, strict=True)]
        sale = scenario.replace(products=tuple(products))
        simulator = fs.Simulator(sale, population, sales=SALES, threads=1)
        shown = [simulator.open(seeds, np.zeros(SALES, np.int64))]
        shown += [simulator.advance(action)[0] for action in actions]
        seen.append(np.array(shown).tobytes())
    assert seen[0] == seen[1] == seen[2]


@given(st.integers(1, MOST_UNITS), st.integers(0, MOST_UNITS))
def test_single_precision_shares_recover_every_whole_number(scale, units):
    """k / S in single precision is off by at most k·2^-24 units, less than half a unit up to 2^23."""
    units = min(units, scale)
    assert np.rint(np.float64(np.float32(units / scale)) * scale) == units


def test_the_largest_stock_is_read_exactly_and_one_unit_more_is_refused():
    units = MOST_UNITS
    reader = fs.UnitReader(one_product(product={"initial_stock": units}))
    shares = (np.array([units, units - 1, units // 2 + 1, 1, 0]) / units).astype(np.float32)
    observations = np.zeros((5, fs.Layout(one_product()).size), np.float32)
    observations[:, fs.Layout(one_product())["on_hand"]] = shares[:, None]
    assert reader.on_hand(observations)[:, 0].tolist() == [units, units - 1, units // 2 + 1, 1, 0]
    with pytest.raises(ValueError, match=r"more than the 8,388,608 that an observation can resolve"):
        one_product(product={"initial_stock": units + 1})


def test_reading_a_hidden_quantity_is_an_error_that_names_the_feature():
    orders = {"product": {"reserve": 9, "order_levels": (0, 3)}, "replenishment": fs.Replenishment(2.0)}
    units = fs.UnitReader(one_product(**orders, observe=("on_hand", "in_transit")))
    observations = np.zeros((1, 2), np.float32)
    assert "position" in units
    assert "sold" not in units
    assert "tick" not in units
    assert "no such quantity" not in units
    with pytest.raises(ValueError, match="sold cannot be read: scenario 'any' does not show reserve"):
        units.sold(observations)
    with pytest.raises(ValueError, match="tick cannot be read: scenario 'any' does not show time_left"):
        units.tick(observations)
    assert units.why_unread("tick", "sold") == "the agent reads reserve, time_left, which the scenario does not show"


def test_a_quantity_that_is_the_same_in_every_sale_can_always_be_read():
    """Without orders nothing is in transit or in reserve, and every unit not on hand was sold."""
    units = fs.UnitReader(one_product(observe=("on_hand",)))
    observations = np.array([[0.7]], np.float32)
    assert units.in_transit(observations).tolist() == [[0]]
    assert units.sold(observations).tolist() == [[3]]
    assert units.to_order(observations).tolist() == [[0]]
    assert units.pipeline(observations).shape == (1, 1, 0)


def test_under_unlimited_supply_sales_cannot_be_read():
    supply = {
        "product": {"order_levels": (0, 3), "storage": 20},
        "replenishment": fs.Replenishment(unlimited=True),
    }
    units = fs.UnitReader(one_product(**supply))
    with pytest.raises(ValueError, match="sold cannot be read: scenario 'any' has orders that draw on no reserve"):
        units.sold(np.zeros((1, fs.Layout(one_product(**supply)).size), np.float32))
    assert "to_order" in units
