"""What a user installs works outside the checkout and without the learning libraries."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from flashsale_env.tables import tomllib

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    source = tmp_path_factory.mktemp("source") / "tree"
    ignore = shutil.ignore_patterns(".git", ".venv", "runs", "__pycache__", "*.egg-info", ".*_cache", ".hypothesis")
    shutil.copytree(ROOT, source, ignore=ignore)
    target = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(target)]
    subprocess.run([*pip, str(source)], check=True, capture_output=True)
    return next(target.glob("*.whl"))


def test_every_folder_with_modules_is_packaged():
    """The top-level folders agents, encoders and experiments are installed as parts of flashsale_env."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {"flashsale_env": ROOT / "flashsale_env"}
    found |= {f"flashsale_env.{name}": ROOT / name for name in ("agents", "encoders", "experiments")}
    folders = {
        ".".join((name, *path.parent.relative_to(root).parts))
        for name, root in found.items()
        for path in root.rglob("*.py")
    }
    assert set(listed) == folders


def test_the_wheel_puts_nothing_beside_flashsale_env(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert "flashsale_env" in tops
    assert all(top == "flashsale_env" or top.endswith(".dist-info") for top in tops), tops


def test_a_foreign_package_called_agents_takes_nobodys_place(wheel, tmp_path):
    """`openai-agents` installs a top-level `agents`, and research folders have one; both and ours import together."""
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for name in ("agents", "encoders", "experiments"):
        (site / name).mkdir()
        (site / name / "__init__.py").write_text("theirs = True\n")
    code = """
import agents, encoders, experiments
from flashsale_env import agents as ours
import flashsale_env.encoders, flashsale_env.experiments
print(agents.theirs and encoders.theirs and experiments.theirs, ours.make("random", "gvr-periodic").name)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True", "random"]


def test_the_wheel_holds_data_types_and_licence(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "flashsale_env/py.typed",
        "flashsale_env/scenarios/standard.toml",
        "flashsale_env/data/default.toml",
        "flashsale_env/data/learned/tastes.safetensors",
        "flashsale_env/data/reference/card.json",
        "flashsale_env/encoders/data/default/head.safetensors",
        "flashsale_env/encoders/data/default/demand.safetensors",
        "flashsale_env/agents/tuned/standard.json",
    ):
        assert wanted in names, wanted
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.startswith("tests/") for name in names)


def test_an_environment_is_made_from_the_wheel_without_torch(wheel, tmp_path):
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    code = """
import sys
for name in ("torch", "transformers", "stable_baselines3", "pandas", "matplotlib", "typer"):
    sys.modules[name] = None  # an import of it fails, as in a bare install
import gymnasium as gym
env = gym.make("flashsale_env:FlashSale/Standard-v1")
observation, info = env.reset(seed=0)
observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
import flashsale_env
print(flashsale_env.__file__, info["metrics/customers"] > 0)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(site))
    assert done.stdout.strip().endswith("True")


def test_a_bare_install_of_the_command_line_names_the_missing_extra(wheel, tmp_path):
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    code = """
import sys
for name in ("torch", "transformers", "stable_baselines3", "pandas", "matplotlib", "typer", "rich", "optuna"):
    sys.modules[name] = None
sys.argv = ["flashsale", "list"]
from flashsale_env.experiments.cli import main
sys.exit(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert "flashsale-env[experiments]" in done.stderr
    assert "Traceback" not in done.stderr
