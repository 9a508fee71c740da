"""The training loop, with a learner that plays one price level a round."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from flashsale_env import Population, load_scenario
from flashsale_env.agents.training import TRAINING, Training

SCENARIO = load_scenario("gvr-periodic")
CUSTOMERS = Population.homogeneous([product.title for product in SCENARIO.products])
LEVELS = [0, 3, 7, 10, 9, 8]  # by round; level 7 earns most, the lowest prices least


class Shop:
    """Plays one price level."""

    encoding = "multidiscrete"
    scenario = SCENARIO
    settings = SimpleNamespace(sales=5 * 4, num_envs=4, validate_every=2, validation_sales=256)
    level = 0

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return np.full((len(observation), 1), self.level), state

    def save(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "level").write_text(str(self.level))
        return folder


class OneLevelARound(Training):
    suffix = "txt"
    best = None

    def start(self):
        self._learner.level = LEVELS[0]

    def play_rounds(self):
        while self.rounds < self.all_rounds:
            self._learner.level = LEVELS[self.rounds + 1]
            self.finish_round()

    def keep_policy(self):
        self.best = self._learner.level

    def checkpoint(self):
        return {"txt": f"{self._learner.level} {self.best}".encode(), "more": b""}

    def counters(self):
        return {"level": self._learner.level}

    def restore(self, checkpoint, state):
        self._learner.level, self.best = map(int, checkpoint.read_text().split())
        assert state["level"] == self._learner.level


def training(folder=None, progress=None, checkpoint_every=1, **identity):
    return OneLevelARound(
        Shop(),
        CUSTOMERS,
        identity={"game": "levels", **identity},
        checkpoint_every=checkpoint_every,
        folder=folder,
        progress=progress,
        threads=1,
    )


def without_seconds(curve):
    return [{**row, "seconds": 0} for row in curve]


def stop_after(rounds):
    def progress(done, total, row):
        if done == rounds * 4:
            raise KeyboardInterrupt

    return progress


def test_it_validates_at_the_start_every_few_rounds_and_at_the_end(tmp_path):
    curve = training().run()
    assert [row["sales"] for row in curve] == [0, 8, 16, 20]
    assert [row["steps"] for row in curve] == [0, 80, 160, 200]


def test_the_policy_that_earned_most_on_validation_is_kept_and_saved(tmp_path):
    """Levels 0, 7, 9 and 8 are validated: 7 is the best."""
    found = training(tmp_path)
    curve = found.run()
    assert found.best == 7
    assert (tmp_path / "level").read_text() == "7"
    assert max(row["profit"] for row in curve) == curve[1]["profit"]


def test_progress_counts_the_sales_of_every_round_and_shows_the_last_validation():
    shown = []
    curve = training(progress=lambda *args: shown.append(args)).run()
    assert [done for done, _, _ in shown] == [0, 4, 8, 12, 16, 20]
    assert {total for _, total, _ in shown} == {20}
    assert shown[3][2] is curve[1]


@pytest.mark.parametrize("rounds", [0, 1, 3, 5])
@pytest.mark.parametrize("checkpoint_every", [1, 2])
def test_an_interrupted_training_ends_like_an_uninterrupted_one(tmp_path, rounds, checkpoint_every):
    whole = training(tmp_path / "whole", checkpoint_every=checkpoint_every)
    curve = whole.run()
    with pytest.raises(KeyboardInterrupt):
        training(tmp_path / "parts", stop_after(rounds), checkpoint_every).run()
    resumed = training(tmp_path / "parts", checkpoint_every=checkpoint_every)
    assert without_seconds(resumed.run()) == without_seconds(curve)
    assert resumed.best == whole.best
    states = [json.loads((tmp_path / part / TRAINING).read_text()) for part in ("whole", "parts")]
    assert states[0]["checkpoint"] == states[1]["checkpoint"] == "checkpoint-000005.txt"
    assert without_seconds(states[0]["curve"]) == without_seconds(states[1]["curve"])


def test_only_the_last_checkpoint_stays(tmp_path):
    training(tmp_path).run()
    assert {path.name for path in tmp_path.glob("checkpoint-*")} == {"checkpoint-000005.txt", "checkpoint-000005.more"}


def test_a_finished_training_is_not_repeated(tmp_path):
    curve = training(tmp_path).run()
    again = training(tmp_path)
    again.play_rounds = None
    assert again.run() == curve


def test_a_training_with_another_identity_or_a_broken_file_is_an_error(tmp_path):
    training(tmp_path, seed=0).run()
    with pytest.raises(ValueError, match="a training with another seed: 0, want 1"):
        training(tmp_path, seed=1).run()
    (tmp_path / TRAINING).write_text("{")
    with pytest.raises(ValueError, match="is not valid JSON"):
        training(tmp_path, seed=0).run()
