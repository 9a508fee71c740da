"""Transfer to real shops, and tuning on one shop with evaluation on another."""

import pytest

from flashsale_env.encoders.corpus.generator import generate
from flashsale_env.encoders.studies.transfer import INVERSE_PENALTIES, across, transfer
from flashsale_env.encoders.text.intent import IntentEncoder


@pytest.fixture(scope="module")
def encoder():
    return IntentEncoder.fine_tune(
        generate("train", 540, 0),
        generate("validation", 180, 0),
        method="frozen",
        backbone="tiny",
        device="cpu",
        progress=False,
        corpus={"language": "en", "seed": 0, "train": 540},
    )


@pytest.fixture(scope="module")
def shops():
    """Two shops with messages of the corpus; in one the labels of two intents are exchanged."""
    rows = generate("demand", 360, 0)
    exchanged = {"gift": "bulk", "bulk": "gift"}
    texts = [message.text for message in rows]
    return {
        "plain": (texts[:180], [message.intent for message in rows[:180]]),
        "odd": (texts[180:], [exchanged.get(message.intent, message.intent) for message in rows[180:]]),
    }


def test_a_shop_is_never_evaluated_with_its_own_tuning(encoder, shops):
    found = across(encoder, shops)
    assert {name: list(choice["others"]) for name, choice in found.items()} == {"plain": ["odd"], "odd": ["plain"]}
    assert all(choice["head"] in ("as it is", *INVERSE_PENALTIES) for choice in found.values())
    # Labels that contradict the encoder call for a higher temperature.
    assert found["odd"]["temperature"] > found["plain"]["temperature"]


def test_figures_before_tuning_equal_those_of_transfer(encoder, shops):
    plain, measured = transfer(encoder, shops)["plain"], across(encoder, shops)["odd"]["others"]["plain"]["before"]
    assert measured["accuracy"] == plain["encoder"]["accuracy"]
    assert measured["macro_f1"] == plain["encoder"]["macro_f1"]
    assert measured["expected_calibration_error"] == pytest.approx(plain["expected_calibration_error"], abs=1e-4)


def test_the_confusion_counts_every_row_once(encoder, shops):
    found = transfer(encoder, shops)
    assert sum(map(sum, found["all"]["confusion"])) == 360
    right = sum(found["all"]["confusion"][i][i] for i in range(9))
    assert right / 360 == pytest.approx(found["all"]["encoder"]["accuracy"])


def test_one_shop_alone_is_refused(encoder, shops):
    with pytest.raises(ValueError, match="takes two, got plain"):
        across(encoder, {"plain": shops["plain"]})
