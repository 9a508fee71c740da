"""The installed package for mkdocstrings: it reads sources from one tree, and ours lie in four folders of the checkout.

Owns    build/api/flashsale_env, a copy of the modules: those of the environment, with agents, encoders and
        experiments beside them as they are when installed. (Links would not do: griffe follows them back.)
"""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "build" / "api" / "flashsale_env"


def on_startup(command: str, dirty: bool) -> None:
    """Copy the modules before a handler looks for them."""
    shutil.rmtree(PACKAGE, ignore_errors=True)
    homes = {ROOT / "flashsale_env": PACKAGE}
    homes |= {ROOT / name: PACKAGE / name for name in ("agents", "encoders", "experiments")}
    for home, target in homes.items():
        for path in home.rglob("*.py"):
            copy = target / path.relative_to(home)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
