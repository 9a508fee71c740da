"""Demand for products that the shipped model does not know, from the reference world."""

import numpy as np
import pytest

from flashsale_env import INTENTS, Product
from flashsale_env.encoders.world.assortment import MOST_PRODUCTS, demand_for, named
from flashsale_env.encoders.world.readings import encoder_reading, product_vectors
from flashsale_env.encoders.world.reference import TASTES
from tests.encoders.world.stand_ins import KnownLabels

SHELF = tuple(
    named(Product(title=title, price_levels=(price,), initial_stock=1))
    for title, price in (("green tea", 8.0), ("espresso machine", 240.0), ("garden hose", 35.0))
)


def test_customers_of_own_products_have_the_tastes_of_their_intents():
    """Whoever names a product likes it best, and the order of price sensitivity is that of the reference world."""
    voices = 450
    encoder = KnownLabels(tuple(product.noun for product in SHELF), voices)
    demand = demand_for(encoder, SHELF, voices=voices, visits=40_000)
    assert demand.products == tuple(product.title for product in SHELF)
    texts = list(encoder.known)
    encoding = encoder.encode(texts)
    vectors = product_vectors(encoder, SHELF)
    tastes = demand.tastes(encoder_reading(encoding, vectors), vectors)
    intent = encoding.probabilities.argmax(axis=1)
    found = np.array([np.log(tastes.price_sensitivity[intent == i]).mean() for i in range(len(INTENTS))])
    true = np.log([TASTES[name].price_sensitivity for name in INTENTS])
    # Eight of nine intents buy often enough in 40,000 visits for a correlation near 1; .8 is far from chance (0).
    assert np.corrcoef(found, true)[0, 1] > 0.8
    names = encoding.embeddings.argmax(axis=1)[encoding.embeddings.any(axis=1)]
    likes = tastes.relevance[encoding.embeddings.any(axis=1)]
    others = (likes.sum(axis=1) - likes[np.arange(len(likes)), names]) / 2
    assert (likes[np.arange(len(likes)), names] - others).mean() > 0.7  # naming a product adds 1.5 logits


def test_too_many_products_are_refused_before_anything_is_encoded():
    many = [Product(title=f"p{i}", price_levels=(1.0,), initial_stock=1) for i in range(MOST_PRODUCTS + 1)]
    with pytest.raises(ValueError, match="at most 128 products, got 129"):
        demand_for(None, many)
