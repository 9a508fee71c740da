"""Events: a history reads as what happened, in order."""

import dataclasses

import numpy as np
import pytest

from flashsale_env import load_scenario
from flashsale_env.encoders.sessions.events import PAD, Vocabulary
from tests.encoders.sessions.made import TITLES, made

WORDS = Vocabulary(TITLES, 6, ((1.0, 0.8), (1.0, 0.8)))


def read(tokens):
    return [WORDS.tokens[token] for token in tokens if token != PAD]


def test_a_history_is_the_events_of_its_visits_in_order():
    found, _ = made(4)
    found = dataclasses.replace(found, pays=found.pays & (found.sale == 0))
    step = [f"price step {0 if price == 1.0 else 1}" for price in found.price[:, 0]]
    place = np.flatnonzero(found.customer == 1)
    first, second = (step[k] for k in place)
    assert read(WORDS.encode(found)[1]) == [
        *("[start]", "view", first, "click lamp", "cart lamp", "buy lamp", "leave"),
        *("1 sales later", "view", second, "click lamp", "cart lamp", "message comparison", "leave"),
        *("4 sales later", "now"),
    ]
    quiet = read(WORDS.encode(found)[0])
    assert quiet[-6:] == ["1 sales later", "view", step[4], "leave", "1 sales later", "now"]
    assert sum(word == "view" for word in quiet) == 5


def test_every_token_has_one_meaning():
    assert len(set(WORDS.tokens)) == len(WORDS.tokens)
    assert Vocabulary.from_card(dataclasses.asdict(WORDS)) == WORDS
    campaign = Vocabulary.of(load_scenario("campaign"))
    assert campaign.steps == 11
    assert campaign.price_levels[0][0] == pytest.approx(260 / 80)


def test_histories_of_another_scenario_are_refused():
    found, _ = made(4)
    with pytest.raises(ValueError, match=r"2 products in 5 sales; the vocabulary has 2 in 4"):
        dataclasses.replace(WORDS, sales=4).encode(found)
    with pytest.raises(ValueError, match=r"'standard' has no \[campaign\]"):
        Vocabulary.of(load_scenario("standard"))
