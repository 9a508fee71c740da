"""Readings: the features of voices, and the embeddings of products."""

from flashsale_env.encoders.corpus.phrases import noun_in
from flashsale_env.encoders.world.readings import product_vectors
from tests.encoders.world.stand_ins import Bilingual


def test_a_products_vector_is_the_mean_over_languages(scenario):
    product = next(p for p in scenario.products if len(p.noun) % 4 != len(noun_in("zh", p.noun)) % 4)
    assert noun_in("zh", product.noun) != product.noun
    (vector,) = product_vectors(Bilingual(), [product])
    assert sorted(vector) == [0.0, 0.0, 0.5, 0.5]
