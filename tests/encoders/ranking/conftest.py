"""A shop with three products whose customers and log are written down by hand."""

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.encoders.ranking.evidence import Evidence

TITLES = ("lamp", "rug", "vase")
GIFT, BULK = fs.INTENTS.index("gift"), fs.INTENTS.index("bulk")


@pytest.fixture
def shop():
    """Makes the evidence of a shop: gift buyers take the vase, bulk buyers the rug.

    Options: `stock`, `examined`, `relevance` (V, M) of four customers, the first two of intent gift, the others bulk.
    """

    def make(stock=1000, examined=(1.0, 0.5), relevance=None, bought=None, customers_per_minute=10.0):
        products = tuple(
            fs.Product(title, (price, price / 2), stock, reference_price=price, unit_cost=1.0, salvage_value=left)
            for title, price, left in zip(TITLES, (10.0, 20.0, 40.0), (4.0, 8.0, 10.0), strict=True)
        )
        scenario = fs.Scenario(
            "shop",
            10,
            1.0,
            products,
            fs.Arrivals(customers_per_minute),
            slate=fs.Slate(examined),
            messages=fs.Messages(1.0),
        )
        population = fs.Population(
            products=TITLES,
            utterances=("a", "b", "c", "d"),
            languages=("en",) * 4,
            intent_probabilities=np.eye(9)[[GIFT, GIFT, BULK, BULK]],
            latent_class=np.array([GIFT, GIFT, BULK, BULK]),
            relevance=np.zeros((4, 3)) if relevance is None else np.array(relevance, float),
            price_sensitivity=np.full(4, 1.0),
            coupon_affinity=np.zeros(4),
            weight=np.array([1.0, 3.0, 1.0, 1.0]),
        )
        rows = (
            bought
            if bought is not None
            else [(0, 2)] * 30 + [(1, 2)] * 30 + [(2, 1)] * 40 + [(3, 0)] * 2 + [(3, 3)] * 98
        )
        log = np.zeros(len(rows), [("voice", "i4"), ("bought", "i4")])
        log["voice"], log["bought"] = np.transpose(rows)
        return Evidence(scenario, population, np.arange(12.0).reshape(4, 3), log)

    return make
