"""The reference world: declared tastes, independent of the encoder."""

import numpy as np
import pytest

from flashsale_env import INTENTS
from flashsale_env.encoders.corpus.generator import generate
from flashsale_env.encoders.world.reference import TASTES, reference_population


def test_declared_tastes_are_in_the_published_range():
    assert set(TASTES) == set(INTENTS)
    assert sum(taste.share for taste in TASTES.values()) == pytest.approx(1.0)
    assert all(1.0 <= taste.price_sensitivity <= 4.0 for taste in TASTES.values())
    mean = sum(taste.share * taste.price_sensitivity for taste in TASTES.values())
    assert mean == pytest.approx(2.62, abs=0.15)


def test_behaviour_depends_on_the_true_intent_and_observation_on_the_encoder(scenario):
    """Uninformative probabilities leave the tastes unchanged: the encoder has no effect on behaviour."""
    messages = generate("demand", 450, 0, goods=tuple(p.noun for p in scenario.products))
    blind = np.full((450, 9), 1 / 9, np.float32)
    sharp = np.eye(9, dtype=np.float32)[[INTENTS.index(m.intent) for m in messages]]
    a, b = (reference_population(scenario.products, messages, p, 0) for p in (blind, sharp))
    assert np.array_equal(a.relevance, b.relevance)
    assert np.array_equal(a.price_sensitivity, b.price_sensitivity)
    assert np.array_equal(a.latent_class, b.latent_class)
    share = np.bincount(a.latent_class, a.weight, 9)
    assert share / share.sum() == pytest.approx([TASTES[i].share for i in INTENTS], abs=1e-5)
