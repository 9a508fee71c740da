"""Whose folder `--out` is: results are kept unless their replacement was asked for."""

import json

import pytest

from flashsale_env.experiments.runs import CONFIG, Run, read_config


def run_in(folder, **options):
    return Run(folder, "flashsale test", options=options, seeds={"a": 0})


def test_a_new_folder_is_made_and_says_how_it_was_made(tmp_path):
    run = run_in(tmp_path / "a" / "b", size=3)
    run.begin(overwrite=False)
    begun = read_config(run.folder)
    assert begun["command"] == "flashsale test"
    assert begun["options"] == {"size": 3}
    assert begun["seeds"] == {"a": 0}
    assert {"python", "numpy", "numba", "flashsale-env"} <= begun["versions"].keys()
    assert begun["finished"] is None
    run.finish()
    done = read_config(run.folder)
    assert done["started"] == begun["started"]
    assert done["finished"] is not None


def test_results_are_never_replaced_unasked(tmp_path):
    run = run_in(tmp_path / "out")
    run.begin(overwrite=False)
    (run.folder / "result.json").write_text("{}")
    with pytest.raises(FileExistsError, match=r"already holds something.*--overwrite"):
        run.begin(overwrite=False)
    assert (run.folder / "result.json").exists()
    run.begin(overwrite=True)
    assert [path.name for path in run.folder.iterdir()] == [CONFIG]


def test_overwrite_does_not_touch_a_folder_that_no_run_has_written(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    (tmp_path / CONFIG).write_text(json.dumps({"another": "tool"}))
    with pytest.raises(FileExistsError, match=r"no config.json of an earlier run"):
        run_in(tmp_path).begin(overwrite=True)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_overwrite_does_not_remove_what_the_run_reads(tmp_path):
    first = run_in(tmp_path / "out")
    first.begin(overwrite=False)
    population = first.folder / "population"
    population.mkdir()
    second = Run(first.folder, "flashsale train", options={}, inputs=(population,))
    with pytest.raises(ValueError, match="which this run reads"):
        second.begin(overwrite=True)
    assert population.is_dir()


def test_overwrite_removes_a_link_and_not_what_it_points_to(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("x")
    run = run_in(tmp_path / "out")
    run.begin(overwrite=False)
    (run.folder / "link").symlink_to(elsewhere)
    run.begin(overwrite=True)
    assert (elsewhere / "precious").exists()


def test_a_file_is_no_folder_for_results(tmp_path):
    path = tmp_path / "file"
    path.write_text("x")
    with pytest.raises(FileExistsError, match="is a file"):
        run_in(path).begin(overwrite=True)
