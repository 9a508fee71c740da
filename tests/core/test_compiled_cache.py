"""The disk cache of the compiled core: fast for unedited sources, and never stale."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent.parent / "flashsale_env"
CODE = """
import numpy as np
from flashsale_env import Simulator
s = Simulator("gvr-periodic", sales=4, actions="multidiscrete")
s.open(np.arange(4, dtype=np.uint64), np.zeros(4, np.int64))
for _ in range(10):
    s.advance(np.full((4, 1), 8))
print(s.sales["money"][:, 0].tolist(), s.sales["tick"].tolist())
"""
NOTICE = "compiling the simulator"


@pytest.fixture
def copy(tmp_path):
    site = tmp_path / "site"
    shutil.copytree(PACKAGE, site / "flashsale_env", ignore=shutil.ignore_patterns("__pycache__"))
    return site


def run(site: Path, **environment: str) -> subprocess.CompletedProcess:
    env = {**os.environ, "PYTHONPATH": str(site), **environment}
    return subprocess.run(
        [sys.executable, "-c", CODE], cwd=site.parent, env=env, capture_output=True, text=True, check=True
    )


def test_a_second_process_compiles_nothing_and_an_edit_in_a_callee_takes_effect(copy):
    first = run(copy)
    assert first.stderr.count(NOTICE) == 1, "one notice, at the first compilation"
    second = run(copy)
    assert second.stdout == first.stdout
    assert NOTICE not in second.stderr

    callee = copy / "flashsale_env" / "core" / "choice.py"
    source = callee.read_text()
    assert "surplus > best_on_hand" in source
    callee.write_text(source.replace("surplus > best_on_hand", "surplus > best_on_hand + 1e9"))
    third = run(copy)
    assert third.stdout != first.stdout, "an edited core must not run from the cache"
    assert third.stdout.startswith("[0.0, 0.0, 0.0, 0.0]"), "nobody buys after this edit"


def test_an_install_that_cannot_be_written_uses_the_users_cache(copy, tmp_path):
    """A file where the cache folder would be is what a read-only install is to every user, root included."""
    (copy / "flashsale_env" / "core" / "__pycache__").write_text("not a folder")
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path / "home")}
    first = run(copy, **environment)
    second = run(copy, **environment)
    assert NOTICE in first.stderr
    assert NOTICE not in second.stderr
    assert first.stdout == second.stdout


def test_without_the_jit_the_same_sales_are_played(copy):
    """Ordinary Python gives the same bits as the machine code, and warns of nothing."""
    compiled = run(copy)
    plain = run(copy, NUMBA_DISABLE_JIT="1", PYTHONWARNINGS="error")
    assert plain.stdout == compiled.stdout
    assert plain.stderr == ""
