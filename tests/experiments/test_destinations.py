"""A study writes into `--out`, in place of what is shipped, or nowhere."""

import pytest

from flashsale_env.experiments.destinations import run_in
from flashsale_env.experiments.runs import LOCK, read_config


def run_of(out, shipped=None):
    return run_in(out, "flashsale study x", shipped=shipped, options={"size": 3}, seeds={"all": 0})


def test_a_folder_has_the_files_of_every_run(tmp_path):
    run = run_of(tmp_path / "out", shipped=tmp_path / "shipped")
    with run.claimed(overwrite=False):
        run.keep({"value": 1})
    assert read_config(tmp_path / "out")["options"] == {"size": 3}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"config.json", "manifest.txt", "result.json"}
    assert not (tmp_path / "shipped").exists()


def test_what_is_shipped_is_replaced_only_when_asked_for_and_one_process_at_a_time(tmp_path):
    (tmp_path / "card.json").write_text("shipped")
    run = run_of(None, shipped=tmp_path)
    with (
        pytest.raises(FileExistsError, match=r"--out DIR to write elsewhere, or --overwrite"),
        run.claimed(overwrite=False),
    ):
        pass
    with run.claimed(overwrite=True):
        assert (tmp_path / LOCK).exists()
        run.begin()
        assert (tmp_path / "card.json").read_text() == "shipped", "each file is replaced by its successor"
        run.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["card.json"]


def test_figures_that_are_only_printed_leave_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = run_of(None)
    with run.claimed(overwrite=False):
        run.keep({"value": 1})
    assert list(tmp_path.iterdir()) == []
