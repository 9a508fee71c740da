"""Generated messages without an intent: reproducible, disjoint between splits, and disjoint from the corpus."""

import pytest

from flashsale_env.encoders.corpus.generator import generate
from flashsale_env.encoders.corpus.outliers import NONE, OUTLIERS, SPLITS, outliers, templates
from flashsale_env.encoders.corpus.phrases import LANGUAGES
from flashsale_env.encoders.corpus.shortcuts import MESSAGES, shares, words_of
from flashsale_env.encoders.text.language import detect
from flashsale_env.intents import INTENTS


def test_the_same_arguments_give_the_same_texts():
    assert outliers("train", 200, 3) == outliers("train", 200, 3)
    assert outliers("train", 200, 3) != outliers("train", 200, 4)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_topic_is_in_both_splits_and_every_template_in_one(language):
    found = templates(language)
    assert len({template.name for template in found}) == len(found)
    topics = {template.name.rsplit("/", 1)[0] for template in found}
    for split in SPLITS:
        assert {t.name.rsplit("/", 1)[0] for t in found if t.split == split} == topics


def test_no_text_of_one_split_is_drawn_by_the_other():
    train, validation = (set(outliers(split, OUTLIERS[split], 0)) for split in SPLITS)
    assert not {text.lower().strip(" ?!.") for text in train} & {text.lower().strip(" ?!.") for text in validation}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_without_an_intent_is_a_message_of_the_corpus(language):
    messages = {message.text.lower() for message in generate("train", 4500, 0, language=language)}
    assert not messages & {text.lower() for text in outliers("train", 1800, 0, languages=(language,))}


def test_languages_have_equal_shares_and_unknown_ones_are_ignored():
    texts = outliers("validation", 301, 0, languages=("en", "zh", "eo"))
    assert len(texts) == 301
    assert sum(detect(text) == "zh" for text in texts) == pytest.approx(150, abs=15)  # "123" is of no language
    assert outliers("train", 50, 0, languages=("eo",)) == outliers("train", 50, 0)


def test_an_unknown_split_offers_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'validation'"):
        outliers("valid", 10, 0)


EACH = MESSAGES // 3  # messages of each class from the validation split, beside `MESSAGES` from the training split
# Word or pair of words -> the only side of the border between intents and none on which it stands, see docs/encoder.md.
BORDER = {
    "en": {
        "cod": "urgent_purchase",
        "emi": "bargain_hunting",
        "restock": "browsing",
        "compatible": "browsing",
        "repair": "complaint_return",
        "the invoice": NONE,
        "new address": NONE,
        "payment methods": NONE,
        "custom": NONE,
    },
    "zh": {
        "货到付": "urgent_purchase",
        "分期": "bargain_hunting",
        "保价": "bargain_hunting",
        "定做": NONE,
        "改地址": NONE,
        "门店": NONE,
    },
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_topic_stands_on_both_sides_of_the_border(language):
    """Over both splits and as many messages of each intent as of none, so that every topic is among them."""
    validation = generate("validation", EACH * len(INTENTS), 0, language=language)
    messages = [(message.text, message.intent) for message in validation]
    messages += [(text, NONE) for text in outliers("validation", EACH, 0, languages=(language,))]
    found = {words: shares(language)[words].copy() for words in BORDER[language]}
    for text, intent in messages:
        for words in found.keys() & words_of(text, language):
            found[words][intent] += 1
    for words, side in BORDER[language].items():
        assert found[words].total() >= 3, words
        assert found[words][side] / found[words].total() >= 0.9, (words, found[words])
