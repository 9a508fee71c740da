"""Whose folder `--out` is: results are kept unless their replacement was asked for, and nothing foreign is touched."""

import ast
import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flashsale_env import files
from flashsale_env.experiments.runs import (
    CONFIG,
    LOCK,
    MANIFEST,
    FolderInUse,
    Manifest,
    Run,
    announce_part,
    check_folder,
    held,
    held_as_part,
    read_config,
)
from flashsale_env.files import write_atomically

ROOT = Path(__file__).parents[2]


def run_in(folder, **options):
    return Run(folder, "flashsale test", options=options, seeds={"a": 0})


def finished(folder, *names):
    """The folder of a run that has written these files."""
    run = run_in(folder)
    with run.claimed(overwrite=False):
        run.begin()
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / name, b"result")
        run.finish()
    return run


def again(run):
    with run.claimed(overwrite=True):
        run.begin()


def content(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def test_a_new_folder_is_made_and_says_how_it_was_made(tmp_path):
    run = run_in(tmp_path / "a" / "b", size=3)
    with run.claimed(overwrite=False):
        run.begin()
        begun = read_config(run.folder)
        run.finish()
    assert begun["command"] == "flashsale test"
    assert begun["options"] == {"size": 3}
    assert begun["seeds"] == {"a": 0}
    assert {"python", "numpy", "numba", "flashsale-env"} <= begun["versions"].keys()
    assert begun["finished"] is None
    done = read_config(run.folder)
    assert done["started"] == begun["started"]
    assert done["finished"] is not None
    assert content(run.folder) == [CONFIG, MANIFEST]


def test_results_are_never_replaced_unasked(tmp_path):
    run = finished(tmp_path / "out", "result.json", "policy/policy.zip")
    with pytest.raises(FileExistsError, match=r"already holds something.*--overwrite"), run.claimed(overwrite=False):
        pass
    assert (run.folder / "policy" / "policy.zip").exists()
    again(run)
    assert content(run.folder) == [CONFIG, MANIFEST]
    assert not (run.folder / "policy").exists()


def test_what_no_run_has_written_survives_and_is_named(tmp_path, capsys):
    """A thesis beside the results, also in a folder of the run and under the name of an old temporary file."""
    run = finished(tmp_path / "out", "result.json", "policy/policy.zip")
    kept = ["thesis.tex", "policy/notes.md", "policy/.policy.zip.swp", "figures/a.png"]
    for name in kept:
        (run.folder / name).parent.mkdir(exist_ok=True)
        (run.folder / name).write_text("years of work")
    left_by_a_kill = run.folder / "policy" / ".policy.zip.ab12cd34.part"
    left_by_a_kill.write_text("half")
    again(run)
    assert content(run.folder) == sorted([*kept, CONFIG, MANIFEST])
    assert all((run.folder / name).read_text() == "years of work" for name in kept)
    said = " ".join(capsys.readouterr().err.split())
    assert "holds files that no run has written; they stay: figures/a.png, policy/.policy.zip.swp" in said


def test_three_common_keys_do_not_make_a_folder_that_of_a_run(tmp_path):
    """`config.json` of other tools has commands, options and versions too; without our manifest it is not ours."""
    (tmp_path / "thesis.tex").write_text("years of work")
    (tmp_path / CONFIG).write_text(json.dumps({"command": "x", "options": {}, "versions": {}}))
    with (
        pytest.raises(FileExistsError, match=r"no manifest.txt of an earlier run"),
        run_in(tmp_path).claimed(overwrite=True),
    ):
        pass
    (tmp_path / MANIFEST).write_text("thesis.tex\n")  # a manifest, but not ours
    with (
        pytest.raises(FileExistsError, match=r"no manifest.txt of an earlier run"),
        run_in(tmp_path).claimed(overwrite=True),
    ):
        pass
    assert content(tmp_path) == [CONFIG, MANIFEST, "thesis.tex"]
    assert read_config(tmp_path) is None


def test_a_foreign_file_is_not_written_over(tmp_path):
    run = run_in(tmp_path / "out")
    with run.claimed(overwrite=False):
        run.begin()
        (run.folder / "result.json").write_text("mine")
        with pytest.raises(FileExistsError, match=r"result.json was not written by this run .* move it away"):
            write_atomically(run.folder / "result.json", b"ours")
        write_atomically(run.folder / "other.json", b"1")
        write_atomically(run.folder / "other.json", b"2")
    assert (run.folder / "result.json").read_text() == "mine"


def test_overwrite_does_not_remove_what_the_run_reads(tmp_path):
    first = finished(tmp_path / "out", "population/card.json")
    population = first.folder / "population"
    second = Run(first.folder, "flashsale train", options={}, inputs=(population,))
    with pytest.raises(ValueError, match="which this run reads"), second.claimed(overwrite=True):
        pass
    inside = Run(population / "out", "flashsale train", options={}, inputs=(population,))
    with (
        pytest.raises(ValueError, match=r"lies inside .*population, which this run reads"),
        inside.claimed(overwrite=False),
    ):
        pass
    assert content(population) == ["card.json"]


def test_overwrite_removes_a_link_and_not_what_it_points_to(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "policy.zip").write_text("x")
    run = finished(tmp_path / "out", "link", "policy/policy.zip")
    (run.folder / "link").unlink()
    (run.folder / "link").symlink_to(elsewhere)
    (run.folder / "policy" / "policy.zip").unlink()
    (run.folder / "policy").rmdir()
    (run.folder / "policy").symlink_to(elsewhere)
    again(run)
    assert (elsewhere / "policy.zip").exists()
    assert not (run.folder / "link").is_symlink()


@pytest.mark.parametrize("folder", ["file", "file/out", "file/a/b"])
def test_a_file_is_no_folder_for_results(tmp_path, folder):
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(FileExistsError, match="is a file: --out wants a folder"),
        run_in(tmp_path / folder).claimed(overwrite=True),
    ):
        pass


def test_a_folder_that_cannot_be_made_is_refused_by_name():
    with (
        pytest.raises(OSError, match="nothing can be written there") as refused,
        run_in(Path("/proc/nope/x")).claimed(overwrite=False),
    ):
        pass
    assert refused.value.filename == "/proc/nope/x"


def test_a_folder_that_may_not_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the tests may run as root, who may write anything
    with pytest.raises(PermissionError, match=r"--cache .*may not be written"):
        check_folder(tmp_path / "new", "--cache")


def test_a_claim_that_ends_before_the_run_begins_leaves_no_folder_behind(tmp_path):
    (tmp_path / "there").mkdir()
    for folder in (tmp_path / "a" / "b" / "c", tmp_path / "there" / "new"):
        with pytest.raises(ZeroDivisionError), run_in(folder).claimed(overwrite=False):
            1 / 0  # noqa: B018
    assert content(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_nothing_is_written_in_a_claimed_folder_before_the_run_begins(tmp_path):
    run = run_in(tmp_path / "out")
    with run.claimed(overwrite=False), pytest.raises(FileNotFoundError, match=r"has no manifest.txt of a run"):
        write_atomically(run.folder / "early", b"")
    with pytest.raises(RuntimeError, match="is not claimed"):
        run.begin()


def test_a_second_process_is_refused_by_the_name_of_the_first(tmp_path):
    run = run_in(tmp_path / "out")
    with run.claimed(overwrite=False):
        run.begin()
        for overwrite in (False, True):
            with pytest.raises((FolderInUse, FileExistsError)) as refused, run.claimed(overwrite=overwrite):
                pass
        assert refused.type is FolderInUse
        for word in (str(run.folder), f"process {os.getpid()} on", "(flashsale test)", "choose another --out"):
            assert word in str(refused.value)
        assert "\n" not in str(refused.value)
    again(run)


HOLDER = """
import sys, time
from pathlib import Path
from flashsale_env.experiments.runs import Run
from flashsale_env.files import write_atomically
run = Run(Path(sys.argv[1]), "flashsale train elsewhere", options={})
with run.claimed(overwrite=False):
    run.begin()
    for i in range(10**9):
        write_atomically(run.folder / f"checkpoint-{i}", b"x" * 1000)
        if i == 3:
            print("ready", flush=True)
"""


def test_kill_9_releases_the_lock_and_leaves_no_file_that_the_manifest_does_not_name(tmp_path):
    folder = tmp_path / "out"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "ready\n"
        refused = pytest.raises(FolderInUse, match=rf"process {holder.pid} on .*flashsale train elsewhere")
        with refused, run_in(folder).claimed(overwrite=True):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    assert (folder / LOCK).exists()
    written = [name for name in content(folder) if not name.endswith(".part")]
    assert set(written) - {LOCK, MANIFEST} <= set(Manifest(folder).names)
    again(run_in(folder))
    assert content(folder) == [CONFIG, MANIFEST]


def test_an_entry_that_was_not_finished_is_none(tmp_path):
    """A crash in the middle of an entry: its file was not begun, and the name may be the beginning of another."""
    run = finished(tmp_path / "out", "a")
    with (run.folder / MANIFEST).open("a") as file:
        file.write("thesis")
    (run.folder / "thesis").write_text("years of work")
    again(run)
    assert content(run.folder) == [CONFIG, MANIFEST, "thesis"]


def test_a_folder_that_another_process_writes_has_a_manifest_of_its_own(tmp_path):
    """As a unit of a benchmark: its manifest stands in the outer one, and both are emptied together."""
    run = run_in(tmp_path / "out")
    part = run.folder / "problem" / "run-0"
    with run.claimed(overwrite=False):
        run.begin()
        announce_part(part)
        code = (
            "import sys; from pathlib import Path; from flashsale_env.files import write_atomically;"
            "from flashsale_env.experiments.runs import held_as_part\n"
            "with held_as_part(Path(sys.argv[1]), 'worker'): write_atomically(Path(sys.argv[1]) / 'figures.json', b'1')"
        )
        subprocess.run([sys.executable, "-c", code, str(part)], cwd=ROOT, check=True)
        with held_as_part(part, "this process"):
            write_atomically(part / "more.json", b"2")
    (part / "mine").write_text("x")
    assert Manifest(run.folder).names == [CONFIG, f"problem/run-0/{MANIFEST}"]
    assert Manifest(part).names == ["figures.json", "more.json"]
    again(run)
    assert content(run.folder) == [CONFIG, MANIFEST, "problem/run-0/mine"]


def test_a_full_disk_is_told_with_the_path_and_a_remedy(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device: free some space, or write elsewhere") as refused:
        write_atomically(tmp_path / "result.json", b"x")
    assert refused.value.filename == str(tmp_path / "result.json")
    assert refused.value.errno == errno.ENOSPC
    assert content(tmp_path) == []


# Calls that write a file in another way, and where that is meant.
ELSEWHERE = {
    "flashsale_env/files.py": "the one that writes",
    "flashsale_env/core/compiler.py": "the lock of a compilation, beside numba's cache",
    "experiments/runs.py": "the manifest's entries and the lock",
    "agents/language/journal.py": "a line at a time, in a file that it has told the manifest of",
    "experiments/bench/service.py": "what the service says, in a temporary folder",
    "encoders/text/multilingual.py": "a folder of its own that it removes",
}
WRITES = {"write_text", "write_bytes", "savez", "savefig", "to_csv", "save_file", "save_pretrained", "copytree"}


def test_every_file_is_written_by_the_function_that_the_manifest_listens_to():
    """Otherwise a file of a run would be missing in its manifest; `open` for reading, and buffers, are no files."""
    others = []
    for folder in ("flashsale_env", "agents", "encoders", "experiments"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if name in ELSEWHERE:
                continue
            for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(call, ast.Call):
                    continue
                called = getattr(call.func, "attr", getattr(call.func, "id", ""))
                given = (*call.args, *(keyword.value for keyword in call.keywords))
                words = [a.value for a in given if isinstance(a, ast.Constant) and isinstance(a.value, str)]
                opens = called in ("open", "fdopen") and any(word.strip("bt+") in ("w", "a", "x") for word in words)
                to_file = called in WRITES and not (called in ("savefig", "to_csv") and _is_buffer(call))
                if opens or to_file:
                    others.append(f"{name}:{call.lineno}: {called}")
    assert not others
    assert all((ROOT / name).is_file() for name in ELSEWHERE)


def _is_buffer(call):
    """`to_csv(index=False)` returns a text; `savefig(buffer, ...)` fills a buffer."""
    return all(isinstance(a, ast.Name) and a.id == "buffer" for a in call.args)


def test_a_recorder_of_an_inner_folder_comes_first(tmp_path):
    told = []
    (tmp_path / "in").mkdir()
    with files.recorded(tmp_path, lambda path: bool(told.append(("outer", path.name))) or True):
        with files.recorded(tmp_path / "in", lambda path: bool(told.append(("inner", path.name))) or path.name == "a"):
            write_atomically(tmp_path / "in" / "a", b"")
            write_atomically(tmp_path / "in" / "b", b"")
            write_atomically(tmp_path / "c", b"")
        write_atomically(tmp_path / "in" / "d", b"")
    assert told == [("inner", "a"), ("inner", "b"), ("outer", "b"), ("outer", "c"), ("outer", "d")]


def test_a_page_is_added_to_the_folder_of_a_run_and_belongs_to_it(tmp_path):
    run = finished(tmp_path / "out")
    with held(run.folder, "flashsale report"):
        write_atomically(run.folder / "report.html", b"page")
    assert "report.html" in Manifest(run.folder).names
