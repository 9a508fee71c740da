"""The tree and the import rules of the design."""

import ast
import subprocess
import sys
from collections import Counter
from graphlib import CycleError, TopologicalSorter
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
HEAVY = {
    "torch",
    "transformers",
    "stable_baselines3",
    "peft",
    "sklearn",
    "pandas",
    "matplotlib",
    "optuna",
    "typer",
    "openai",
    "mcp",
}


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


def modules() -> dict[str, Path]:
    """Installed dotted name -> file."""
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            parts = parts if package == "flashsale_env" else ("flashsale_env", *parts)
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imports_of(path: Path, known: dict[str, Path]) -> set[str]:
    """Our modules that a file imports, wherever in the file: at its top, in a function, or for types only."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.relative_to(ROOT)}: absolute imports only"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else str(node.module))
    return {name for name in found if name in known and known[name] != path}


def test_no_files_import_each_other_in_a_circle():
    known = modules()
    try:
        TopologicalSorter({name: imports_of(path, known) for name, path in known.items()}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_is_longer_than_500_lines(package):
    for path in (ROOT / package).rglob("*.py"):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= 500, f"{path.relative_to(ROOT)} has {lines} lines: split it by what it owns"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_prefix_of_a_file_name_does_the_work_of_a_folder(package):
    for folder in {path.parent for path in (ROOT / package).rglob("*.py")}:
        prefixes = Counter(path.stem.partition("_")[0] for path in folder.glob("[!_]*.py"))
        for prefix, number in prefixes.items():
            assert number < 3, f"{number} files of {folder.relative_to(ROOT)} begin with {prefix}: make it a folder"


def test_no_function_of_a_command_is_longer_than_60_lines():
    files = [path for room in ("commands", "studies") for path in (ROOT / "experiments" / room).glob("*.py")]
    assert len(files) > 10
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                lines = node.end_lineno - node.lineno + 1
                assert lines <= 60, f"{path.relative_to(ROOT)}: {node.name} has {lines} lines"


# What is composed from the list of mechanisms, so that a new one changes nothing here.
COMPOSED = (
    *("core/records.py", "core/levels.py", "sale/composition.py", "sale/instance.py", "sale/kernel.py"),
    *("spaces/decisions.py", "spaces/observations.py", "spaces/masks.py", "envs/infos.py", "views/scene.py"),
    *("spaces/levers.py", "views/report.py", "envs/text.py"),
)


@pytest.mark.parametrize("name", COMPOSED)
def test_what_is_composed_of_the_mechanisms_imports_none_of_them(name):
    """Of the folder `market` only the form; and no optional mechanism's record is read by its name."""
    tree = ast.parse((ROOT / "flashsale_env" / name).read_text(encoding="utf-8"))
    form = {"flashsale_env.market.mechanism", "flashsale_env.market.parts"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("flashsale_env.market"):
            assert node.module in form, f"{name} imports {node.module}"


def test_a_mechanism_of_the_market_is_a_field_of_the_scenario_and_nothing_is_listed_twice():
    from flashsale_env import MECHANISMS

    files = {path.stem for path in (ROOT / "flashsale_env" / "market").glob("[!_]*.py")} - {"mechanism", "parts"}
    assert {entry.mechanism.settings.__module__.rpartition(".")[2] for entry in MECHANISMS.values()} == files


def test_the_environment_uses_no_learning_library():
    for path in (ROOT / "flashsale_env").rglob("*.py"):
        assert not imported_packages(path) & HEAVY, path


def test_importing_the_environment_loads_no_torch():
    code = "import sys, flashsale_env; print(sorted({'torch', 'transformers', 'stable_baselines3'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_top_level_is_the_documented_one():
    wanted = {"pyproject.toml", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff", "Makefile", "LICENSE"}
    assert wanted | set(PACKAGES) | {"constraints.txt", "docs", "tests"} <= {path.name for path in ROOT.iterdir()}


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
