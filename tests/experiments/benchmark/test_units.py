"""The folders and files of units."""

from pathlib import Path

import pytest

from flashsale_env.experiments.benchmark.results import compare
from flashsale_env.experiments.benchmark.settings import load_benchmark
from flashsale_env.experiments.benchmark.units import Unit, units_of
from tests.experiments.conftest import ask


def test_units_of_different_runs_have_different_folders():
    settings = load_benchmark("quick")
    folders = [unit.folder(Path("out")) for unit in units_of(settings)]
    assert len(set(folders)) == len(folders)
    assert Unit(settings.problems[0], None, 0, 100).folder(Path("out")) == Path("out/gvr-periodic/bound")


def test_a_damaged_unit_is_named(rules, tmp_path):
    out = tmp_path / "out"
    assert ask("benchmark", rules, "--out", out).code == 0
    settings = load_benchmark(str(rules))
    unit = next(units_of(settings))
    path = unit.folder(out) / "sales.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match=r"sales.safetensors is damaged.*run the same command again"):
        compare(out, settings, settings.problems[0])
