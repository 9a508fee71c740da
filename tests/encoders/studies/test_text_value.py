"""The value of text: exact prices by prediction, and readings compared on held-out voices."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from flashsale_env import INTENTS, load_scenario
from flashsale_env.encoders.corpus.generator import generate
from flashsale_env.encoders.corpus.phrases import templates
from flashsale_env.encoders.studies import text_value as module
from flashsale_env.encoders.studies.text_value import pricing_value, text_value
from flashsale_env.encoders.text.intent import Encoding
from flashsale_env.encoders.world.reference import willingness_class
from flashsale_env.encoders.world.seeding import log_seed

ONE_PRICE, PERFECT = 23.082777, 26.487320  # revenue per customer, computed independently of this code


def test_the_most_price_sensitive_intents_are_the_poorest_class():
    assert [willingness_class(s) for s in (4.0, 3.4, 2.0, 1.5, 1.3, 1.0)] == [0, 0, 1, 1, 2, 2]


def test_perfect_predictions_earn_the_ceiling_and_constant_ones_the_revenue_of_one_price():
    true = np.repeat(np.arange(9), 20)
    right, constant = np.stack([true, true]), np.stack([true, np.zeros_like(true)])
    perfect = pricing_value(right, right, true * 2 + np.arange(180) % 2)
    assert perfect["revenue"]["mean"] == pytest.approx(PERFECT, abs=1e-6)
    assert perfect["share_of_ceiling"] == pytest.approx(1.0)
    uninformed = pricing_value(constant, constant, true)
    assert uninformed["revenue"]["mean"] == pytest.approx(ONE_PRICE, abs=1e-6)
    assert uninformed["revenue"]["low"] == pytest.approx(ONE_PRICE, abs=1e-6)


class Oracle:
    """Stands in for BERT: returns the true intent and product of every message."""

    card: ClassVar = {"languages": ["en"]}

    def __init__(self, scenario, voices, repetitions=2):
        nouns = tuple(product.noun for product in scenario.products)
        self.intent, self.good = {}, {noun: noun for noun in nouns}
        for split, count in voices.items():
            for log in range(repetitions):
                for message in generate(split, count, log_seed(split, 0, log), goods=nouns):
                    self.intent[message.text] = message.intent
                    self.good[message.text] = message.good
        self.nouns = nouns

    def encode(self, texts, progress=False):
        known = [INTENTS.index(self.intent.get(text, INTENTS[0])) for text in texts]
        vectors = np.array([[self.good[text] == noun for noun in self.nouns] for text in texts], np.float32)
        return Encoding(np.eye(len(INTENTS), dtype=np.float32)[known], vectors)


def test_true_labels_close_the_gap_and_shuffled_texts_close_nothing(monkeypatch):
    """TF-IDF, fitted to a tenth of the usual messages, is in between."""
    monkeypatch.setattr(module, "DEFAULT_TRAIN", 450)
    scenario = load_scenario("standard")
    scenario = scenario.replace(arrivals=replace(scenario.arrivals, customers_per_minute=30.0))
    oracle = Oracle(scenario, {"demand": 270, "evaluation": 180})
    found = text_value(oracle, scenario, voices=270, heldout_voices=180, visits=3_000, repetitions=2)
    readings = found["readings"]
    assert list(readings) == ["no_text", "tfidf", "encoder", "intent_only", "true_intent", "shuffled"]
    assert readings["encoder"]["share_closed_by_voice_and_sale"]["mean"] > 0.9
    assert readings["true_intent"]["share_closed_by_template_and_sale"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    assert readings["true_intent"]["gap_to_no_text"]["mean"] > 0.02
    assert readings["shuffled"]["share_closed_by_voice_and_sale"]["low"] < 0.05
    assert readings["shuffled"]["share_closed_by_voice_and_sale"]["mean"] < 0.1
    assert readings["tfidf"]["nll"] > readings["encoder"]["nll"]
    revenue = {name: row["revenue"]["mean"] for name, row in found["pricing"]["readings"].items()}
    assert revenue["encoder"] == pytest.approx(PERFECT, abs=1e-6)
    assert revenue["shuffled"] < ONE_PRICE + 0.1 < revenue["tfidf"] < PERFECT
    assert found["heldout_visits"] >= 2 * 3_000
    assert found["heldout_sales"] == 2 * 3
    # Every repetition has its own visits, and so its own gap.
    assert len(set(readings["encoder"]["gap_of_each_repetition"])) == found["repetitions"] == 2
    assert found["heldout_templates"] <= sum(template.split == "evaluation" for template in templates())


def test_one_repetition_has_no_interval():
    with pytest.raises(ValueError, match="at least 2 of them, got 1"):
        text_value(None, load_scenario("standard"), repetitions=1)
