"""The polarity classifier: its fine-tuning and its files."""

import numpy as np
import pytest

from flashsale_env.encoders.text.polarity import Polarity
from flashsale_env.encoders.text.sentiment import frozen_classifier

PRAISE = ["price is best", "best gift", "loyal and original", "want same again", "best offer always"]
COMPLAINTS = ["broken and late", "return it broken", "damaged fake", "where is my refund", "late and damaged order"]


def fitted(tiny, **settings):
    texts, positive = COMPLAINTS + PRAISE, np.repeat([0, 1], 5)
    frozen = frozen_classifier(tiny.embed(texts).numpy(), positive)
    return texts, positive, frozen, Polarity.fit(tiny, frozen, texts, positive, **settings)


def test_fine_tuning_fits_polarity_reproducibly_and_leaves_the_backbone_alone(tiny):
    before = tiny.embed(COMPLAINTS + PRAISE)
    (texts, positive, _, first), (*_, second) = (fitted(tiny, epochs=20, batch_size=5) for _ in range(2))
    odds = first.log_odds(texts)
    assert ((odds > 0) == positive).all()
    assert np.array_equal(odds, second.log_odds(texts))
    assert (tiny.embed(texts) == before).all()


def test_fine_tuning_starts_at_the_frozen_classifier(tiny, monkeypatch):
    monkeypatch.setattr("flashsale_env.encoders.text.polarity.LEARNING_RATE", 0.0)
    monkeypatch.setattr("flashsale_env.encoders.text.polarity.HEAD_RATE", 0.0)
    texts, _, frozen, polarity = fitted(tiny)
    probability = 1 / (1 + np.exp(-polarity.log_odds(texts)))
    np.testing.assert_allclose(probability, frozen.predict_proba(tiny.embed(texts).numpy())[:, 1], atol=2e-3)


def test_a_loaded_classifier_predicts_the_same_and_a_changed_file_is_refused(tiny, tmp_path):
    texts, *_, polarity = fitted(tiny, epochs=2)
    polarity.save(tmp_path / "own", {"seed": 0})
    assert np.array_equal(Polarity.load(tmp_path / "own").log_odds(texts), polarity.log_odds(texts))
    with pytest.raises(FileExistsError, match="already holds something"):
        polarity.save(tmp_path / "own", {})
    weights = tmp_path / "own" / "polarity.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with pytest.raises(ValueError, match="its hash is not the one on its card"):
        Polarity.load(tmp_path / "own")
