"""No registered id changes its behaviour without a new version."""

import json
import os
import subprocess
import sys

import pytest

import flashsale_env as fs
from tests.contract import golden

IDS = golden.registered_ids()
# An uncompiled customer takes 50 microseconds; these ids take less than a second each.
SMALL = [name for name in IDS if "Gvr" in name or "MnlStock" in name]


def recorded(name):
    path = golden.file_of(name)
    assert path.exists(), f"{name} has no golden trajectory: python -m tests.contract.golden"
    return json.loads(path.read_text())


@pytest.mark.parametrize("name", IDS)
def test_an_id_behaves_as_when_its_version_was_recorded(name):
    """Every observation and reward of four sales under a fixed policy, to the bit."""
    assert golden.difference(recorded(name), golden.play(name)) == "", "raise `version` in the scenario file"


@pytest.mark.parametrize("name", [fs.environment_id(name) for name in fs.SCENARIOS])
def test_three_threads_give_the_same_trajectories(name):
    assert golden.difference(recorded(name), golden.play(name, threads=3)) == ""


def test_uncompiled_code_gives_the_same_trajectories():
    script = f"""
import json
from tests.contract import golden
for name in {SMALL!r}:
    found = golden.difference(json.loads(golden.file_of(name).read_text()), golden.play(name))
    assert not found, (name, found)
"""
    assert SMALL
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=golden.FOLDER.parents[2],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_no_golden_file_outlives_its_id():
    assert {path.name for path in golden.FOLDER.glob("*.json")} == {golden.file_of(name).name for name in IDS}


def test_the_first_difference_to_a_record_is_found():
    """In any recorded number; metrics newer than the record are ignored."""
    played = golden.play(SMALL[0])
    assert golden.difference(played, played) == ""
    earlier = {**played, "metrics": {"profit": played["metrics"]["profit"]}}
    assert golden.difference(earlier, played) == ""
    tick = next(reversed(played["digests"]))
    other = {**played, "digests": {**played["digests"], tick: "0"}}
    assert golden.difference(other, played).startswith(f"digests, {tick}: 0 was recorded")
