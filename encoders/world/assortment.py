"""The demand model of any assortment: what customers of the reference world think of a shop's own products.

Owns    the sale in which the demand for given products is logged, and the fit to that log.
Leaves  the world to `reference`, the experiment to `experiment`, the model to `demand.tastes`.

The products differ by what their names say and by what customers write: relevance follows from the text embeddings of
messages and products, price sensitivity and coupon affinity from the intents of the reference world. What nobody wrote
down, such as the quality of a brand, is not in the text: `Product.quality` adds it.
"""

from collections.abc import Sequence
from dataclasses import replace

from flashsale_env import Product, load_scenario
from flashsale_env.encoders.demand.tastes import DemandModel
from flashsale_env.encoders.records.catalogue import PRICE_SHARES
from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.encoders.world.experiment import run_experiment
from flashsale_env.encoders.world.readings import encoder_reading, product_vectors
from flashsale_env.versions import versions

# Half the voices and a third of the visits of the shipped model, whose eight products need no more.
VOICES = 2250
VISITS = 200_000
MOST_PRODUCTS = 128  # the log holds a price and an availability of each product for each visit
_STOCK = 1_000_000  # no limit: every visit sees all products
# Purchases of a product that identify its effect to about a tenth of a logit.
_LEAST_VISITS_A_PRODUCT = 4_000


def named(product: Product) -> Product:
    """The product with its title as its phrase in messages, where it has none."""
    return product if product.noun else replace(product, noun=product.title)


def demand_for(
    encoder: IntentEncoder,
    products: Sequence[Product],
    *,
    voices: int | None = None,
    visits: int | None = None,
    seed: int = 0,
    command: str = "",
    progress: bool = False,
) -> DemandModel:
    """Fit a demand model to a logged experiment of the reference world that sells these products.

    Args:
        encoder: of the messages.
        products: M of them; only title, noun and reference price count.
        voices, visits: of the log; None takes `VOICES`, and visits that grow with M.
        seed: of the experiment and the fit.
        command: recorded on the card.
        progress: show bars on standard error.

    Raises:
        ValueError: more than `MOST_PRODUCTS` products, or two of one title.
    """
    if len(products) > MOST_PRODUCTS:
        raise ValueError(
            f"a demand model is fitted to at most {MOST_PRODUCTS} products, got {len(products)}: name fewer."
        )
    sold = [
        Product(
            title=product.title,
            price_levels=tuple(share * product.reference_price for share in PRICE_SHARES),
            initial_stock=_STOCK,
            reference_price=product.reference_price,
            noun=named(product).noun,
        )
        for product in products
    ]
    scenario = load_scenario("standard").replace(products=tuple(sold), name="assortment", replenishment=None)
    visits = visits or max(VISITS, _LEAST_VISITS_A_PRODUCT * len(sold))
    log = run_experiment(encoder, scenario, "demand", voices or VOICES, visits=visits, seed=seed, progress=progress)
    vectors = product_vectors(encoder, sold)
    reading = encoder_reading(log.encoding, vectors)
    demand = DemandModel.fit(
        reading, vectors, [product.title for product in sold], log.choices, seed=seed, progress=progress
    )
    demand.card |= {"command": command, "world": "reference", "encoder": encoder.hashes(), "versions": versions()}
    return demand
