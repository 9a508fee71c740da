"""The study `intent-encoder`: fine-tunes, measures and saves."""

import pytest

from flashsale_env.encoders.corpus.generator import VERSION
from flashsale_env.encoders.text import intent as intent_module
from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.experiments.runs import read_config


@pytest.fixture
def few_messages(monkeypatch):
    for name in ("DEFAULT_TRAIN", "DEFAULT_VALIDATION", "DEFAULT_EVALUATION"):
        monkeypatch.setattr(intent_module, name, 90)


def test_the_encoder_is_saved_with_its_figures_and_its_command(flashsale, few_messages, tmp_path):
    out = tmp_path / "encoder"
    words = ("study", "intent-encoder", "--out", out, "--seed", 3, "--backbone", "tiny")
    answer = flashsale(*words, "--json")
    assert answer.code == 0, answer.err
    assert set(answer.json["figures"]) == {"validation", "evaluation", "tfidf_evaluation"}
    card = IntentEncoder.load(out).card
    assert card["command"] == f"flashsale study intent-encoder --out {out} --seed 3 --backbone tiny --json"
    assert card["corpus"] == {"version": VERSION, "language": "en", "seed": 3, "train": 90, "validation": 90}
    assert read_config(out)["finished"]
    assert "already holds something" in flashsale(*words).complaint
    shown = flashsale(*words, "--overwrite")
    assert shown.code == 0, shown.err
    assert "TF-IDF" in shown.out
    assert f"{card['figures']['evaluation']['en']['accuracy']:.3f}" in shown.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "lorra"], "unknown method 'lorra'. Did you mean 'lora'"),
        (["--language", "eng"], "unknown language 'eng'. Did you mean 'en'"),
        (["--backbone", "no/where"], "no/where"),
        (["--epochs", "0"], "--epochs"),
    ],
)
def test_a_mistake_is_refused_before_anything_is_written(flashsale, tmp_path, options, message):
    out = tmp_path / "out"
    assert message in flashsale("study", "intent-encoder", "--out", out, *options).complaint
    assert not out.exists()
