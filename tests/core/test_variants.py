"""Wider assortments: more products with the same demand, stock and money."""

import dataclasses

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.variants import variants

COPIES = 4


@pytest.fixture(scope="module")
def population():
    return fs.load_population("reference", [product.title for product in fs.load_scenario("standard").products])


@pytest.fixture
def wide(standard, population):
    return variants(standard, population, COPIES, seed=3)


def purchase_probabilities(scenario, population):
    """(V, M) at list prices, without shocks: nested logit with all products in one nest; dissimilarity 1 is MNL."""
    sensitivity = population.price_sensitivity[:, None].astype(np.float64)
    price = np.array([product.list_price / product.reference_price for product in scenario.products])
    utility = population.relevance + np.array([p.quality for p in scenario.products]) - sensitivity * price
    dissimilarity = scenario.choice.dissimilarity
    weight = np.exp(utility / dissimilarity)
    total = weight.sum(axis=1, keepdims=True)
    return weight / total * total**dissimilarity / (1.0 + total**dissimilarity)


@pytest.mark.parametrize("choice", [fs.Choice(), fs.Choice("nested", dissimilarity=0.6)], ids=["mnl", "nested"])
def test_the_variants_of_a_product_together_sell_as_often_as_the_product(standard, population, choice):
    """At list prices, for every voice and product, up to the single precision of relevance."""
    scenario = standard.replace(choice=choice)
    before = purchase_probabilities(scenario, population)
    after = purchase_probabilities(*variants(scenario, population, COPIES)[:2])
    np.testing.assert_allclose(after.reshape(len(population), -1, COPIES).sum(axis=2), before, rtol=1e-5)
    assert after.sum(axis=1) == pytest.approx(before.sum(axis=1), rel=1e-5)


def test_a_played_sale_of_variants_sells_as_much():
    """No shocks, ample stock, list prices; units of 64 sales, z = 3.9: false-alarm rate 1e-4 per product."""
    scenario = fs.load_scenario("mnl-stock")
    products = (dataclasses.replace(scenario.products[0], initial_stock=10**5),)
    arrivals = fs.Arrivals(10_000.0)
    scenario = scenario.replace(products=products, arrivals=arrivals, horizon_ticks=4, tick_minutes=1.0)
    population = fs.load_population("homogeneous", [product.title for product in products])
    sold = []
    for sale, customers in ((scenario, population), variants(scenario, population, 3)[:2]):
        simulator = fs.Simulator(sale, customers, sales=64, actions="multidiscrete")
        simulator.open(np.arange(64, dtype=np.uint64), np.zeros(64, np.int64))
        for _ in range(4):
            simulator.advance(np.zeros((64, len(simulator.codec.names)), np.int64))
        sold.append(simulator.sales["sold"].sum(axis=0).sum(keepdims=True))
    narrow, wide = np.array(sold, np.float64)
    assert narrow.min() > 1000
    assert (np.abs(wide - narrow) < 3.9 * np.sqrt(wide + narrow)).all()


@pytest.mark.parametrize("units", ["initial_stock", "reserve"])
def test_no_unit_of_a_product_is_lost_or_made(standard, wide, units):
    scenario, _, parents = wide
    total = dict.fromkeys([product.title for product in standard.products], 0)
    for variant in scenario.products:
        total[parents[variant.title]] += getattr(variant, units)
    assert total == {product.title: getattr(product, units) for product in standard.products}


def test_a_variant_keeps_the_margins_of_its_product_at_a_price_of_its_own(standard, wide):
    scenario, _, parents = wide
    products = {product.title: product for product in standard.products}
    for variant in scenario.products:
        product = products[parents[variant.title]]
        assert 0.8 < variant.list_price / product.list_price < 1.25
        for name in ("unit_cost", "salvage_value", "reference_price"):
            share = getattr(product, name) / product.list_price
            assert getattr(variant, name) / variant.list_price == pytest.approx(share)
        assert np.divide(variant.price_levels, variant.list_price) == pytest.approx(
            np.divide(product.price_levels, product.list_price)
        )
    assert len({variant.list_price for variant in scenario.products}) == len(scenario.products)


def test_a_variant_can_be_ordered_exactly_if_it_has_a_share_of_the_reserve(standard, population):
    """With 100 copies, a reserve of 80 leaves some variants without a unit, and order levels round below one unit."""
    for variant in variants(standard, population, 100)[0].products:
        assert variant.can_be_ordered == (variant.reserve > 0)


def test_ordering_every_variant_costs_as_much_as_ordering_the_product(standard, wide):
    assert wide[0].replenishment.order_cost * COPIES == standard.replenishment.order_cost


def test_the_same_seed_makes_the_same_variants_and_another_one_others(standard, population):
    one, same, other = (variants(standard, population, 2, seed) for seed in (0, 0, 1))
    assert one[0] == same[0]
    np.testing.assert_array_equal(one[1].relevance, same[1].relevance)
    assert one[0] != other[0]
    assert (one[1].relevance != other[1].relevance).any()


def test_a_sale_that_cannot_be_made_wider_is_refused(standard, population):
    with pytest.raises(ValueError, match="copies must be at least 2, got 1"):
        variants(standard, population, 1)
    with pytest.raises(ValueError, match="too few units for 500 variants: 420 on hand and 80 in reserve"):
        variants(standard, population, 500)
    with pytest.raises(ValueError, match=r"variants need a logit.*Take 'mnl', 'nested', 'mixed'"):
        variants(fs.load_scenario("gvr-periodic"), fs.Population.homogeneous(["ticket"]), 2)
    with pytest.raises(ValueError, match="the population was built for"):
        variants(standard, fs.Population.homogeneous(["ticket"]), 2)
