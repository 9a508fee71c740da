"""A shop's own labelled rows: the head fitted to them, its cross-validation, and rows that are refused."""

import numpy as np
import pytest

from flashsale_env.encoders.corpus.generator import generate
from flashsale_env.encoders.text.backbone import TINY_WORDS
from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.encoders.text.labelled import LabelledRows, check_rows, cross_validate, fine_tune_on, near_duplicates
from flashsale_env.intents import INTENTS

TRAIN, VALIDATION = generate("train", 144, 0), generate("validation", 45, 0)


@pytest.fixture(scope="module")
def encoder():
    settings = {"backbone": "tiny", "learning_rate": 1e-2, "batch_size": 16, "epochs": 2, "progress": False}
    return IntentEncoder.fine_tune(TRAIN, VALIDATION, **settings)


@pytest.fixture(scope="module")
def shop():
    """Rows with labels of the shop's own convention: one word decides between two intents. No row repeats another."""
    words = {"size": "bulk", "price": "gift"}
    others = [other for other in TINY_WORDS.split() if other not in words][:30]
    return (
        [f"{word} {word} {other}" for word in words for other in others],
        [intent for intent in words.values() for _ in others],
    )


def test_a_shops_own_labels_are_fitted_and_cross_validated(encoder, shop):
    texts, labels = shop
    found = cross_validate(texts, labels, start=encoder, generated=TRAIN)
    assert [fold["rows"] for fold in found["folds"]] == [12] * 5
    assert found["accuracy"] == pytest.approx(np.mean([fold["accuracy"] for fold in found["folds"]]))
    assert found["accuracy"] > 0.95 > found["zero_shot"]["accuracy"]
    assert np.sum(found["confusion"]) == 60
    own = fine_tune_on(texts, labels, start=encoder, generated=TRAIN)
    assert own.encode(texts).intents == labels
    assert own.card["figures"]["cross_validation"] == found
    assert own.card["calibration"]["messages"] == 60


def test_an_encoder_of_a_shop_survives_its_file_and_leaves_its_start_alone(encoder, shop, tmp_path):
    before = encoder.encode(shop[0]).probabilities
    own = fine_tune_on(*shop, start=encoder, generated=TRAIN, command="x")
    assert np.array_equal(encoder.encode(shop[0]).probabilities, before)
    loaded = IntentEncoder.load(own.save(tmp_path / "own"), device="cpu")
    a, b = own.encode(shop[0]), loaded.encode(shop[0])
    assert np.array_equal(a.probabilities, b.probabilities)
    assert np.array_equal(a.in_scope, b.in_scope)
    assert a.in_scope.mean() >= 0.9
    assert loaded.card == own.card


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        (["a", "b"], ["gift"], "got 2 texts and 1 labels"),
        (["price", "size"], ["gift", "gifts"], "row 1: unknown intent 'gifts'. Did you mean 'gift'"),
        (
            ["price", "size"],
            ["gift", "bulk"],
            "with 5 folds needs at least one intent with 5 .* got gift 1, bulk 1, 2 of them different",
        ),
        (["price", " "] * 5, ["gift", "bulk"] * 5, "row 1 is empty"),
        (
            ["price", "size?", "Size"] * 5,
            ["gift", "bulk", "bulk"] * 5,
            "got bulk 10, gift 5, 2 of them different.*or use --folds 2",
        ),
    ],
)
def test_rows_that_cannot_be_used_are_named(encoder, texts, labels, message):
    with pytest.raises(ValueError, match=message):
        cross_validate(texts, labels, start=encoder, generated=TRAIN)


def test_rows_without_an_intent_need_generated_messages_with_it(encoder, shop):
    with pytest.raises(ValueError, match="each intent needs some"):
        fine_tune_on(*shop, start=encoder, generated=[])
    assert set(INTENTS) - set(shop[1])


def test_too_few_rows_of_every_intent_are_refused_with_the_number_needed():
    """Two rows of each of eight intents cannot be tested in five folds; five of one intent can."""
    texts = [f"{word} {intent}" for intent in INTENTS[:8] for word in ("alpha beta", "gamma delta")]
    labels = [intent for intent in INTENTS[:8] for _ in range(2)]
    with pytest.raises(
        ValueError, match=r"at least one intent with 5 labelled messages or more.*bargain_hunting 2, urgent_p"
    ):
        check_rows(texts, labels)
    assert len(check_rows([*texts, "one more", "and another", "a third"], [*labels, *[INTENTS[0]] * 3])) == 19


def test_near_duplicates_differ_in_case_punctuation_or_a_few_letters():
    texts = [
        "Where is my order?",
        "where is my orders",
        "where is my parcel",
        "cancel order 123456",
        "Cancel order 123457!",
    ]
    assert near_duplicates(texts).tolist() == [0, 0, 1, 2, 2]
    assert near_duplicates(["?", "??!", "?"]).tolist() == [0, 1, 0]
    assert near_duplicates(["多少钱", "多少钱？", "怎么卖"]).tolist() == [0, 0, 1]


def test_near_duplicates_are_never_in_both_training_and_test_rows(encoder, shop):
    texts, labels = shop
    rows = LabelledRows(texts + [f"{t}!" for t in texts], labels * 2, encoder, TRAIN, 5, 0, False)
    assert len(rows.folds) == 5
    for train, test in rows.folds:
        assert not set(rows.group[train]) & set(rows.group[test])
    found = cross_validate(texts + [f"{t}!" for t in texts], labels * 2, start=encoder, generated=TRAIN)
    assert found["near_duplicates"] == len(texts)


def test_rows_labelled_none_train_the_out_of_scope_score_and_no_intent(encoder, shop):
    """The rows without an intent hold the words of two, so that generated messages alone leave most of them in."""
    texts, labels = shop
    strange = [f"price size {word}" for word in TINY_WORDS.split()[40:70]]
    everything, given = texts + strange, labels + ["none"] * len(strange)
    own = fine_tune_on(everything, given, start=encoder, generated=TRAIN)
    found = own.card["figures"]["cross_validation"]
    assert found["out_of_scope"]["rows"] == len(strange)
    assert found["out_of_scope"]["rejected"] > 0.9
    assert found["out_of_scope"]["auroc"] > 0.95
    assert np.sum(found["confusion"]) == len(texts)
    assert found["accuracy"] > 0.9
    without = fine_tune_on(texts, labels, start=encoder, generated=TRAIN)
    assert (~own.encode(strange).in_scope).mean() > (~without.encode(strange).in_scope).mean()
    assert "out_of_scope" not in without.card["figures"]["cross_validation"]


def test_the_card_holds_the_mix_that_the_head_was_fitted_to(encoder, shop):
    """60 rows, half gift and half bulk, and 144 generated messages at a tenth of their weight, 16 of each intent."""
    own = fine_tune_on(*shop, start=encoder, generated=TRAIN)
    total = 60 + 0.1 * 144
    assert own.prior[INTENTS.index("gift")] == pytest.approx((30 + 1.6) / total)
    assert own.prior[INTENTS.index("browsing")] == pytest.approx(1.6 / total)
    assert encoder.prior == pytest.approx(1 / 9)


def test_rows_labelled_none_alone_are_too_few(encoder):
    with pytest.raises(ValueError, match=r"at least one intent with 5 labelled messages.* got none"):
        check_rows([f"row {i} of it" for i in range(8)], ["none"] * 8)
