"""The console script: exit codes, pure JSON, one-line errors, Ctrl-C and a bare install."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env import agents
from flashsale_env.experiments import cli
from flashsale_env.experiments.runs import read_config

ROOT = Path(__file__).parents[2]


def python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_list_names_every_scenario_and_agent_and_imports_no_torch():
    """In a process of its own, because this one has torch already."""
    done = python(
        "import sys; from flashsale_env.experiments.cli import main; code = main(['list', '--json']);"
        "print('torch' in sys.modules or 'transformers' in sys.modules, file=sys.stderr); sys.exit(code)"
    )
    assert done.returncode == 0
    assert done.stderr.strip() == "False"
    found = json.loads(done.stdout)
    assert {row["name"] for row in found["scenarios"]} == set(fs.SCENARIOS)
    assert {"random", "fixed_price", "linear_markdown", "sell_through", "ppo"} <= {r["name"] for r in found["agents"]}
    assert "default" in {row["name"] for row in found["encoders"]}
    assert {"learned", "reference", "homogeneous"} <= {row["name"] for row in found["populations"]}
    assert {"demo", "quick"} <= {row["name"] for row in found["experiments"]}
    assert all(row["description"] for rows in found.values() for row in rows)


@pytest.mark.parametrize(
    ("missing", "words", "extra"),
    [
        ("typer", ["list"], "experiments"),
        ("rich", ["list"], "experiments"),
        ("torch", ["train", "gvr-periodic", "--out", "nowhere"], "agents"),
        ("pandas", ["encode", "pyproject.toml", "--text-column", "x", "--out", "nowhere"], "experiments"),
    ],
)
def test_a_bare_install_names_the_missing_extra(missing, words, extra):
    """A finder that knows nothing of the module stands for an installation without it."""
    done = python(
        f"""
import sys

class Hidden:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden)
from flashsale_env.experiments.cli import main
sys.exit(main({words}))
"""
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"pip install 'flashsale-env[{extra}]'" in done.stderr


def test_the_tables_of_list_show_what_json_shows(flashsale):
    answer = flashsale("list")
    assert answer.code == 0
    for name in [*fs.SCENARIOS, "sell_through", "ppo", "quick"]:
        assert name in answer.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lst"], "No such command 'lst'. Did you mean 'list'"),
        (["train"], "Missing argument 'SCENARIO'"),
        (["train", "gvr-periodic", "--sed", "1"], "No such option"),
        (["train", "gvr-periodc"], "unknown scenario 'gvr-periodc'. Did you mean 'gvr-periodic'"),
        (["train", "nowhere.toml"], "no scenario file at nowhere.toml"),
        (["train", "gvr-periodic", "--agent", "pppo"], "unknown agent 'pppo'. Did you mean 'ppo'"),
        (["train", "gvr-periodic", "--agent", "fixed_price"], "agent 'fixed_price' does not learn"),
        (["train", "gvr-periodic", "--device", "tpu"], "--device must be auto, cpu or cuda, got 'tpu'"),
        (["train", "gvr-periodic", "--seed", "-1"], "--seed"),
        (["train", "standard", "--population", "lerned"], "unknown population 'lerned'. Did you mean 'learned'"),
        (["train", "standard", "--population", "no/where"], "no population at no/where"),
        (["demo", "--config", "quik"], "unknown experiment 'quik'. Did you mean 'quick'"),
        (["encode", "nowhere.csv", "--text-column", "text"], "no file at nowhere.csv"),
        (["encode", "README.md", "--text-column", "text", "--encoder", "nowhere"], "does not read|unknown column"),
    ],
)
def test_a_mistake_costs_one_line_and_exit_code_2(flashsale, tmp_path, words, message):
    out = tmp_path / "out"
    with_out = words if len(words) == 1 else [*words, "--out", out]
    complaint = flashsale(*with_out).complaint
    assert any(part in complaint for part in message.split("|")), complaint
    assert not out.exists()


@pytest.mark.parametrize(
    ("agent", "options", "message"),
    [
        ("sell_trough", [], "unknown agent 'sell_trough'. Did you mean 'sell_through'"),
        ("ppo", [], "ppo has to be trained first"),
        ("{tmp}", [], "holds no trained agent"),
        ("random", ["--against", "rando"], "unknown agent 'rando'. Did you mean 'random'"),
        ("random", ["--episodes", "1"], "--episodes"),
    ],
)
def test_an_agent_that_cannot_be_evaluated_is_refused(flashsale, tmp_path, agent, options, message):
    answer = flashsale("evaluate", agent.format(tmp=tmp_path), "--scenario", "gvr-periodic", *options)
    assert message.replace("'", "") in answer.complaint.replace("'", "")


def test_a_misspelt_key_of_a_scenario_file_is_named(flashsale, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(fs.SCENARIOS["gvr-periodic"].read_text().replace("horizon_ticks", "horizon_tiks"))
    complaint = flashsale("evaluate", "random", "--scenario", path).complaint
    assert "unknown key 'horizon_tiks'. Did you mean 'horizon_ticks'" in complaint


@pytest.mark.parametrize("name", ["tastes.safetensors", "voices.json", "card.json"])
@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_a_damaged_population_is_refused(flashsale, tmp_path, name, damage):
    folder = tmp_path / "population"
    shutil.copytree(Path(fs.__file__).parent / "data" / "learned", folder)
    path = folder / name
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-100])
    complaint = flashsale("evaluate", "random", "--scenario", "standard", "--population", folder).complaint
    assert name in complaint


def test_evaluating_two_agents_pairs_them_on_the_same_customers(flashsale):
    words = ("evaluate", "fixed_price", "--scenario", "gvr-periodic", "--episodes", 300, "--json")
    alone, paired = flashsale(*words).json, flashsale(*words, "--against", "random").json
    assert alone["agent"] == paired["agent"]
    mean = alone["agent"]["mean_profit"]
    assert alone["agent"]["ci_low"] < mean < alone["agent"]["ci_high"]
    found = paired["difference"]
    assert found["diff"] == pytest.approx(mean - paired["against"]["mean_profit"])
    assert found["ci_low"] > 0, "the best fixed price beats random prices"
    against_itself = flashsale(*words, "--against", "fixed_price").json["difference"]
    assert against_itself == {
        "diff": 0.0,
        "ci_low": 0.0,
        "ci_high": 0.0,
        "standard_deviation": 0.0,
        "variance_ratio": 0.0,
    }


def test_evaluate_says_what_common_customers_are_worth(flashsale):
    """`standard` sales differ far more than agents do: pairing leaves a few percent of the variance."""
    words = ("evaluate", "sell_through", "--scenario", "standard", "--episodes", 200, "--against", "linear_markdown")
    found = flashsale(*words, "--json").json["difference"]
    assert 0 < found["variance_ratio"] < 0.05
    assert found["ci_high"] - found["ci_low"] == pytest.approx(
        2 * 1.9719 * found["standard_deviation"] / 200**0.5, rel=1e-3
    ), "Student's quantile with 199 degrees of freedom"
    printed = " ".join(flashsale(*words).out.split())
    assert f"{found['variance_ratio']:.2%} of the variance" in printed


def test_verify_prints_anchors_with_verdicts(flashsale):
    words = ("verify", "gvr-periodic", "--set", "ticks=4", "--set", "grid=[0.5, 1.5, 2.5]", "--sales", 2000)
    answer = flashsale(*words, "--json")
    assert answer.code == 0
    assert answer.json["verdict"] == "pass"
    wanted = {"anchor", "quantity", "source", "expected", "simulated", "half_width", "verdict"}
    assert all(wanted <= set(row) for row in answer.json["rows"])
    assert "K = 4" in flashsale(*words).out
    assert flashsale(*words, "--markdown").out.startswith("| anchor | quantity |")


def test_verify_fails_with_exit_code_1_where_the_simulator_is_wrong(flashsale, monkeypatch):
    """Every agent sells one unit too many for its price."""
    from flashsale_env.experiments.verify import simulating

    right = simulating.mean_of
    monkeypatch.setattr(
        simulating, "mean_of", lambda name, expected, values, **k: right(name, expected, values + 1, **k)
    )
    answer = flashsale("verify", "gvr-fixed-price", "--sales", 2000, "--json")
    assert answer.code == 1
    assert {row["verdict"] for row in answer.json["rows"]} == {"fail"}


def test_verify_lists_its_anchors(flashsale):
    from flashsale_env.experiments.verify.cases import CASES

    assert [row["name"] for row in flashsale("verify", "--list", "--json").json] == list(CASES)
    assert "n=10, rho=10.0" in flashsale("verify", "--list").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("verify", "gvr-optimum"), "Did you mean 'gvr-optimal'"),
        (("verify", "--set", "n=3"), "name exactly one"),
        (("verify", "gvr-optimal", "--set", "n"), "--set wants NAME=VALUE"),
        (("bench", "imports"), "Did you mean 'import'"),
    ],
)
def test_verify_and_bench_refuse_what_they_do_not_know(flashsale, words, message):
    assert message in flashsale(*words).complaint


def test_bench_writes_its_page_and_never_over_another(flashsale, tmp_path):
    answer = flashsale("bench", "import", "--repeats", 1, "--out", tmp_path / "figures", "--json")
    assert answer.json["rows"][0]["name"] == "import flashsale_env"
    assert "import flashsale_env" in (tmp_path / "figures" / "README.md").read_text()
    assert "is there already" in flashsale("bench", "import", "--out", tmp_path / "figures").complaint
    assert "import flashsale_env" in flashsale("bench", "import", "--repeats", 1).out


def test_evaluate_shows_a_table_to_people(flashsale):
    answer = flashsale("evaluate", "fixed_price", "--scenario", "gvr-periodic", "--episodes", 20, "--against", "random")
    assert answer.code == 0
    assert "95 % interval" in answer.out
    assert "fixed_price - random" in answer.out


def test_evaluating_among_other_customers_than_in_training_is_said(flashsale, small_policy, tmp_path):
    """Known by the hash of the customers, whatever they are called."""
    play = ("evaluate", small_policy, "--scenario", "gvr-periodic", "--episodes", 4)
    assert "was trained among" not in flashsale(*play).err
    alike = fs.Population.homogeneous(["ticket"])
    dataclasses.replace(alike, price_sensitivity=2 * alike.price_sensitivity).save(tmp_path / "mine")
    alike.save(tmp_path / "the same")
    answer = flashsale(*play, "--population", tmp_path / "mine")
    assert f"was trained among the customers of homogeneous and now meets those of {tmp_path / 'mine'}" in answer.err
    assert "was trained among" not in flashsale(*play, "--population", tmp_path / "the same").err


def test_a_trained_policy_is_evaluated_from_its_folder(flashsale, small_policy):
    answer = flashsale("evaluate", small_policy, "--scenario", "gvr-periodic", "--episodes", 50, "--json")
    assert answer.json["agent"]["mean_profit"] > 0
    assert (small_policy / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    config = read_config(small_policy)
    assert config["command"].startswith("flashsale train gvr-periodic --sales 256")
    assert config["finished"]


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
    assert "seed has a place of its own" in flashsale(*wrong, "seed=3").complaint
    table = ("train", "gvr-periodic", "--agent", "sarsa", "--sales", 64, "--out", tmp_path / "none")
    assert "writes no figures for TensorBoard" in flashsale(*table, "--tensorboard", board).complaint
    assert not (tmp_path / "none").exists()


def test_fewer_sales_leave_the_batch_of_a_learner_as_it_is(flashsale, tmp_path):
    words = ("train", "gvr-periodic", "--agent", "td3", "--set", "validation_sales=8", "--set", "net_arch=[8]")
    assert flashsale(*words, "--sales", 128, "--out", tmp_path).code == 0
    settings = json.loads((tmp_path / "policy" / "agent.json").read_bytes())["settings"]
    assert (settings["sales"], settings["num_envs"]) == (128, 64)
    assert agents.shorter("ppo", "standard", 100) == {"sales": 100, "num_envs": 96}  # twelve times eight siblings


def test_a_policy_does_not_play_a_scenario_of_another_shape(flashsale, small_policy):
    complaint = flashsale("evaluate", small_policy, "--scenario", "standard", "--episodes", 2).complaint
    assert "trained on scenario 'gvr-periodic' and does not fit 'standard'" in complaint


def test_a_truncated_policy_is_refused(flashsale, small_policy, tmp_path):
    folder = tmp_path / "policy"
    shutil.copytree(small_policy / "policy", folder)
    path = folder / "policy.zip"
    path.write_bytes(path.read_bytes()[:1000])
    complaint = flashsale("evaluate", folder, "--scenario", "gvr-periodic", "--episodes", 2).complaint
    assert "policy.zip is truncated" in complaint


def test_a_finished_training_is_not_overwritten_unasked(flashsale, small_policy):
    before = (small_policy / "policy" / "policy.zip").read_bytes()
    complaint = flashsale("train", "gvr-periodic", "--sales", 256, "--out", small_policy).complaint
    assert "holds a finished run" in complaint
    assert (small_policy / "policy" / "policy.zip").read_bytes() == before


def test_ctrl_c_during_training_leaves_a_checkpoint_from_which_the_same_command_goes_on(flashsale, tmp_path):
    out = tmp_path / "out"
    words = ["train", "gvr-periodic", "--sales", "81920", "--out", str(out)]
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
    assert 1 <= reached < 80
    answer = flashsale(*words, "--json")
    assert answer.code == 0, answer.err
    assert "holds an unfinished training: going on with it" in answer.err
    assert answer.json["curve"][-1]["sales"] == 81920
    assert read_config(out)["finished"]


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch):
    """A ValueError that another library raised in a call of ours is no message to the user."""

    def faulty(words, command):
        np.zeros(3).reshape(2, 2)

    monkeypatch.setattr("flashsale_env.experiments.commands.dispatch", faulty)
    with pytest.raises(ValueError, match="cannot reshape"):
        cli.main(["list"])


def test_ctrl_c_anywhere_is_130(monkeypatch, flashsale):
    def interrupted(words, command):
        raise KeyboardInterrupt

    monkeypatch.setattr("flashsale_env.experiments.commands.dispatch", interrupted)
    answer = flashsale("list")
    assert (answer.code, answer.err) == (130, "flashsale: stopped by Ctrl-C.\n")


def test_warnings_are_one_line_on_standard_error(monkeypatch, flashsale):
    def warning(words, command):
        warnings.warn("first\n second", UserWarning, stacklevel=1)
        return 0

    monkeypatch.setattr("flashsale_env.experiments.commands.dispatch", warning)
    assert flashsale("list").err == "flashsale: warning: first second\n"
