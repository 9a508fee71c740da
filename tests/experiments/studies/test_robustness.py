"""The study `robustness` from the command line."""

import json

import pytest

from flashsale_env.encoders.studies.robustness import PERTURBATIONS


def test_generated_messages_are_perturbed_and_the_result_is_kept(flashsale, tiny_encoder, tmp_path):
    words = ("study", "robustness", "--encoder", tiny_encoder, "--rows", 45, "--out", tmp_path / "out")
    result = flashsale(*words, "--json").json
    assert result["rows"] == 45
    assert [row["name"] for row in result["perturbations"]] == list(PERTURBATIONS)
    assert json.loads((tmp_path / "out" / "result.json").read_text()) == result


def test_the_messages_of_a_shop_are_perturbed_and_shown(flashsale, tiny_encoder, tmp_path):
    csv, mapping = tmp_path / "shop.csv", tmp_path / "mapping.toml"
    csv.write_text("text,tag\nwhere is it?,TRACK\nhow much?,COST\nhm,OTHER\n")
    mapping.write_text('[labels]\nTRACK = "shipping_question"\nCOST = "bargain_hunting"\n')
    columns = ("--text-column", "text", "--label-column", "tag")
    answer = flashsale("study", "robustness", csv, "--mapping", mapping, *columns, "--encoder", tiny_encoder)
    assert answer.code == 0, answer.err
    assert "intents of 2 messages" in answer.out
    for name in PERTURBATIONS:
        assert name in answer.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["shop.csv"], "files of messages need --mapping, --text-column and --label-column"),
        (["--text-column", "text"], "describe files: name at least one"),
        (["--rows", "3"], "--rows"),
    ],
)
def test_options_that_do_not_belong_together_are_refused(flashsale, words, message):
    assert message in flashsale("study", "robustness", *words).complaint
