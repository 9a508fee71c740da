"""Which sales an agent learns from, is tuned on and is tested on."""

import itertools

import numpy as np
import pytest

from flashsale_env.agents.seeding import split_seeds
from flashsale_env.seeds import SPLITS


def test_no_two_runs_or_splits_share_a_sale():
    blocks = [split_seeds(split, run, 1024) for split, run in itertools.product(SPLITS, range(8))]
    everything = np.concatenate(blocks)
    assert len(np.unique(everything)) == len(everything)


def test_a_block_can_be_read_in_parts():
    whole = split_seeds("train", 3, 100)
    np.testing.assert_array_equal(split_seeds("train", 3, 40, start=60), whole[60:])


def test_the_seeds_of_a_block_never_change():
    """Published figures name the sales by split and run; these are the first of the test split."""
    assert [int(seed) for seed in split_seeds("test", 0, 2)] == [0x481EC0A212A9F3DB, 0xDC29F439BCBDDA2A]


def test_an_unknown_split_is_an_error_that_offers_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'validation'"):
        split_seeds("validations", 0, 1)


def test_a_sale_beyond_the_block_is_an_error():
    with pytest.raises(ValueError, match="a block holds sales"):
        split_seeds("train", 0, 2, start=2**40 - 1)
    with pytest.raises(ValueError, match="run must lie in"):
        split_seeds("train", 2**22, 1)
