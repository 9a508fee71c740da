"""Independent learners of prices: the update, the states, and where they settle in games whose answer is known."""

import numpy as np
import pytest

from flashsale_env.agents.independent import IndependentLearners, QSettings

GREEDY, ANY = 0.0, 1.0


def test_one_period_moves_one_value_of_each_learner_towards_reward_and_future():
    """q <- q + step·(reward + discount·max q' - q), in the row of the last prices."""
    learners = IndependentLearners(QSettings(discount=0.5, step_size=0.25), [1.0, 2.0, 0.0], markets=2)
    chosen = learners.choose(GREEDY)
    assert chosen.tolist() == [[1, 1], [1, 1]]
    learners.learn(chosen, np.array([[4.0, 0.0], [6.0, 2.0]]))
    assert learners.state.tolist() == [4, 4], "both sellers played price 1 of 3: state 1·3 + 1"
    # From 2: a quarter of the way to the reward + half of 2.
    assert learners.q[:, :, 0, 1] == pytest.approx(np.array([[2.75, 1.75], [3.25, 2.25]]))
    untouched = np.delete(learners.q.reshape(2, 2, -1), 1, axis=2)
    assert (untouched == np.delete(np.tile([1.0, 2.0, 0.0], 9), 1)).all()
    learners.go_on(np.array([[2, 0], [0, 1]]))
    assert learners.state.tolist() == [6, 1]


def test_a_bandit_has_one_state():
    learners = IndependentLearners(QSettings(memory=False, discount=0.0), [0.0, 1.0], markets=3)
    assert learners.q.shape == (2, 3, 1, 2)
    learners.learn(learners.choose(ANY), np.ones((2, 3)))
    assert not learners.state.any()


def test_exploration_draws_every_price_equally_and_follows_the_seed():
    """2,000 draws of 5 prices: each share lies within 4.5 standard errors of a fifth."""
    one, other = (IndependentLearners(QSettings(), np.zeros(5), markets=1000, seed=3) for _ in range(2))
    chosen = one.choose(ANY)
    assert np.array_equal(chosen, other.choose(ANY))
    shares = np.bincount(chosen.ravel(), minlength=5) / chosen.size
    assert np.abs(shares - 0.2).max() < 4.5 * (0.2 * 0.8 / chosen.size) ** 0.5
    assert not one.choose(GREEDY).any()


def train(settings, profit, periods, markets=6):
    """Learners after `periods` of a game with profit[own, other], whose exploration falls to nothing."""
    learners = IndependentLearners(settings, profit.mean(axis=1) / (1.0 - settings.discount), markets=markets)
    for period in range(periods):
        chosen = learners.choose(np.exp(-8.0 * period / periods))
        learners.learn(chosen, np.array([profit[chosen[0], chosen[1]], profit[chosen[1], chosen[0]]]))
    return learners.choose(GREEDY)


def test_learners_without_a_future_find_the_dominant_price():
    """A prisoner's dilemma: the low price earns more whatever the other one asks."""
    dilemma = np.array([[1.0, 3.0], [0.0, 2.0]])  # low, high
    for settings in (QSettings(memory=False, discount=0.0), QSettings(discount=0.0)):
        assert (train(settings, dilemma, 600) == 0).all()


def test_learners_that_count_the_answer_keep_the_high_price_more_often():
    """The same dilemma, with little to gain from the low price: of 40 pairs at least eight more do."""
    dilemma = np.array([[1.0, 3.2], [0.0, 3.0]])
    patient, myopic = (
        (train(QSettings(discount=discount, step_size=0.2), dilemma, 3000, markets=40) == 1).all(axis=0).sum()
        for discount in (0.95, 0.0)
    )
    assert patient >= myopic + 8


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"discount": 1.0}, "discount must be at least 0 and below 1, got 1"),
        ({"step_size": 0.0}, "step_size must be above 0 and at most 1, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, says):
    with pytest.raises(ValueError, match=says):
        QSettings(**settings)
