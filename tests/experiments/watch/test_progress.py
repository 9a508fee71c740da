"""What the folder of a run tells while it is written."""

import json
import shutil
from datetime import datetime, timezone

import pytest

from flashsale_env.experiments.runs import CONFIG, LOCK
from flashsale_env.experiments.watch.progress import Learning, read_progress
from flashsale_env.experiments.watch.screen import curve_line, watch
from tests.experiments.conftest import ask


@pytest.fixture
def unfinished(small_policy, tmp_path):
    """A training as it lies there in the middle: half of its rounds are played."""
    folder = tmp_path / "run"
    shutil.copytree(small_policy, folder)
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**config, "finished": None}))
    path = folder / "policy" / "training.json"
    state = json.loads(path.read_text())
    settings = {**state["settings"], "sales": 1000, "num_envs": 256}
    path.write_text(json.dumps({**state, "settings": settings, "rounds": 2, "seconds": 8.0}))
    return folder


def test_a_training_tells_sales_rate_curve_and_time_left(unfinished):
    (unfinished / LOCK).touch()
    found = read_progress(unfinished)
    (learning,) = found.learning
    assert (learning.name, learning.sales, learning.of) == ("ppo on gvr-periodic", 512, 1024)
    assert learning.rate == 64.0
    assert found.left == 8.0, "it plays whole rounds: 1,024 sales for 1,000"
    assert found.running
    assert learning.curve[0][0] == 0


def test_a_training_that_was_killed_stands_still(unfinished, capsys):
    watch(unfinished, 1.0)
    out = capsys.readouterr().out
    assert "not running" in out
    assert "run its command again" in out
    assert "512/1,024 sales, 64 a second" in out


def test_a_finished_training_is_shown_once(small_policy):
    answer = ask("watch", small_policy)
    assert answer.code == 0
    assert "(finished)" in answer.out
    assert "left" not in answer.out
    found = ask("watch", small_policy, "--json").json
    assert found["finished"]
    assert found["learning"][0]["sales_per_second"] > 0


def test_a_benchmark_tells_its_units_and_the_time_left(quick_benchmark, tmp_path):
    folder = tmp_path / "benchmark"
    shutil.copytree(quick_benchmark[0], folder)
    whole = read_progress(folder)
    assert whole.done == whole.units > 4
    assert whole.left is None
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**config, "finished": None}))
    one = next(folder.rglob("agents/ppo/run-*/figures.json"))
    one.unlink()
    began = datetime.fromisoformat(config["started"])
    now = datetime.fromtimestamp(began.timestamp() + 100.0, tz=timezone.utc)
    found = read_progress(folder, now)
    assert (found.done, found.units) == (whole.units - 1, whole.units)
    assert found.left == pytest.approx(100.0 / (whole.units - 1))
    assert [row.name for row in found.learning] == [f"{one.parts[-5]}: ppo, {one.parts[-2]}"]


def test_a_folder_without_a_run_is_refused(tmp_path):
    assert "holds neither a benchmark nor a training" in ask("watch", tmp_path).complaint


def test_a_curve_is_one_line_of_blocks():
    assert curve_line([1.0, 1.0]) == "▁▁"
    assert len(curve_line(list(range(100)))) == 24
    assert Learning("a", 0, 10, 0.0, ()).left is None
