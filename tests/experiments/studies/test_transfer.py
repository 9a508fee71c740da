"""The study `transfer` from the command line."""

import json

import pytest

from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.encoders.text.metrics import scores


@pytest.fixture
def shop(tmp_path):
    csv, mapping = tmp_path / "shop.csv", tmp_path / "mapping.toml"
    csv.write_text("text,tag\nNA,MISC\nwhere is it?,TRACK\nhow much?,COST\n ,COST\n", encoding="utf-8")
    mapping.write_text('[labels]\nTRACK = "shipping_question"\nCOST = "bargain_hunting"\n', encoding="utf-8")
    return csv, mapping


def words_of(*files, mapping, text="text"):
    return ("study", "transfer", *files, "--mapping", mapping, "--text-column", text, "--label-column", "tag")


def test_mapped_rows_are_measured_and_the_others_counted(flashsale, tiny_encoder, shop, tmp_path):
    csv, mapping = shop
    words = (*words_of(csv, mapping=mapping), "--encoder", tiny_encoder)
    result = flashsale(*words, "--json", "--out", tmp_path / "out").json
    assert result["out_of_scope_rows"] == 2
    row = result["shops"]["shop"]
    assert row["rows"] == 2
    guesses = IntentEncoder.load(tiny_encoder).encode(["where is it?", "how much?"]).intents
    assert row["encoder"] == scores(["shipping_question", "bargain_hunting"], guesses)
    outside = result["out_of_scope"]["shop"]
    assert (outside["rows"], outside["others"]) == (2, 1)
    assert 0 <= outside["auroc"] <= 1
    assert json.loads((tmp_path / "out" / "result.json").read_text()) == result


def test_two_shops_are_tuned_on_each_other_and_shown(flashsale, tiny_encoder, shop):
    csv, mapping = shop
    other = csv.with_name("other.csv")
    other.write_text("text,tag\nprice please,COST\nwhen does it come,TRACK\n", encoding="utf-8")
    answer = flashsale(*words_of(csv, other, mapping=mapping), "--encoder", tiny_encoder, "--across")
    assert answer.code == 0, answer.err
    assert "2 rows with other labels or no text are out of scope." in answer.out
    for line in ("tuned on shop", "tuned on other", "AUROC", "TF-IDF"):
        assert line in answer.out


@pytest.mark.parametrize(
    ("mapping", "column", "message"),
    [
        ('[labels]\nTRACK = "shiping"\n', "text", "which is no intent. Did you mean 'shipping_question'"),
        ("labels = [", "text", "is not a mapping"),
        ("", "text", "is not a mapping"),
        (None, "txt", "unknown column 'txt'. Did you mean 'text'"),
        ('[labels]\nNONE = "gift"\n', "text", "has no message whose label is in"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(flashsale, shop, tmp_path, mapping, column, message):
    csv, path = shop
    if mapping is not None:
        path.write_text(mapping, encoding="utf-8")
    out = tmp_path / "out"
    assert message in flashsale(*words_of(csv, mapping=path, text=column), "--out", out).complaint
    assert not out.exists()
