"""The console script: exit codes, one-line errors, Ctrl-C, warnings and a bare install."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from flashsale_env.experiments import cli

ROOT = Path(__file__).parents[2]


def python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)


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
        (["encode", "README.md", "--text-column", "text", "--encoder", "nowhere"], "README.md: want a file whose name ends in .csv"),
    ],
)
def test_a_mistake_costs_one_line_and_exit_code_2(flashsale, tmp_path, words, message):
    out = tmp_path / "out"
    with_out = words if len(words) == 1 else [*words, "--out", out]
    complaint = flashsale(*with_out).complaint
    assert any(part in complaint for part in message.split("|")), complaint
    assert not out.exists()


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch):
    """A ValueError that another library raised in a call of ours is no message to the user."""

    def faulty(words, command):
        np.zeros(3).reshape(2, 2)

    monkeypatch.setattr("flashsale_env.experiments.dispatch.dispatch", faulty)
    with pytest.raises(ValueError, match="cannot reshape"):
        cli.main(["list"])


def test_ctrl_c_anywhere_is_130(monkeypatch, flashsale):
    def interrupted(words, command):
        raise KeyboardInterrupt

    monkeypatch.setattr("flashsale_env.experiments.dispatch.dispatch", interrupted)
    answer = flashsale("list")
    assert (answer.code, answer.err) == (130, "flashsale: stopped by Ctrl-C.\n")


def test_warnings_are_one_line_on_standard_error(monkeypatch, flashsale):
    def warning(words, command):
        warnings.warn("first\n second", UserWarning, stacklevel=1)
        return 0

    monkeypatch.setattr("flashsale_env.experiments.dispatch.dispatch", warning)
    assert flashsale("list").err == "flashsale: warning: first second\n"
