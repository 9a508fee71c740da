"""Versions of the software behind a figure: the record in every card, run and trained policy."""

import platform
from importlib import metadata

DISTRIBUTIONS = (
    "flashsale-env",
    "numpy",
    "scipy",
    "pandas",
    "numba",
    "gymnasium",
    "torch",
    "stable-baselines3",
    "sb3-contrib",
    "transformers",
    "peft",
    "scikit-learn",
)


def versions(*more: str) -> dict[str, str]:
    """Name -> version of Python, the machine, and the installed ones of `DISTRIBUTIONS` and `more`; imports nothing."""
    found = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    for name in (*DISTRIBUTIONS, *more):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
