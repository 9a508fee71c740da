"""The tree and the import rules of the design."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("flashsale_env", "agents", "encoders", "experiments")
MAY_IMPORT = {
    "flashsale_env": set(),
    "agents": {"flashsale_env"},
    "encoders": {"flashsale_env"},
    "experiments": {"agents", "encoders", "flashsale_env"},
}
HEAVY = {"torch", "transformers", "stable_baselines3", "peft", "sklearn", "pandas", "matplotlib", "optuna", "typer"}


def imported_packages(path: Path) -> set[str]:
    """Top-level names, and which of our folders: `flashsale_env.agents.play` is the folder "agents"."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {folder_of(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {folder_of(f"{node.module}.{alias.name}") for alias in node.names}
    return found


def folder_of(module: str) -> str:
    top, _, rest = module.partition(".")
    inside = rest.partition(".")[0]
    return inside if top == "flashsale_env" and inside in PACKAGES else top


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_imports_only_what_lies_below_it(package):
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        others = imported_packages(path) & (set(PACKAGES) - {package})
        assert others <= MAY_IMPORT[package], f"{path.relative_to(ROOT)} imports {others - MAY_IMPORT[package]}"


def test_the_environment_uses_no_learning_library():
    for path in (ROOT / "flashsale_env").rglob("*.py"):
        assert not imported_packages(path) & HEAVY, path


def test_importing_the_environment_loads_no_torch():
    code = "import sys, flashsale_env; print(sorted({'torch', 'transformers', 'stable_baselines3'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_top_level_is_the_documented_one():
    wanted = {"pyproject.toml", "README.md", "CHANGELOG.md", "Makefile", "LICENSE", "constraints.txt"}
    assert wanted | set(PACKAGES) | {"tests"} <= {path.name for path in ROOT.iterdir()}


def test_no_module_draws_from_a_global_generator():
    """numpy's and random's module-level functions are state that a user's code could disturb, or be disturbed by."""
    # Reading and putting back the state is how a library that draws from it is kept from leaving a trace.
    allowed = {"default_rng", "Generator", "SeedSequence", "Philox", "SFC64"}
    allowed |= {"get_state", "set_state", "getstate", "setstate"}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and ast.unparse(node.value) in (
                    "np.random",
                    "numpy.random",
                    "random",
                ):
                    assert node.attr in allowed, f"{path.relative_to(ROOT)} uses {ast.unparse(node)}"
