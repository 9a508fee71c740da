"""The corpus: balanced, reproducible, and split by phrasing."""

import hashlib
import json
import re
from collections import Counter

import pytest

from flashsale_env import load_scenario
from flashsale_env.encoders.corpus.generator import MIXED, generate
from flashsale_env.encoders.corpus.phrases import (
    DEFAULT_GOODS,
    LANGUAGES,
    SENTIMENTS,
    SPLITS,
    noun_in,
    parse,
    templates,
)
from flashsale_env.intents import INTENTS

every_language = pytest.mark.parametrize("language", LANGUAGES)
GOODS = ("wireless earbuds", "robot vacuum", "air fryer")


def test_the_english_corpus_is_the_one_that_the_shipped_default_was_trained_on():
    """If it changes, `VERSION` is raised, and the default encoder and its demand model are fitted again."""
    digest = hashlib.sha256()
    for split in SPLITS:
        for goods in (DEFAULT_GOODS, GOODS[:2], ("air fryer",)):
            for m in generate(split, 200, 7, goods=goods):
                digest.update(json.dumps([m.text, m.intent, m.template, m.good]).encode())
    assert digest.hexdigest() == "724f6ab06ed1ebb7a6e87352d9da880da60c9d120084cfd97634805519f93a24"


@every_language
@pytest.mark.parametrize("split", SPLITS)
def test_every_split_is_balanced_over_the_nine_intents(split, language):
    counts = Counter(m.intent for m in generate(split, 100, 1, language=language))
    assert set(counts) == set(INTENTS)
    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("language", [*LANGUAGES, MIXED])
def test_the_same_seed_gives_the_same_messages_and_another_seed_others(language):
    first = generate("train", 50, 3, language=language)
    assert first == generate("train", 50, 3, language=language)
    assert {m.text for m in first} != {m.text for m in generate("train", 50, 4, language=language)}


@every_language
def test_no_template_is_in_two_splits(language):
    messages = {split: generate(split, 900, 0, language=language) for split in SPLITS}
    used = {split: {t for m in messages[split] for t in m.templates} for split in SPLITS}
    for a in SPLITS:
        for b in SPLITS:
            assert a == b or not used[a] & used[b], (a, b)
        assert used[a] <= {t.name for t in templates(language) if t.split == a}


def test_a_joined_message_has_the_templates_of_both_its_sentences():
    """2,700 messages of the split "evaluation" come from 86 templates. Each pair counted as one would give more."""
    messages = generate("evaluation", 2700, 0)
    assert len({m.template for m in messages}) > 150
    assert len({t for m in messages for t in m.templates}) == len({m.templates[0] for m in messages}) == 86
    assert {len(m.templates) for m in messages} == {1, 2}


@every_language
def test_templates_of_different_splits_have_different_patterns(language):
    by_pattern = {}
    for template in templates(language):
        by_pattern.setdefault(template.parts, set()).add((template.intent, template.split))
    assert all(len(places) == 1 for places in by_pattern.values())


@every_language
def test_every_split_has_several_templates_of_every_intent(language):
    counts = Counter((t.intent, t.split) for t in templates(language))
    assert min(counts[intent, split] for intent in INTENTS for split in SPLITS) >= 5


def test_a_message_that_names_a_product_is_labelled_with_it():
    """`good` is one of the goods and, up to typing errors, part of the text."""
    messages = generate("demand", 900, 0, goods=GOODS)
    named = [m for m in messages if m.good is not None]
    assert {m.good for m in named} == set(GOODS)
    assert 0.3 < len(named) / len(messages) < 0.8
    assert sum(m.good in m.text.lower() for m in named) / len(named) > 0.85
    assert not any(g in m.text.lower() for m in messages if m.good is None for g in GOODS)


def test_messages_vary_in_length_casing_and_wording():
    messages = generate("train", 2700, 0)
    words = [len(m.text.split()) for m in messages]
    assert min(words) == 1
    assert max(words) >= 20
    assert len({m.text for m in messages}) > 0.97 * len(messages)
    assert any(m.text.isupper() for m in messages)
    assert any(m.text.islower() for m in messages)


@every_language
def test_no_slot_or_bracket_is_left_in_a_message(language):
    assert not [m.text for m in generate("train", 2700, 5, language=language) if set(m.text) & set("{}[]|")]


def test_chinese_messages_are_short_have_no_spaces_between_words_and_vary():
    messages = generate("train", 2700, 0, language="zh")
    length = sorted(len(m.text) for m in messages)
    assert 6 <= length[len(length) // 2] <= 16
    assert len({m.text for m in messages}) > 0.97 * len(messages)
    # Spaces occur only between sentences, and most messages have one sentence.
    assert sum(" " in m.text for m in messages) < 0.2 * len(messages)


def test_the_default_catalogue_has_chinese_names_and_a_message_keeps_the_callers_noun():
    nouns = tuple(product.noun for product in load_scenario("standard").products)
    messages = generate("demand", 900, 0, goods=nouns, language="zh")
    named = [m for m in messages if m.good is not None]
    assert {m.good for m in named} == set(nouns)
    assert not [noun for noun in nouns if noun_in("zh", noun).isascii()]
    assert sum(noun_in("zh", m.good) in m.text for m in named) / len(named) > 0.9
    assert not any(noun_in("zh", noun) in m.text for m in messages if m.good is None for noun in nouns)


def test_every_default_good_has_a_chinese_name_of_its_own():
    names = [noun_in("zh", good) for good in DEFAULT_GOODS]
    assert len(set(names)) == len(names)
    assert not [name for name in names if name.isascii()]


def test_a_good_without_a_chinese_name_is_written_unchanged():
    messages = generate("train", 300, 0, goods=("Nova 耳机 two", "air fryer"), language="zh")
    named = [m for m in messages if m.good == "Nova 耳机 two"]
    assert named
    assert sum("nova 耳机 two" in m.text.lower() for m in named) / len(named) > 0.6
    assert noun_in("en", "air fryer") == "air fryer"


def test_a_mixed_corpus_holds_every_language_in_equal_shares_each_balanced_over_intents():
    messages = generate("train", 901, 0, language=MIXED)
    counts = Counter((m.language, m.intent) for m in messages)
    assert len(messages) == 901
    assert set(counts) == {(language, intent) for language in LANGUAGES for intent in INTENTS}
    assert max(counts.values()) - min(counts.values()) <= 1
    assert len({m.language for m in messages[:20]}) == len(LANGUAGES)  # in random order


@every_language
def test_a_message_carries_the_sentiment_of_its_template(language):
    sentiment = {t.name: t.sentiment for t in templates(language)}
    messages = generate("train", 1800, 0, language=language)
    assert all(m.sentiment == sentiment[m.templates[0]] for m in messages)
    assert {m.sentiment for m in messages} == set(SENTIMENTS)
    by_intent = Counter((m.intent, m.sentiment) for m in messages)
    assert by_intent["complaint_return", "positive"] == 0
    assert by_intent["complaint_return", "negative"] > 50
    assert by_intent["brand_loyal", "positive"] > 30


def test_two_slots_of_a_kind_never_have_the_same_word():
    """Nobody compares a product with itself."""
    same = re.compile(r"\b(\w+) (vs|versus|or|between|and) (the )?\1\b")
    assert not [m.text for m in generate("train", 2700, 0) if same.search(m.text.lower())]


def test_default_goods_are_broad_and_distinct():
    assert len(DEFAULT_GOODS) >= 100
    assert len(set(DEFAULT_GOODS)) == len(DEFAULT_GOODS)


def test_one_good_is_enough():
    assert {m.good for m in generate("train", 200, 0, goods=("air fryer",))} == {"air fryer", None}


def test_an_unknown_language_is_an_error_that_names_the_known_ones():
    assert LANGUAGES == ("en", "zh")
    with pytest.raises(ValueError, match=r"unknown language 'fr': phrases exist for en, zh"):
        generate("train", 9, 0, language="fr")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("trian", 9, 0), "unknown split 'trian'.*'train'"),
        (("train", -1, 0), "must not be negative, got size=-1"),
        (("train", 9, -2), "must not be negative.*seed=-2"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        generate(*arguments)


@pytest.mark.parametrize("goods", [(), ("",), (3,)])
def test_goods_that_are_not_noun_phrases_are_refused(goods):
    with pytest.raises(ValueError, match="goods must be noun phrases"):
        generate("train", 9, 0, goods=goods)


@pytest.mark.parametrize("pattern", ["a [b|c", "a ]", "a | b"])
def test_a_malformed_template_is_named(pattern):
    with pytest.raises(ValueError, match="template mine"):
        parse(pattern, "mine")


def test_the_corpus_leaves_the_global_generator_alone():
    import numpy as np

    before = np.random.get_state()[1].copy()  # noqa: NPY002
    generate("train", 50, 0)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
