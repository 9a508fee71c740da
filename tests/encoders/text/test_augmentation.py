"""Augmentations: which texts they change, and how."""

import numpy as np
import pytest

from flashsale_env.encoders.corpus.generator import generate
from flashsale_env.encoders.text.augmentation import AUGMENTATIONS, augmented


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_an_augmentation_changes_some_texts_and_depends_on_seed_and_epoch_alone(name):
    texts = [m.text for m in generate("train", 144, 0)]
    first, again, next_epoch = (augmented(texts, name, 0, epoch) for epoch in (0, 0, 1))
    assert first == again != next_epoch
    changed = np.mean([a != b for a, b in zip(texts, first, strict=True)])
    assert 0.1 < changed < 0.65
    assert all(text.strip() for text in first)


def test_augmentations_drop_a_word_change_a_letter_or_the_case():
    rng = np.random.default_rng(0)
    text = "where is my parcel now"
    assert all(len(AUGMENTATIONS["drop_word"](text, rng).split()) == 4 for _ in range(20))
    assert AUGMENTATIONS["drop_word"]("size chart", rng) == "size chart"
    assert all(abs(len(AUGMENTATIONS["typo"](text, rng)) - len(text)) <= 1 for _ in range(20))
    assert AUGMENTATIONS["typo"]("emi ok", rng) == "emi ok"
    assert all(AUGMENTATIONS["case"](text, rng).lower() == text for _ in range(20))
