"""Everything that can be refused is refused before anything is written, in one line that names what the user typed."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

import flashsale_env as fs
from flashsale_env import agents
from flashsale_env.agents.devices import check_device
from flashsale_env.agents.sb3.on_policy import even_batch
from flashsale_env.experiments.dispatch import app
from flashsale_env.experiments.runs import Run
from flashsale_env.experiments.studies import STUDIES

ROOT = Path(__file__).parents[2]
COMMANDS = typer.main.get_command(app).commands
STUDY = COMMANDS["study"]
PARAMETERS = {name: command.params for name, command in COMMANDS.items() if name != "study"}
PARAMETERS |= {f"study {name}": STUDY.get_command(None, name).params for name in STUDIES}

SHOP = [str(ROOT / "README.md"), "--mapping", "{mapping}", "--text-column", "text", "--label-column", "tag"]
# A call of each command with a folder of results that is right up to `--out`, and takes long if it is not refused.
CALLS = {
    "demo": ["--config", "quick"],
    "plan": ["gvr-periodic", "fixed_price"],
    "ask": ["gvr-periodic", "--model", "nowhere"],
    "strategy": ["gvr-periodic"],
    "log": ["gvr-periodic", "--agent", "fixed_price"],
    "encode": [str(ROOT / "README.md"), "--text-column", "text"],
    "calibrate": ["nowhere.csv"],
    "train": ["gvr-periodic"],
    "benchmark": ["quick"],
    "bench": [],
    "study intent-encoder": [],
    "study populations": [],
    "study text-value": [],
    "study recovery": [],
    "study coverage": [],
    "study transfer": SHOP,
    "study sentiment": ["{reviews}", "--backbone", "tiny"],
    "study wider": [],
    "study reference-policy": [],
    "study levers": [],
    "study duopoly": [],
    "study fairness": [],
    "study privacy": [],
    "study push": [],
    "study ranking": [],
    "study retention": [],
    "study sessions": [],
    "study next-basket": ["--file", "{mapping}"],
    "study sim2real": [],
}


def options(wanted):
    return [(name, option) for name, params in PARAMETERS.items() for option in params if wanted(option)]


@pytest.fixture
def call(flashsale, tmp_path):
    """Call a command of `CALLS` with its files, which lie beside `tmp_path`."""
    files = tmp_path.parent / f"{tmp_path.name}-files"
    files.mkdir()
    (files / "mapping.toml").write_text('[labels]\nCOST = "bargain_hunting"\n')
    for name in ("neg.txt", "pos.txt"):
        (files / name).write_text(f"{name}\n")

    def words(command, *more):
        given = (word.format(mapping=files / "mapping.toml", reviews=files) for word in CALLS[command])
        return [*command.split(), *given, *more]

    return words


def refused(flashsale, tmp_path, *words):
    """The one line of a mistake, after which nothing is there that was not before."""
    before = sorted(tmp_path.rglob("*"))
    answer = flashsale(*words)
    assert answer.code == 2, answer
    assert answer.err.count("\n") == 1, answer.err
    assert answer.err.startswith("flashsale: ")
    assert "Traceback" not in answer.err
    assert sorted(tmp_path.rglob("*")) == before
    return answer.err


def test_every_command_that_writes_a_folder_is_tried_here():
    folders = options(lambda option: option.name == "out" and option.metavar == "DIR")
    assert {name for name, _ in folders} == set(CALLS)


@pytest.mark.parametrize("command", CALLS)
@pytest.mark.parametrize("place", ["file", "file/out", "/proc/nope"])
def test_a_folder_that_cannot_be_written_is_refused_at_once(flashsale, call, tmp_path, command, place):
    (tmp_path / "file").write_text("x")
    out = tmp_path / place
    said = refused(flashsale, tmp_path, *call(command, "--out", out))
    assert str(out) in said
    assert "is a file: --out wants a folder" in said or "nothing can be written there" in said


@pytest.mark.parametrize("command", CALLS)
def test_a_folder_without_the_right_to_write_is_refused_at_once(flashsale, call, tmp_path, command, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    said = refused(flashsale, tmp_path, *call(command, "--out", tmp_path / "out"))
    assert f"--out {tmp_path / 'out'}" in said
    assert "may not be written" in said


def test_every_number_on_the_command_line_has_bounds():
    """Or a check of its own; what is a share, a length or a number of weeks is checked by `Assumptions`."""
    numbers = options(lambda option: option.type_descriptor.annotation in (int, int | None, list[int] | None))
    assert len(numbers) > 15
    unbounded = [
        f"{name} --{option.name}"
        for name, option in numbers
        if option.min is None or (option.max is None and option.callback is None)
    ]
    assert not unbounded


def test_every_place_to_write_has_a_check():
    places = options(lambda option: option.name in ("out", "tensorboard", "cache"))
    assert all(option.callback is not None for _, option in places), places


def test_every_device_is_checked():
    assert all(option.callback is not None for _, option in options(lambda option: option.name == "device"))


BROKEN = """
[choice]
model = "mnl
"""
TRAIN = ["train", "gvr-periodic", "--out", "{out}"]
SIM2REAL = ["study", "sim2real", "--out", "{out}"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*TRAIN, "--seed", 4194304], "--seed must lie in 0..4194303, got 4194304"),
        ([*TRAIN, "--set", "learning_rate=-1"], "learning_rate must lie above 0.0, got -1"),
        ([*TRAIN, "--set", "clip_range=0"], "clip_range must lie above 0.0, got 0"),
        ([*TRAIN, "--set", "log_std=1000"], "log_std must lie in -20.0..2.0, got 1000"),
        ([*TRAIN, "--set", "num_envs=1000000000000"], "num_envs must lie in 1..1,048,576, got 1000000000000"),
        ([*TRAIN, "--set", "net_arch=[100000000]"], "net_arch must be one or more widths in 1..65536"),
        ([*TRAIN, "--agent", "sarsa", "--set", "num_envs=1000000000000"], "num_envs must lie in 1..1,048,576"),
        ([*TRAIN, "--sales", 10**30], "--sales"),
        (
            [*TRAIN, "--device", "gpu"],
            "--device must be auto, cpu or cuda, got 'gpu'; cuda:N is one of several",
        ),
        ([*TRAIN, "--device", "cuda:x"], "--device must be auto, cpu or cuda, got 'cuda:x'; cuda:N is one"),
        ([*TRAIN, "--device", "cuda:99"], "--device cuda:99: torch finds"),
        ([*TRAIN, "--tensorboard", "{file}"], "{file} is a file: --tensorboard wants a folder"),
        (["train", "{broken}", "--out", "{out}"], "{broken}"),
        (["evaluate", "random", "--scenario", "gvr-periodic", "--episodes", 100_000_000_000], "--episodes"),
        (["evaluate", "random", "--scenario", "gvr-periodic", "--device", "gpu"], "--device must be auto"),
        ([*SIM2REAL, "--scenario", "gvr-periodic"], "'ticket'"),
        ([*SIM2REAL, "--log-size", 10**12], "--log-size"),
        ([*SIM2REAL, "--log-size", 9000, "--log-size", 5000], "must rise"),
        ([*SIM2REAL, "--device", "gpu"], "--device must be auto"),
        (["explain", "hello", "--out", "{tmp}/none/x.html"], "--out {tmp}/none/x.html: there is no folder {tmp}/none"),
        (["explain", "hello", "--out", "{tmp}"], "{tmp} is a folder: --out wants a file"),
        (["explain", " "], "MESSAGE is empty"),
        (["explain", "hello", "--intent", "bulkk"], "unknown intent 'bulkk'. Did you mean 'bulk'"),
        (["serve", "default", "--mcp", "--port", 8080], "--port 8080 is for HTTP, and --mcp speaks over"),
        (["bench", "encoder", "served-customers"], "benchmark 'encoder' is measured on its own: leave out served-cust"),
        (["bench", "import", "device"], "benchmark 'device' is measured on its own: leave out import"),
        (["bench", "import", "--out", "{tmp}/mine", "--overwrite"], "was not written by `flashsale bench`"),
        (["bench", "--out", "{file}"], "{file} is a file: --out wants a folder"),
        (
            ["verify", "gvr-optimal", "--set", "n=1e9"],
            "n must be a whole number above 0 and at most 10,000, got 1000000",
        ),
        (["verify", "--sales", 10**12], "--sales"),
        (["encode", "{file}", "--text-column", "x", "--out", "{out}", "--cache", "{file}"], "--cache wants a folder"),
        (["encode", "{file}", "--text-column", "x", "--out", "{out}", "--mapping", "m.toml"], "--labels"),
        (["encode", "{file}", "--text-column", "x", "--out", "{out}"], "want a file whose name ends in .csv"),
        (["calibrate", "{file}", "--out", "{out}", "--ticks", 10**9], "--ticks"),
        (["calibrate", "{file}", "--out", "{out}", "--cost-share", 2], "cost_share must be between 0 and 1, got 2"),
        (["calibrate", "nowhere.csv", "--out", "{out}"], "nowhere.csv"),
        (["demo", "--config", "{demo}", "--out", "{out}"], "{demo}: seed must lie in 0..4194303, got 4194304"),
        (["benchmark", "{benchmark}", "--out", "{out}"], "training_seeds must lie in 0..4194303, got 4194304"),
        (["benchmark", "quick", "--out", "{out}", "--device", "gpu"], "--device must be auto"),
        (["report", "{tmp}/mine"], "holds neither a benchmark nor a training"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_a_mistake_is_refused_before_anything_is_written(flashsale, tmp_path, words, message):
    places = {name: tmp_path / name for name in ("out", "file", "broken", "demo", "benchmark")}
    places = {**places, "tmp": tmp_path, "broken": tmp_path / "broken.toml", "demo": tmp_path / "demo.toml"}
    places["benchmark"] = tmp_path / "benchmark.toml"
    places["file"].write_text("a\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("my project")
    places["broken"].write_text(BROKEN)
    shipped = ROOT / "experiments" / "configs"
    demo = (shipped / "quick.toml").read_text()
    places["demo"].write_text(
        "".join("seed = 4194304\n" if x.startswith("seed") else f"{x}\n" for x in demo.split("\n"))
    )
    quick = (shipped / "benchmarks" / "quick.toml").read_text().split("\n")
    places["benchmark"].write_text(
        "\n".join("training_seeds = [0, 4194304]" if line.startswith("training_seeds") else line for line in quick)
    )
    said = refused(flashsale, tmp_path, *(str(word).format(**places) for word in words))
    assert any(part.format(**places) in said for part in message.split("|")), said


def test_a_corrected_command_does_not_meet_an_unfinished_run(flashsale, tmp_path):
    words = ["train", "gvr-periodic", "--sales", 64, "--set", "validation_sales=8", "--set", "net_arch=[8]"]
    words += ["--out", tmp_path / "out"]
    refused(flashsale, tmp_path, *words, "--seed", 4194304)
    assert flashsale(*words, "--seed", 4194303).code == 0


def test_two_commands_in_one_folder(flashsale, call, tmp_path):
    """The second one is refused while the first runs, whatever it is, and `--overwrite` does not help."""
    run = Run(tmp_path / "out", "flashsale train standard", options={})
    with run.claimed(overwrite=False):
        run.begin()
        for command in ("train", "benchmark", "demo", "study wider"):
            said = refused(flashsale, tmp_path, *call(command, "--out", run.folder, "--overwrite"))
            assert f"{run.folder} is being written by process {os.getpid()} on" in said
            assert "(flashsale train standard)" in said


def test_a_disk_that_fills_up_is_told_in_one_line(flashsale, tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    said = refused(flashsale, tmp_path, "train", "gvr-periodic", "--sales", 64, "--out", tmp_path / "out")
    assert "out/manifest.txt: no space left on device: free some space, or write elsewhere" in said


def test_a_machine_without_enough_memory_is_told_in_one_line(flashsale, monkeypatch):
    def full(words, command):
        raise MemoryError("Unable to allocate 745. GiB for an array")

    monkeypatch.setattr("flashsale_env.experiments.dispatch.dispatch", full)
    said = flashsale("list")
    assert (said.code, said.err) == (
        2,
        "flashsale: this machine has too little memory: Unable to allocate 745. GiB for an array.\n",
    )


# ------------------------------------------------------------------------------------------------- the same in Python


@pytest.mark.parametrize("name", ["ppo", "sarsa", "fixed_price"])
@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:-1", "cuda:99", "CPU", 0])
def test_an_agent_is_made_on_no_device_that_is_not_there(name, device):
    with pytest.raises(ValueError, match=r"^device "):
        agents.make(name, "gvr-periodic", device=device)


def test_cuda_devices_are_counted(monkeypatch):
    cuda = SimpleNamespace(is_available=lambda: True, device_count=lambda: 2)
    monkeypatch.setattr("torch.cuda", cuda)
    for name in ("auto", "cpu", "cuda", "cuda:0", "cuda:1"):
        check_device(name)
    with pytest.raises(ValueError, match=r"--device cuda:2: torch finds cuda:0 to cuda:1 here"):
        check_device("cuda:2", "--device")
    cuda.is_available = lambda: False
    with pytest.raises(ValueError, match=r"device cuda: torch finds no CUDA device here; use auto or cpu"):
        check_device("cuda")


def test_a_learner_without_its_packages_names_the_extra():
    code = """
import sys

class Hidden:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden)
from flashsale_env import agents
try:
    agents.make("ppo", "gvr-periodic")
except ModuleNotFoundError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (
        done.stdout == "this needs the package 'torch', which is not installed: pip install 'flashsale-env[agents]'\n"
    )


@pytest.mark.parametrize("horizon", [48, 60, 50, 36, 90])
def test_mini_batches_of_an_own_scenario_leave_no_remainder(horizon):
    """Stable-Baselines3 warns of a truncated mini-batch where the rollout is no multiple of it."""
    for num_envs, most in ((1024, 15_360), (512, 7680), (1000, 15_360)):
        size = even_batch(horizon * num_envs, most)
        assert horizon * num_envs % size == 0
        assert most / 2 < size <= most


@pytest.mark.filterwarnings("error::UserWarning")
def test_a_sale_of_48_ticks_is_learned_without_a_warning():
    scenario = fs.load_scenario("gvr-periodic").replace(horizon_ticks=8, name="mine")
    agents.make("ppo", scenario, num_envs=48, sales=48, batch_size=300, validation_sales=8, net_arch=(8,)).learn()
