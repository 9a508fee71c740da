"""How far customers read, estimated from a log whose truth is known."""

import numpy as np
import pytest

from flashsale_env.encoders.ranking.examination import examined_shares

ATTRACTIONS = np.array([0.06, 0.12, 0.03, 0.09, 0.05])


def shuffled(examined, visits, seed=0, attractions=ATTRACTIONS):
    """Visits of customers who read by the model."""
    rng, products = np.random.default_rng(seed), len(attractions)
    place = np.argsort(rng.random((visits, products)), axis=1) + 1
    depth = (rng.random(visits)[:, None] < examined).sum(axis=1)
    pull = np.where(place <= depth[:, None], attractions, 0.0)
    chances = np.column_stack([pull, np.ones(visits)])
    edges = (chances / chances.sum(axis=1, keepdims=True)).cumsum(axis=1)
    log = np.zeros(visits, [("place", "u2", (products,)), ("bought", "i4")])
    log["place"], log["bought"] = place, (rng.random(visits)[:, None] > edges).sum(axis=1)
    return log


@pytest.mark.parametrize("examined", [(1.0, 0.6, 0.3), (1.0, 1.0), (1.0, 0.9, 0.85, 0.2, 0.1)])
def test_the_shares_are_recovered_within_their_intervals(examined):
    """Within 2.3 half-widths, 4.5 standard errors."""
    found = examined_shares(shuffled(examined, 30_000), len(examined))
    assert found[0].mean == found[0].low == found[0].high == 1.0
    for share, truth in zip(found[1:], examined[1:], strict=True):
        assert abs(share.mean - truth) <= 2.3 * (share.high - share.low) / 2 + 1e-3
        assert share.high - share.low < 0.18


def test_intervals_cover_and_narrow_with_the_log():
    """Of 24 logs, 23 are expected to cover; 18 or fewer have a probability below one in 1,000."""
    covered = 0
    for seed in range(24):
        share = examined_shares(shuffled((1.0, 0.5), 4_000, seed), 2)[1]
        covered += share.low <= 0.5 <= share.high
    assert covered >= 19
    few, many = (examined_shares(shuffled((1.0, 0.5), visits), 2)[1] for visits in (4_000, 36_000))
    assert (many.high - many.low) / (few.high - few.low) == pytest.approx(1 / 3, rel=0.15)


def test_a_product_that_is_not_on_the_list_is_not_chosen():
    log = shuffled((1.0, 0.5), 10_000)
    log["place"][:, 0] = 0  # sold out
    log = log[log["bought"] != 0]
    others = np.delete(log["place"], 0, axis=1)
    log["place"][:, 1:] = np.argsort(np.argsort(others, axis=1), axis=1) + 1
    assert np.isfinite([share.mean for share in examined_shares(log, 2)]).all()


@pytest.mark.parametrize(
    ("change", "places", "message"),
    [
        (lambda log: log, 1, r"places must lie in 2\.\.5"),
        (lambda log: log, 6, r"places must lie in 2\.\.5"),
        (lambda log: log["place"].fill(0), 2, "the log has no list"),
        (lambda log: log["bought"].fill(5), 2, "nobody bought anything"),
    ],
)
def test_a_log_that_cannot_tell_is_refused(change, places, message):
    log = shuffled((1.0, 0.5), 100)
    change(log)
    with pytest.raises(ValueError, match=message):
        examined_shares(log, places)
