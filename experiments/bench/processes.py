"""Start-up and memory, each measured in a process of its own."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import flashsale_env
from flashsale_env.experiments.bench.measuring import Row, Sizes, make_row

_IMPORT = """
import time; begin = time.perf_counter()
import flashsale_env
print(time.perf_counter() - begin)
"""

_FIRST_STEP = """
import time; begin = time.perf_counter()
import gymnasium as gym, flashsale_env as fs
env = gym.make(fs.environment_id({scenario!r}))
env.reset(seed=0)
env.step(env.action_space.sample())
print(time.perf_counter() - begin)
"""

_MEMORY = """
import os, numpy as np, flashsale_env as fs

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def play(sales):
    simulator = fs.Simulator("standard", sales=sales)
    simulator.open(np.arange(sales, dtype=np.uint64), np.zeros(sales, np.int64))
    actions = np.zeros((sales, len(simulator.codec.names)), np.float32)
    most = 0
    for _ in range(simulator.scenario.horizon_ticks):
        shown = simulator.advance(actions)
        most = max(most, resident())
    return most

play(1)
base = resident()
print(play({sales}) - base)
"""


def in_fresh_process(code: str, **environment: str) -> tuple[float, str]:
    """Run code in a new process; the number that it prints, and its standard error.

    Args:
        code: Python that prints one number.
        environment: variables beside those of this process.

    Raises:
        RuntimeError: the process failed; the message has its last line.
    """
    root = Path(flashsale_env.__file__).parent.parent
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"a process of the benchmark failed: {done.stderr.strip().splitlines()[-1:]}")
    return float(done.stdout), done.stderr


def measures_memory() -> bool:
    """Whether this system has the /proc from which resident memory is read."""
    return Path("/proc/self/statm").exists()


def importing(sizes: Sizes, repeats: int) -> list[Row]:
    """Seconds of `import flashsale_env` in a new process."""
    in_fresh_process(_IMPORT)
    seconds = [in_fresh_process(_IMPORT)[0] for _ in range(repeats)]
    return [make_row("import flashsale_env", seconds, "s", at_most=1.0, notes="new process, files in the disk cache")]


def compiling(sizes: Sizes, repeats: int) -> list[Row]:
    """Seconds from the start of a process to the first step, with an empty and with a filled cache of machine code."""
    code = _FIRST_STEP.format(scenario=sizes.compile_scenario)
    with tempfile.TemporaryDirectory() as folder:
        first, notice = in_fresh_process(code, NUMBA_CACHE_DIR=folder)
        later = [in_fresh_process(code, NUMBA_CACHE_DIR=folder) for _ in range(repeats)]
    announced = "announced" if "compiling the simulator" in notice else "NOT announced"
    again = sum(bool(text) for _, text in later)
    return [
        make_row(
            f"first process, {sizes.compile_scenario}",
            [first],
            "s",
            at_most=30.0,
            notes=f"import, compile (measured once, {announced} on standard error), make, reset, step",
        ),
        make_row(
            f"later process, {sizes.compile_scenario}",
            [seconds for seconds, _ in later],
            "s",
            at_most=2.0,
            notes=f"import, load from the cache, make, reset, step; {again} of {len(later)} compiled again",
        ),
    ]


def memory(sizes: Sizes, repeats: int) -> list[Row]:
    """Resident memory of many `standard` sales beyond that of a process that has played one."""
    name, unit = f"memory of {sizes.memory_sales:,} sales, standard", "MB"
    if not measures_memory():
        return [Row(name, None, unit, notes="not measured: this system has no /proc")]
    code = _MEMORY.format(sales=sizes.memory_sales)
    peaks = [in_fresh_process(code)[0] / 1e6 for _ in range(repeats)]
    notes = "largest over the ticks of a whole sale, actions and results included"
    return [make_row(name, peaks, unit, at_most=200.0, notes=notes)]
