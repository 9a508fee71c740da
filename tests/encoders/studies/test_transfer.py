"""Transfer to real shops, and tuning on one shop with evaluation on another."""

import numpy as np
import pytest

from flashsale_env.encoders.corpus.generator import generate
from flashsale_env.encoders.studies.transfer import (
    INVERSE_PENALTIES,
    across,
    out_of_scope,
    read_labelled,
    read_mapping,
    read_others,
    transfer,
)
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


def test_the_mix_is_measured_against_the_true_shares(encoder, shops):
    texts, intents = shops["plain"]
    found = transfer(encoder, {"plain": (texts, intents)})["plain"]
    confusion = np.array(found["confusion"])
    read, true = confusion.sum(0) / len(texts), confusion.sum(1) / len(texts)
    assert found["mix"]["counted"] == pytest.approx(0.5 * np.abs(read - true).sum())
    assert 0 <= found["mix"]["corrected"] < 1


def test_one_shop_alone_is_refused(encoder, shops):
    with pytest.raises(ValueError, match="takes two, got plain"):
        across(encoder, {"plain": shops["plain"]})


def test_out_of_scope_figures_are_those_of_the_encoding(encoder):
    texts = ["where is my order", "price of the air fryer?", "I want to return this, it came broken", "emi"]
    others = ["qqq zz xk", "9 9 9 9 9"]
    found = out_of_scope(encoder, texts, others)
    inside, outside = encoder.encode(texts), encoder.encode(others)
    above = inside.scope_score[:, None] > outside.scope_score
    assert found["auroc"] == pytest.approx(above.mean())
    assert found["accepted"] == inside.in_scope.mean()
    assert found["rejected"] == (~outside.in_scope).mean()
    with pytest.raises(ValueError, match="needs messages in and out of scope, got 4 and 0"):
        out_of_scope(encoder, texts, [])


def test_transfer_over_two_shops_pools_their_rows(encoder):
    shops = {"a": (["where is it"], ["shipping_question"]), "b": (["emi", "price"], ["bargain_hunting"] * 2)}
    result = transfer(encoder, shops)
    assert [result[name]["rows"] for name in ("a", "b", "all")] == [1, 2, 3]


def test_a_label_mapped_to_none_is_out_of_scope(tmp_path):
    csv, mapping = tmp_path / "shop.csv", tmp_path / "map.toml"
    csv.write_text("text,tag\nhow much,COST\ntell me a joke,CHAT\nhm,OTHER\n")
    mapping.write_text('[labels]\nCOST = "bargain_hunting"\nCHAT = "none"\n')
    labels = read_mapping(mapping)
    assert read_labelled(csv, labels, "text", "tag") == (["how much"], ["bargain_hunting"], 2)
    assert read_others(csv, labels, "text", "tag") == ["tell me a joke", "hm"]


def test_a_file_is_read_as_every_other_file_of_messages(tmp_path):
    csv = tmp_path / "shop.csv"
    csv.write_bytes("text,tag\ncafé,COST\nNA,COST\n,COST\nhm,OTHER\n".encode("cp1252"))
    found = read_labelled(csv, {"COST": "bargain_hunting"}, "text", "tag")
    assert found == (["café", "NA"], ["bargain_hunting"] * 2, 2)
    with pytest.raises(ValueError, match="unknown column 'tags'"):
        read_labelled(csv, {"COST": "bargain_hunting"}, "text", "tags")
