"""Third-party tools, unmodified, on the registered ids and on the native batch: `make interop`.

The first run installs each tool into its own environment (`tools.TOOLS`), which takes minutes and a package index. The
scripts in `scripts/` are typical user code. They assert their results and end with "ok".
"""

from pathlib import Path

import pytest

import flashsale_env as fs
from tests.interop.tools import FOLDER, TOOLS, python_of, run_script

SCRIPTS = Path(__file__).parent / "scripts"
pytestmark = pytest.mark.interop

# Script -> the tool whose interpreter runs it.
OF_TOOL = {
    "torchrl_collects": "torchrl",
    "rllib_learns": "rllib",
    "tianshou_learns": "tianshou",
    "sbx_learns": "sbx",
    "skrl_learns": "skrl",
    "cma_searches": "cma",
    "openenv_serves": "openenv",
    "verifiers_evaluates": "verifiers",
    "textarena_plays": "textarena",
    "rejax_learns": "rejax",
    "ray_serves": "ray_serve",
    "lifetimes_customers": "lifetimes",
    "uplift_scores": "uplift",
    "next_basket_scores": "recommenders",
}


def test_every_script_and_every_tool_is_tried():
    with_tests_of_their_own = {"minari_records", "d3rlpy_learns_offline"}
    assert {path.stem for path in SCRIPTS.glob("*.py")} == set(OF_TOOL) | with_tests_of_their_own
    assert set(OF_TOOL.values()) | {"cleanrl", "d3rlpy"} == set(TOOLS)


@pytest.mark.parametrize("script", OF_TOOL)
def test_a_tool_plays_and_learns(script, tmp_path):
    done = run_script(OF_TOOL[script], SCRIPTS / f"{script}.py", cwd=tmp_path)
    assert done.stdout.splitlines()[-1].startswith("ok")


def test_d3rlpy_learns_from_a_minari_dataset(tmp_path, monkeypatch):
    """Recorded with the newest Gymnasium, used for training with d3rlpy's own version, 1.0."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    for script in ("minari_records", "d3rlpy_learns_offline"):
        done = run_script("d3rlpy", SCRIPTS / f"{script}.py", "sales/random-v0", cwd=tmp_path)
        assert "ok" in done.stdout


@pytest.mark.parametrize(
    ("script", "actions", "options"),
    [
        ("dqn", "discrete", ("--learning-starts", "200", "--total-timesteps", "1000")),
        ("ppo_continuous_action", "box", ("--num-steps", "200", "--total-timesteps", "1000")),
    ],
)
def test_a_script_of_cleanrl_runs_unmodified(script, actions, options, tmp_path):
    """With Gymnasium 0.29, the version these scripts were written for."""
    python_of("cleanrl")
    path = FOLDER / "cleanrl" / "sources" / "cleanrl" / f"{script}.py"
    env_id = f"flashsale_env:{fs.environment_id('gvr-periodic', actions)}"
    done = run_script("cleanrl", path, "--env-id", env_id, "--cuda", "False", *options, cwd=tmp_path)
    returns = [
        float(line.split("episodic_return=")[1].strip("[]")) for line in done.stdout.splitlines() if "episodic" in line
    ]
    assert len(returns) > 50
    assert all(0.0 <= value < 30.0 for value in returns)
