"""Versions of what figures depend on: the one record that cards, runs and trained policies carry."""

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
    """Python, machine and the installed ones among `DISTRIBUTIONS` and `more`; nothing is imported for it."""
    found = {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}
    for name in (*DISTRIBUTIONS, *more):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
