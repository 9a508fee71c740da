"""Typing errors: one at a time, of every kind, and none in what cannot be mistyped."""

import numpy as np
import pytest

from flashsale_env.encoders.corpus.noise import SLIPS, slip, without_vowels


def kinds(text, draws=400):
    return {slip(text, np.random.default_rng(seed)) for seed in range(draws)}


def test_a_slip_changes_one_place_in_one_word_or_loses_one_space():
    found = kinds("where is it")
    assert "whereis it" in found
    assert "where isit" in found
    assert {"hwere is it", "were is it"} & found == {"were is it"}  # the first letter of a word is never hit
    assert {"wehre is it", "wheere is it", "whete is it"} <= found
    assert all(abs(len(text) - len("where is it")) <= 1 for text in found)


@pytest.mark.parametrize("kind", SLIPS)
def test_every_kind_of_slip_changes_the_word_and_keeps_its_ends(kind):
    changed = SLIPS[kind]("parcel", 2, np.random.default_rng(0))
    assert changed != "parcel"
    assert (changed[0], changed[-1]) == ("p", "l")


def test_short_words_numbers_and_chinese_are_not_mistyped():
    for text in ("a1", "12345678", "多少钱"):
        assert kinds(text, 20) == {text}


def test_a_word_without_its_inner_vowels_is_still_read():
    assert without_vowels("discount", np.random.default_rng(0)) == "dscnt"
    assert without_vowels("ok", np.random.default_rng(0)) == "ok"
