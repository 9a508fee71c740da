"""No word or pair of words of the corpus is a shortcut to an intent."""

import pytest

from flashsale_env.encoders.corpus import shortcuts as module
from flashsale_env.encoders.corpus.generator import Message
from flashsale_env.encoders.corpus.phrases import LANGUAGES
from flashsale_env.encoders.corpus.shortcuts import shortcuts, telling, words_of
from flashsale_env.intents import INTENTS


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_stands_for_an_intent_beyond_its_plausible_range(language):
    """With at least 30 messages a word, chance alone moves a share by less than .09 (one standard error)."""
    found = shortcuts(language)
    assert not found, "\n".join(f"{s.words!r} {s.intent} {s.share:.2f} of {s.messages}" for s in found)


def corpus_where_my_order_is_a_purchase(split, size, seed, *, language):
    texts = dict.fromkeys(INTENTS, "price refund") | {"urgent_purchase": "take my order now"}
    return [Message(texts[INTENTS[i % 9]], INTENTS[i % 9], "t", None) for i in range(size)]


def test_a_word_that_gives_an_intent_away_is_found(monkeypatch):
    monkeypatch.setattr(module, "generate", corpus_where_my_order_is_a_purchase)
    monkeypatch.setattr(module, "outliers", lambda *_, **__: [])
    found = {s.words: (s.intent, s.share, s.most) for s in shortcuts("en", seed=99)}
    assert found["my order"] == ("urgent_purchase", 1.0, module.NEUTRAL)
    assert found["take my"] == ("urgent_purchase", 1.0, module.USUAL)
    assert "price" not in found  # in all other intents alike


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_intent_has_words_that_tell_it_and_no_word_is_also_neutral(language):
    known = telling(language)
    assert set(known) == {*INTENTS, "none", "neutral"}
    assert all(known.values())
    assert not known["neutral"] & {word for name, words in known.items() if name != "neutral" for word in words}


def test_chinese_words_are_pairs_and_triples_of_signs():
    assert words_of("多少钱？ok", "zh") == {"多少", "少钱", "多少钱"}
