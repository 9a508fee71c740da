"""The study `sentiment` from the command line."""

import json

import pytest

PRAISE = ["lovely gift", "great price", "fast shipping thanks", "best brand ever", "perfect gift for mum"]
BLAME = ["broken and late", "return it broken", "damaged fake", "where is my refund", "late and damaged order"]


@pytest.fixture
def reviews(tmp_path):
    folder = tmp_path / "reviews"
    folder.mkdir()
    for name, phrases in {"neg.txt": BLAME, "pos.txt": PRAISE}.items():
        (folder / name).write_text("\n".join(f"{phrase} {i}" for i in range(20) for phrase in phrases))
    return folder


def test_figures_and_the_fine_tuned_classifier_are_kept(flashsale, reviews, tmp_path):
    out = tmp_path / "out"
    answer = flashsale("study", "sentiment", reviews, "--backbone", "tiny", "--out", out)
    assert answer.code == 0, answer.err
    result = json.loads((out / "result.json").read_text())
    assert result["accuracy"].keys() == {"tfidf", "frozen", "layers", "together"}
    for name, row in result["accuracy"].items():
        assert name in answer.out
        assert f"{row['mean']:.3f} ± {row['half_width']:.3f}" in answer.out
    card = json.loads((out / "classifier" / "card.json").read_text())
    assert card["figures"]["accuracy"] == result["accuracy"]


def test_a_frozen_backbone_leaves_no_classifier(flashsale, reviews, tmp_path):
    words = ("--backbone", "tiny", "--method", "frozen", "--cache", tmp_path / "cache", "--out", tmp_path / "out")
    found = flashsale("study", "sentiment", reviews, *words, "--json").json
    assert found["accuracy"]["frozen"]["mean"] > 0.9
    assert not (tmp_path / "out" / "classifier").exists()
    assert list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "layer"], "unknown method 'layer'. Did you mean 'layers'"),
        (["--backbone", "no/where"], "no/where"),
    ],
)
def test_a_mistake_is_refused_before_anything_is_written(flashsale, reviews, tmp_path, options, message):
    assert message in flashsale("study", "sentiment", reviews, "--out", tmp_path / "out", *options).complaint
    assert not (tmp_path / "out").exists()


def test_a_folder_without_reviews_is_refused(flashsale, tmp_path):
    words = ("study", "sentiment", tmp_path / "nowhere", "--backbone", "tiny", "--out", tmp_path / "out")
    assert "neg.txt is missing" in flashsale(*words).complaint
