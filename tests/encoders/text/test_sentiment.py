"""Reviews: reading them, their split, and the comparison of classifiers on reviews made here."""

import numpy as np
import pytest

from flashsale_env.encoders.text.sentiment import compare, embeddings, read_reviews

PRAISE = ["price is best", "best gift", "loyal and original", "want same again", "best offer always"]
COMPLAINTS = ["broken and late", "return it broken", "damaged fake", "where is my refund", "late and damaged order"]


@pytest.fixture
def folder(tmp_path):
    """A hundred reviews of each kind, with a repeated line in each file and one line in both."""
    for name, phrases in {"neg.txt": COMPLAINTS, "pos.txt": PRAISE}.items():
        lines = [f"{phrase} {i}" for i in range(20) for phrase in phrases]
        (tmp_path / name).write_text("\n".join([*lines, lines[0], "so so", ""]))
    return tmp_path


def test_each_text_counts_once_and_contradictions_are_dropped(folder):
    reviews = read_reviews(folder)
    assert len(reviews.texts) == len(set(reviews.texts)) == 200
    assert (reviews.repeated, reviews.contradictory) == (3, 1)
    assert "so so" not in reviews.texts
    assert reviews.positive.sum() == 100
    assert reviews.positive[reviews.texts.index("best gift 3")] == 1


def test_the_part_of_a_text_depends_on_the_text_alone(folder):
    """Otherwise a repeated or an added line would move texts from training to test."""
    before = read_reviews(folder)
    part = dict(zip(before.texts, before.test, strict=True))
    assert 0.1 < before.test.mean() < 0.3
    (folder / "neg.txt").write_text("one more\n" + (folder / "neg.txt").read_text())
    after = read_reviews(folder)
    assert len(after.texts) == 201
    assert all(part[text] == test for text, test in zip(after.texts, after.test, strict=True) if text in part)


def test_a_missing_empty_or_foreign_file_is_named(folder):
    (folder / "pos.txt").write_bytes("好".encode("gbk"))
    with pytest.raises(ValueError, match=r"pos\.txt is not UTF-8"):
        read_reviews(folder)
    (folder / "pos.txt").write_text("\n \n")
    with pytest.raises(ValueError, match=r"pos\.txt holds no review"):
        read_reviews(folder)
    (folder / "pos.txt").unlink()
    with pytest.raises(ValueError, match=r"pos\.txt is missing: the folder must hold neg\.txt and pos\.txt"):
        read_reviews(folder)


def test_vectors_are_computed_once_and_belong_to_their_texts(tiny, tmp_path, monkeypatch):
    texts = ["price", "refund"]
    first = embeddings(texts, tiny, cache=tmp_path)
    monkeypatch.setattr(type(tiny), "embed", None)
    assert np.array_equal(embeddings(texts, tiny, cache=tmp_path), first)
    with pytest.raises(TypeError):
        embeddings(["price", "late"], tiny, cache=tmp_path)


def test_both_classifiers_separate_praise_from_complaints_by_their_words(folder, tiny):
    figures, polarity = compare(read_reviews(folder), tiny, method="frozen")
    assert polarity is None
    assert figures["train"] + figures["test"] == 200
    accuracy = {name: row["mean"] for name, row in figures["accuracy"].items()}
    assert accuracy.keys() == {"tfidf", "frozen"}
    assert min(accuracy.values()) > 0.9
    gap = accuracy["frozen"] - accuracy["tfidf"]
    assert figures["minus_tfidf"]["frozen"]["mean"] == pytest.approx(gap, abs=2e-4)


def test_an_unknown_method_offers_the_known_ones(folder, tiny):
    with pytest.raises(ValueError, match=r"unknown method 'layer'\. Did you mean 'layers'"):
        compare(read_reviews(folder), tiny, method="layer")
