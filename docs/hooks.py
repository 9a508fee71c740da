"""The installed package for mkdocstrings: it reads sources from one tree, and ours lie in four folders of the checkout.

Owns    build/api/flashsale_env, a copy of the modules: those of the environment, with agents, encoders and
        experiments beside them as they are when installed. (Links would not do: griffe follows them back.)
"""

import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "build" / "api" / "flashsale_env"


def on_config(config: Any) -> Any:
    """Copy the modules before anything is read."""
    shutil.rmtree(PACKAGE, ignore_errors=True)
    homes = {ROOT / "flashsale_env": PACKAGE}
    homes |= {ROOT / name: PACKAGE / name for name in ("agents", "encoders", "experiments")}
    for home, target in homes.items():
        for path in home.rglob("*.py"):
            copy = target / path.relative_to(home)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    return config
