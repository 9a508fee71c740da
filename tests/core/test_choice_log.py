"""The choice log is complete, and identifies the sale of every visit."""

import re

import numpy as np
import pytest

import flashsale_env as fs

pytestmark = pytest.mark.uncompiled

TICKS = 10  # of gvr-periodic


def played(log_rows, seeds=(3, 2**64 - 1, 3), episodes=(0, 5, 1)):
    """Three short sales of one product at its lowest price, to the close."""
    simulator = fs.Simulator("gvr-periodic", sales=3, actions="multidiscrete", log_rows=log_rows, threads=1)
    simulator.open(np.array(seeds, np.uint64), np.array(episodes))
    for _ in range(TICKS):
        simulator.advance(np.full((3, 1), 10))
    return simulator


def test_every_visit_carries_its_sale():
    """Row, seed and episode; sales with the same seed differ in their episode."""
    simulator = played(200)
    log = simulator.choice_log()
    visits = simulator.sales["customers"]
    assert len(log) == visits.sum()
    assert log["row"].tolist() == np.repeat([0, 1, 2], visits).tolist()
    for i, (seed, episode) in enumerate([(3, 0), (2**64 - 1, 5), (3, 1)]):
        mine = log[log["row"] == i]
        assert set(mine["seed"].tolist()) == {seed}
        assert set(mine["episode"].tolist()) == {episode}
        assert (mine["bought"] == 0).sum() == simulator.sales["sold"][i, 0]
        assert (np.diff(mine["tick"]) >= 0).all()


def test_an_incomplete_log_is_refused_with_the_number_of_missing_visits():
    """It used to be truncated in silence. The `log_rows` in the message suffices for a complete log."""
    simulator = played(20)
    visits = simulator.sales["customers"]
    missing = np.maximum(visits - 20, 0)
    assert missing.any()
    wanted = f"{missing.sum()} of {visits.sum()} visits were not recorded: {(missing > 0).sum()} of 3 sales had more"
    with pytest.raises(ValueError, match=wanted) as refused:
        simulator.choice_log()
    room = int(re.search(r"log_rows=(\d+) or more", str(refused.value)).group(1))
    assert room == visits.max()
    assert len(played(room).choice_log()) == visits.sum()


def test_a_new_sale_clears_the_visits_of_the_last_one():
    simulator = played(200)
    simulator.open(np.array([8], np.uint64), np.array([0]), np.array([1]))
    log = simulator.choice_log()
    assert set(log["row"].tolist()) == {0, 2}
