"""The throughput benchmarks and their order: `flashsale bench`.

Owns    the table of benchmarks, and running a selection of them.
Leaves  measuring to the other files of this folder, the page to `page`.
Units   rates are per second of wall time, or per CPU-second of the process (all its threads) where the unit says so.

A new benchmark is one function and one line in `BENCHMARKS`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from flashsale_env.errors import unknown_name
from flashsale_env.experiments.bench.environments import PEERS, peers, single_environment
from flashsale_env.experiments.bench.learning import rollout_loop, training, training_share
from flashsale_env.experiments.bench.measuring import FULL, QUICK, Progress, Row, Session, Sizes
from flashsale_env.experiments.bench.processes import compiling, importing, memory
from flashsale_env.experiments.bench.simulator import sale_ticks, served_customers, whole_sale
from flashsale_env.versions import versions

COMMAND = "flashsale bench --out benchmarks --overwrite"
# Each runs on its own, and returns its figures for (repeats, progress).
ENCODER, DEVICE, SERVICE = ALONE = ("encoder", "device", "serve")

BENCHMARKS: dict[str, Callable[[Sizes, int], list[Row]]] = {
    "served-customers": served_customers,
    "sale-ticks": sale_ticks,
    "whole-sale": whole_sale,
    "single-environment": single_environment,
    "rollout-loop": rollout_loop,
    "training-share": training_share,
    "training": training,
    "import": importing,
    "compile": compiling,
    "memory": memory,
    "peers": peers,
}


def check_names(names: Sequence[str]) -> None:
    """Refuse what cannot be measured in one run.

    Raises:
        ValueError: an unknown name, or a benchmark that runs on its own named together with others.
    """
    for name in names:
        if name not in (*BENCHMARKS, *ALONE):
            raise ValueError(unknown_name("benchmark", name, [*BENCHMARKS, *ALONE]))
    for name in ALONE:
        if name in names and list(names) != [name]:
            others = ", ".join(other for other in names if other != name) or name
            raise ValueError(f"benchmark {name!r} is measured on its own: leave out {others}, or run them one by one.")


def run_bench(
    select: Sequence[str] | None = None,
    repeats: int = 5,
    progress: Progress | None = None,
    *,
    quick: bool = False,
) -> dict[str, Any]:
    """Run benchmarks and return what they measured, ready for JSON.

    Args:
        select: names in `BENCHMARKS`; all by default.
        repeats: measurements of which a figure is the median.
        progress: called before each benchmark with the number done, the number in all, and its name.
        quick: sizes too small to mean anything; targets are then not judged.

    Returns:
        As `measuring.Session.result`.

    Raises:
        ValueError: an unknown name, or repeats below 1.
    """
    names = list(BENCHMARKS) if select is None else list(select)
    check_names(names)
    session = Session(COMMAND, quick=quick, repeats=repeats)
    for done, name in enumerate(names):
        if progress is not None:
            progress(done, len(names), name)
        session.add(name, BENCHMARKS[name](QUICK if quick else FULL, repeats))
    return session.result(versions("llvmlite", *dict.fromkeys(peer.distribution for peer in PEERS)))
