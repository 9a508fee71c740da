"""The study `text-value` from the command line."""

import functools
import json

import pytest

from flashsale_env.encoders.demand.tastes import DemandModel
from flashsale_env.encoders.studies import text_value as readings
from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.experiments.studies import text_value


def test_its_result_is_kept_and_shown(flashsale, tiny_encoder, monkeypatch, tmp_path):
    """With few customers and a tiny encoder."""
    monkeypatch.setattr(readings, "DEFAULT_TRAIN", 450)
    monkeypatch.setattr(IntentEncoder, "default", lambda: IntentEncoder.load(tiny_encoder))
    monkeypatch.setattr(DemandModel, "fit", functools.partial(DemandModel.fit, steps=20))
    small = functools.partial(text_value.text_value, voices=270, heldout_voices=180, visits=3_000)
    monkeypatch.setattr(text_value, "text_value", small)
    answer = flashsale("study", "text-value", "--repetitions", 2, "--out", tmp_path / "out")
    assert answer.code == 0, answer.err
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["repetitions"] == 2
    for name, row in result["readings"].items():
        assert name in answer.out
        assert f"{row['nll']:.4f}" in answer.out
    assert f"{result['pricing']['perfect_intent']:.4f}" in answer.out


def test_one_repetition_has_no_interval(flashsale):
    assert "--repetitions" in flashsale("study", "text-value", "--repetitions", 1).complaint


@pytest.mark.slow
def test_the_shipped_encoder_closes_four_fifths_of_the_gap(flashsale, tmp_path):
    """Over half a million held-out visits, by the command of the documentation."""
    found = flashsale("study", "text-value", "--out", tmp_path / "out", "--json").json
    assert found == json.loads((tmp_path / "out" / "result.json").read_text())
    assert found["heldout_visits"] >= 5 * 500_000
    assert found["heldout_templates"] == 60
    values = found["readings"]
    shares = {name: values[name]["share_closed_by_repetition"] for name in ("encoder", "tfidf", "shuffled")}
    assert shares["encoder"]["mean"] >= 0.75
    assert shares["encoder"]["low"] > shares["tfidf"]["high"]
    assert shares["shuffled"]["low"] <= 0
    pricing = found["pricing"]
    assert pricing["one_price"] < pricing["readings"]["encoder"]["revenue"]["low"]
    assert pricing["readings"]["encoder"]["revenue"]["high"] < pricing["perfect_intent"]
    assert IntentEncoder.default().card["pretrained"]
