"""The corpus: balanced, repeatable, and split by phrasing."""

import re
from collections import Counter

import pytest

from encoders.corpus import DEFAULT_GOODS, LANGUAGES, SPLITS, _parse, generate, templates
from flashsale_env.intents import INTENTS

GOODS = ("wireless earbuds", "robot vacuum", "air fryer")


@pytest.mark.parametrize("split", SPLITS)
def test_every_split_is_balanced_over_the_nine_intents(split):
    counts = Counter(m.intent for m in generate(split, 100, 1))
    assert set(counts) == set(INTENTS)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_the_same_seed_writes_the_same_messages_and_another_seed_others():
    assert generate("train", 50, 3) == generate("train", 50, 3)
    assert {m.text for m in generate("train", 50, 3)} != {m.text for m in generate("train", 50, 4)}


def test_no_template_serves_two_splits():
    used = {split: {t for m in generate(split, 900, 0) for t in m.template.split("+")} for split in SPLITS}
    for a in SPLITS:
        for b in SPLITS:
            assert a == b or not used[a] & used[b], (a, b)
        assert used[a] <= {t.name for t in templates() if t.split == a}


def test_templates_of_different_splits_have_different_patterns():
    by_pattern = {}
    for template in templates():
        by_pattern.setdefault(template.parts, set()).add((template.intent, template.split))
    assert all(len(places) == 1 for places in by_pattern.values())


def test_every_split_has_several_templates_of_every_intent():
    counts = Counter((t.intent, t.split) for t in templates())
    assert min(counts[intent, split] for intent in INTENTS for split in SPLITS) >= 5


def test_a_message_that_names_a_product_says_which():
    """Up to a typo: `good` is one of the goods, and almost always a part of the text as written."""
    messages = generate("demand", 900, 0, goods=GOODS)
    named = [m for m in messages if m.good is not None]
    assert {m.good for m in named} == set(GOODS)
    assert 0.3 < len(named) / len(messages) < 0.8
    assert sum(m.good in m.text.lower() for m in named) / len(named) > 0.9
    assert not any(g in m.text.lower() for m in messages if m.good is None for g in GOODS)


def test_messages_vary_in_length_casing_and_wording():
    messages = generate("train", 2700, 0)
    words = [len(m.text.split()) for m in messages]
    assert min(words) == 1
    assert max(words) >= 20
    assert len({m.text for m in messages}) > 0.97 * len(messages)
    assert any(m.text.isupper() for m in messages)
    assert any(m.text.islower() for m in messages)


def test_no_slot_or_bracket_is_left_in_a_message():
    assert not [m.text for m in generate("train", 2700, 5) if set(m.text) & set("{}[]|")]


def test_two_slots_of_a_kind_never_hold_the_same_word():
    """Nobody compares a product with itself."""
    same = re.compile(r"\b(\w+) (vs|versus|or|between|and) (the )?\1\b")
    assert not [m.text for m in generate("train", 2700, 0) if same.search(m.text.lower())]


def test_default_goods_are_broad_and_distinct():
    assert len(DEFAULT_GOODS) >= 100
    assert len(set(DEFAULT_GOODS)) == len(DEFAULT_GOODS)


def test_one_good_is_enough():
    assert {m.good for m in generate("train", 200, 0, goods=("air fryer",))} == {"air fryer", None}


def test_an_unknown_language_is_an_error_that_names_the_known_ones():
    assert LANGUAGES == ("en",)
    with pytest.raises(ValueError, match=r"unknown language 'fr': phrases exist for en.*'en'"):
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
        _parse(pattern, "mine")


def test_the_corpus_leaves_the_global_generator_alone():
    import numpy as np

    before = np.random.get_state()[1].copy()  # noqa: NPY002
    generate("train", 50, 0)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
