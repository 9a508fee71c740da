"""The study of privacy: who reads what, and what the table says."""

import numpy as np
import pytest

from flashsale_env import Layout, agents, load_scenario
from flashsale_env.experiments.studies import privacy

STANDARD = load_scenario("standard")


class Recorder:
    """A policy that keeps what it was shown."""

    encoding = "box"

    def __init__(self):
        self.policy, self.seen = agents.make("random", STANDARD), []

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        self.seen.append(np.array(observation))
        return self.policy.predict(observation, state, episode_start, deterministic)


def test_the_noise_changes_the_shares_and_their_entropy_alone():
    policy, layout = Recorder(), Layout(STANDARD)
    rows = privacy.price_of_privacy(policy, STANDARD, 150, (0.1,), sales=6, seed=0)
    ticks = STANDARD.horizon_ticks
    exact, noisy, blind = (np.stack(policy.seen[k * ticks : (k + 1) * ticks]) for k in range(3))
    mean, entropy = layout["intent_mean"], layout["intent_entropy"].start
    assert np.abs(noisy[..., mean] - exact[..., mean]).mean() > 0.02
    for seen in (noisy, blind):
        assert np.allclose(seen[..., mean].sum(axis=-1), 1.0, atol=1e-5)
        expected = -(seen[..., mean] * np.log(np.maximum(seen[..., mean], 1e-30))).sum(axis=-1) / np.log(9)
        assert np.allclose(seen[..., entropy], expected, atol=1e-4)
    others = [i for i in range(layout.size) if i != entropy and not mean.start <= i < mean.stop]
    assert (noisy[0][:, others] == exact[0][:, others]).all()
    assert np.ptp(blind[..., mean].reshape(-1, 9), axis=0).max() < 1e-6, "the same shares in every sale"
    assert np.allclose(blind[0, 0, mean], exact[..., mean].reshape(-1, 9).mean(axis=0), atol=1e-5)
    assert [row["reads"] for row in rows] == [privacy.EXACT, "epsilon 0.1", privacy.BLIND]
    assert rows[1]["error"] == pytest.approx(rows[1]["expected_error"], rel=0.1)
    assert rows[0]["less_exact"]["mean"] == 0


def test_masking_is_measured_by_language_and_kind():
    rows = privacy.measure_masking(120, seed=0)
    assert {row["language"] for row in rows} == {"en", "zh"}
    assert all(row["masked"] == row["share"] * row["messages"] for row in rows)
    assert [row["share"] for row in rows if row["kind"] == "none"] == [0.0, 0.0]


@pytest.mark.parametrize("name", ["mnl-stock", "intent"])
def test_a_scenario_without_shares_before_the_opening_is_refused(flashsale, name):
    done = flashsale("study", "privacy", "--scenario", name)
    assert done.code == 2
    assert "shows no intents" in done.err or "no messages before the opening" in done.err
