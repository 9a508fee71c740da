"""The reference world and the shipped populations."""

import json
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from flashsale_env import INTENTS, Population, Simulator, load_scenario
from flashsale_env.encoders.corpus.generator import generate, noun_in
from flashsale_env.encoders.demand.tastes import ChoiceData, DemandModel, Reading
from flashsale_env.encoders.intervals import likelihood_gap
from flashsale_env.encoders.text.intent import Encoding, IntentEncoder
from flashsale_env.encoders.world.building import (
    DEMAND_FOLDER,
    POPULATION_FOLDER,
    hear,
    learned_population,
    population_from_texts,
    product_vectors,
    read,
    study_reference_world,
)
from flashsale_env.encoders.world.reference import TASTES, randomised_price_experiment, reference_population


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("standard")


@pytest.fixture(scope="module")
def encoder():
    return IntentEncoder.default()


@pytest.fixture(scope="module")
def study(encoder, scenario):
    return study_reference_world(
        encoder, scenario, voices=900, heldout_voices=450, visits=60_000, heldout_visits=60_000, seed=1
    )


def test_intent_tastes_are_in_the_published_range():
    assert set(TASTES) == set(INTENTS)
    assert sum(taste.share for taste in TASTES.values()) == pytest.approx(1.0)
    assert all(1.0 <= taste.price_sensitivity <= 4.0 for taste in TASTES.values())
    mean = sum(taste.share * taste.price_sensitivity for taste in TASTES.values())
    assert mean == pytest.approx(2.62, abs=0.15)


def test_behaviour_follows_the_true_intent_and_observation_the_encoder(scenario):
    """With probabilities that say nothing, tastes are what they were: no circle from the encoder to behaviour."""
    messages = generate("demand", 450, 0, goods=tuple(p.noun for p in scenario.products))
    blind = np.full((450, 9), 1 / 9, np.float32)
    sharp = np.eye(9, dtype=np.float32)[[INTENTS.index(m.intent) for m in messages]]
    a, b = (reference_population(scenario.products, messages, p, 0) for p in (blind, sharp))
    assert np.array_equal(a.relevance, b.relevance)
    assert np.array_equal(a.price_sensitivity, b.price_sensitivity)
    assert np.array_equal(a.latent_class, b.latent_class)
    share = np.bincount(a.latent_class, a.weight, 9)
    assert share / share.sum() == pytest.approx([TASTES[i].share for i in INTENTS], abs=1e-5)


def test_the_experiment_randomises_every_price(scenario):
    bank = Population.load(POPULATION_FOLDER / "reference")
    log = randomised_price_experiment(scenario, bank, 200_000, seed=3)
    assert len(log) >= 200_000
    levels = [len(np.unique(log["price_share"][:, j])) for j in range(8)]
    assert levels == [len(product.price_levels) for product in scenario.products]
    correlation = np.corrcoef(log["price_share"].T) - np.eye(8)
    assert np.abs(correlation).max() < 0.2


class Told:
    """Stands in for an encoder that knows the intent and the product of every message of the split "demand"."""

    card: ClassVar = {"languages": ["en"]}

    def __init__(self, nouns, voices):
        self.nouns = nouns
        self.known = {m.text: (m.intent, m.good) for m in generate("demand", voices, 0, goods=nouns)}
        self.known |= {noun: (INTENTS[0], noun) for noun in nouns}

    def encode(self, texts, progress=False):
        intents, goods = zip(*(self.known[text] for text in texts), strict=True)
        about = np.array([[good == noun for noun in self.nouns] for good in goods], np.float32)
        return Encoding(np.eye(9, dtype=np.float32)[[INTENTS.index(intent) for intent in intents]], about)


@pytest.mark.parametrize("quality", [-1.0, 0.0, 1.0])
def test_quality_counts_once_in_the_learned_world(scenario, quality):
    """Conversion at list prices among customers learned from a log of products of this quality is that among the
    customers of the log, in the same sales, within the tenth that a log of 15,000 visits can tell. It was 1.9 times as
    high at quality 1, and .4 times at -1, while quality was estimated into relevance and then added again."""
    products = tuple(replace(product, quality=quality, initial_stock=10**6) for product in scenario.products)
    arrivals = replace(scenario.arrivals, customers_per_minute=50.0)
    sale = scenario.replace(products=products, arrivals=arrivals)
    encoder = Told(tuple(product.noun for product in products), 180)
    heard = hear(encoder, sale, "demand", 180, visits=12_000)
    vectors, titles = product_vectors(encoder, products), [product.title for product in products]
    reading = read(heard.encoding, vectors)
    demand = DemandModel.fit(reading, vectors, titles, heard.log, steps=120)
    tastes, bank = demand.tastes(reading, vectors), heard.population
    learned = learned_population(bank.utterances, heard.encoding, tastes, products, weight=bank.weight)
    reference, found = (conversion(sale, customers) for customers in (bank, learned))
    assert found == pytest.approx(reference, rel=0.1)


def conversion(scenario, population):
    simulator = Simulator(scenario, population, sales=20, actions="multidiscrete")
    simulator.open(np.arange(20, dtype=np.uint64), np.zeros(20, np.int64))
    for _ in range(scenario.horizon_ticks):
        simulator.advance(np.zeros((20, len(simulator.codec.n_levels)), np.int64))
    return simulator.sales["sold"].sum() / simulator.sales["customers"].sum()


def test_text_predicts_choices_of_people_it_has_never_met(study):
    """Held-out voices, held-out templates: the interval of the gap to no text excludes 0."""
    figures = study.figures
    assert figures["heldout_visits"] >= 60_000
    assert figures["gap_no_text_minus_encoder"]["low"] > 0
    assert figures["gap_no_text_minus_true_intent"]["mean"] >= figures["gap_no_text_minus_encoder"]["mean"]


def test_shuffled_texts_are_worth_nothing(encoder, scenario):
    """A model fitted on shuffled readings predicts no better than one without text."""
    products, titles = scenario.products, [p.title for p in scenario.products]
    messages = generate("demand", 900, 1, goods=tuple(p.noun for p in products))
    encoding = encoder.encode([m.text for m in messages])
    bank = reference_population(products, messages, encoding.probabilities, 1)
    vectors = product_vectors(encoder, products)
    data = ChoiceData.from_log(randomised_price_experiment(scenario, bank, 60_000, 1), products)
    heldout = ChoiceData.from_log(randomised_price_experiment(scenario, bank, 60_000, 2), products)
    reading = read(encoding, vectors)
    order = np.random.default_rng(0).permutation(len(messages))
    nothing = Reading(np.zeros((900, 0), np.float32), np.zeros((900, 8), np.float32))
    shuffled = Reading(reading.about[order], reading.similarity[order])
    nll = {
        name: DemandModel.fit(r, vectors, titles, data, steps=120).visit_nll(r, vectors, heldout)
        for name, r in (("nothing", nothing), ("shuffled", shuffled), ("read", reading))
    }
    worth = likelihood_gap(nll["nothing"], nll["read"], heldout.voice, heldout.sale).mean
    assert likelihood_gap(nll["nothing"], nll["shuffled"], heldout.voice, heldout.sale).mean < 0.15 * worth
    assert worth > 0.01


class Polyglot:
    """Stands in for a multilingual encoder: it knows two languages and reads the length of a text."""

    card: ClassVar = {"languages": ["en", "zh"]}

    def encode(self, texts, progress=False):
        vectors = np.zeros((len(texts), 4), np.float32)
        vectors[np.arange(len(texts)), [len(text) % 4 for text in texts]] = 1.0
        return Encoding(np.eye(9, dtype=np.float32)[[len(text) % 9 for text in texts]], vectors)


def test_a_multilingual_encoder_hears_customers_of_every_language_of_the_corpus(scenario):
    heard = hear(Polyglot(), scenario, "demand", 90, visits=1_000)
    assert sorted(set(heard.population.languages)) == ["en", "zh"]
    assert heard.population.languages.count("zh") == 45
    goods = {message.good for message in heard.messages if message.language == "zh" and message.good}
    assert goods
    assert goods <= {product.noun for product in scenario.products}


def test_a_product_is_known_by_its_noun_in_each_language(scenario):
    product = next(p for p in scenario.products if len(p.noun) % 4 != len(noun_in("zh", p.noun)) % 4)
    assert noun_in("zh", product.noun) != product.noun
    (vector,) = product_vectors(Polyglot(), [product])
    assert sorted(vector) == [0.0, 0.0, 0.5, 0.5]


def test_recovered_elasticities_rank_the_intents(study):
    """Even a small log tells bargain hunters from urgent buyers."""
    recovered = {intent: row["recovered"] for intent, row in study.figures["elasticity"].items()}
    assert recovered["bargain_hunting"] < recovered["urgent_purchase"] - 1.0
    assert recovered["bulk"] < recovered["brand_loyal"]


@pytest.mark.parametrize("name", ["learned", "reference"])
def test_the_shipped_populations_say_how_they_were_made_and_what_was_measured(name):
    bank = Population.load(POPULATION_FOLDER / name)
    assert bank.card["kind"] == name
    assert bank.card["command"] == "python -m flashsale_env.encoders.world.building"
    figures = bank.card["figures"]
    assert figures["heldout_visits"] >= 5 * 500_000
    gap, logs = figures["gap_no_text_minus_encoder"], figures["gap_of_each_log"]
    assert len(set(logs)) == figures["heldout_logs"] == 5
    # An interval over what varies between logs is about as wide as theirs. By voice alone it was half of that. The
    # range of 5 normal values is within .4 to 5 standard deviations but once in a thousand.
    assert min(logs) < gap["mean"] < max(logs)
    assert gap["low"] > 0
    assert 0.4 < (max(logs) - min(logs)) / ((gap["high"] - gap["low"]) / 2 / 1.97 * np.sqrt(5)) < 5
    assert figures["true_intent_nll"] < figures["heldout_nll"] < figures["no_text_nll"]
    assert len(bank) >= 2000
    assert sum(path.stat().st_size for path in (POPULATION_FOLDER / name).iterdir()) < 4e6


def test_the_two_shipped_populations_share_their_voices():
    a, b = (Population.load(POPULATION_FOLDER / name) for name in ("learned", "reference"))
    assert a.utterances == b.utterances
    assert np.array_equal(a.intent_probabilities, b.intent_probabilities)
    assert not np.array_equal(a.relevance, b.relevance)
    assert np.array_equal(a.latent_class, a.intent_probabilities.argmax(axis=1))


def test_the_bilingual_populations_are_half_chinese_and_measured():
    learned, reference = (Population.load(POPULATION_FOLDER / f"{name}-en-zh") for name in ("learned", "reference"))
    assert learned.utterances == reference.utterances
    assert learned.languages.count("zh") == learned.languages.count("en") == len(learned) / 2
    chinese = learned.utterances[learned.languages.index("zh")]
    assert any("\u4e00" <= sign <= "\u9fff" for sign in chinese)
    assert learned.card["command"] == "python -m flashsale_env.encoders.world.building --encoder runs/multilingual"
    assert learned.card["figures"]["share_of_gap_closed"]["low"] > 0.6


def test_the_shipped_artefacts_belong_together(encoder, scenario):
    """The learned population is what the shipped encoder and demand model make of its sentences."""
    bank = Population.load(POPULATION_FOLDER / "learned")
    demand = DemandModel.load(DEMAND_FOLDER)
    rows = np.arange(0, len(bank), 60)
    again = population_from_texts([bank.utterances[i] for i in rows], encoder, demand, scenario)
    assert again.intent_probabilities == pytest.approx(bank.intent_probabilities[rows], abs=2e-3)
    assert again.price_sensitivity == pytest.approx(bank.price_sensitivity[rows], rel=2e-2)
    card = json.loads((DEMAND_FOLDER / "demand.json").read_text())
    assert card["figures"] == bank.card["figures"]


def test_a_sale_can_be_played_with_a_shops_own_messages(encoder, scenario, tmp_path):
    texts = ["any discount on the air fryer?", "need it today", "where is my order", "i want 200 pieces"]
    bank = population_from_texts(texts, encoder, DemandModel.load(DEMAND_FOLDER), scenario, command="test")
    assert INTENTS[bank.latent_class[0]] == "bargain_hunting"
    simulator = Simulator(scenario, bank.save(tmp_path / "bank"), sales=2)
    simulator.open(np.arange(2, dtype=np.uint64), np.zeros(2, np.int64))
    simulator.advance(np.zeros((2, 17)))
    assert simulator.sales["customers"].min() > 0


def test_a_demand_model_of_other_products_is_refused(encoder):
    other = load_scenario("gvr-periodic")
    with pytest.raises(ValueError, match="the demand model knows the products"):
        population_from_texts(["hello"], encoder, DemandModel.load(DEMAND_FOLDER), other)
