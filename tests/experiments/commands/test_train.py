"""`flashsale train`: settings, resuming after Ctrl-C, and results that are kept."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from flashsale_env import agents
from flashsale_env.experiments.runs import read_config

ROOT = Path(__file__).parents[3]


def test_settings_and_figures_for_tensorboard_are_options_of_a_training(flashsale, tmp_path):
    board = tmp_path / "board"
    words = ["train", "gvr-periodic", "--sales", 64, "--set", "actions=multidiscrete", "--set", "net_arch=[8]"]
    words += ["--set", "validation_sales=8", "--out", tmp_path / "out", "--tensorboard", board]
    answer = flashsale(*words)
    assert answer.code == 0, answer.err
    assert list(board.glob("events.out.tfevents.*"))
    settings = json.loads((tmp_path / "out" / "policy" / "agent.json").read_bytes())["settings"]
    assert (settings["actions"], settings["net_arch"], settings["sales"]) == ("multidiscrete", [8], 64)
    wrong = ("train", "gvr-periodic", "--out", tmp_path / "none", "--set")
    assert "Did you mean 'gamma'" in flashsale(*wrong, "gama=0.9").complaint
    assert "batch_size must be a whole number, got 0.5" in flashsale(*wrong, "batch_size=0.5").complaint
    assert "seed has an option of its own" in flashsale(*wrong, "seed=3").complaint
    table = ("train", "gvr-periodic", "--agent", "sarsa", "--sales", 64, "--out", tmp_path / "none")
    assert "writes no figures for TensorBoard" in flashsale(*table, "--tensorboard", board).complaint
    assert not (tmp_path / "none").exists()


def test_fewer_sales_leave_the_batch_of_a_learner_as_it_is(flashsale, tmp_path):
    words = ("train", "gvr-periodic", "--agent", "td3", "--set", "validation_sales=8", "--set", "net_arch=[8]")
    assert flashsale(*words, "--sales", 128, "--out", tmp_path).code == 0
    settings = json.loads((tmp_path / "policy" / "agent.json").read_bytes())["settings"]
    assert (settings["sales"], settings["num_envs"]) == (128, 64)
    assert agents.shorter("ppo", "standard", 100) == {"sales": 100, "num_envs": 96}  # twelve times eight siblings


def test_a_finished_training_is_not_overwritten_unasked(flashsale, small_policy):
    before = (small_policy / "policy" / "policy.zip").read_bytes()
    complaint = flashsale("train", "gvr-periodic", "--sales", 256, "--out", small_policy).complaint
    assert "holds a finished run" in complaint
    assert (small_policy / "policy" / "policy.zip").read_bytes() == before


def test_ctrl_c_during_training_leaves_a_checkpoint_from_which_the_same_command_goes_on(flashsale, tmp_path):
    out = tmp_path / "out"
    words = ["train", "gvr-periodic", "--sales", "30720", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "flashsale_env.experiments", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        # A shell's background job ignores Ctrl-C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    training = out / "policy" / "training.json"
    deadline = time.monotonic() + 90
    while not (training.exists() and json.loads(training.read_bytes())["rounds"] >= 1):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert stdout == ""
    assert "Traceback" not in stderr
    assert stderr.strip().splitlines()[-1].endswith("run the same command again to go on.")
    assert read_config(out)["finished"] is None

    other = flashsale(*words, "--seed", "1").complaint
    assert "unfinished run with seed 0, asked for is 1" in other

    reached = json.loads(training.read_bytes())["rounds"]
    assert 1 <= reached < 30
    answer = flashsale(*words, "--json")
    assert answer.code == 0, answer.err
    assert "holds an unfinished training: resuming it" in answer.err
    assert answer.json["curve"][-1]["sales"] == 30720
    assert read_config(out)["finished"]
