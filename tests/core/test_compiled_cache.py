"""The disk cache of the compiled core: fast for unedited sources, never stale, never an obstacle."""

import ast
import gc
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numba
import numpy as np
import pytest

from flashsale_env import SCENARIOS, Simulator
from flashsale_env.core import compiler
from flashsale_env.sale import kernel

PACKAGE = Path(__file__).parent.parent.parent / "flashsale_env"
CORE_FILES = sorted(
    path.relative_to(PACKAGE).as_posix() for folder in compiler.COMPILED for path in (PACKAGE / folder).glob("*.py")
)
PLAY = """
import numpy as np
from flashsale_env import Simulator

def play():
    s = Simulator("gvr-periodic", sales=4, actions="multidiscrete")
    s.open(np.arange(4, dtype=np.uint64), np.zeros(4, np.int64))
    for _ in range(10):
        s.advance(np.full((4, 1), 8))
    return f"{s.sales['money'][:, 0].tolist()} {s.sales['tick'].tolist()}"
"""
ONCE = PLAY + "print(play())"
BY_FOUR_THREADS = (
    PLAY
    + """
import threading
start, said = threading.Barrier(4), []

def first_call():
    start.wait()
    said.append(play())

threads = [threading.Thread(target=first_call) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(*said, sep="\\n")
"""
)
# The smallest entry point, for tests that only need some compiled and cached function.
MEASURE = "import sys; from flashsale_env import Simulator; print(Simulator(sys.argv[1]).measure().shape)"
NOTICE = "compiling the simulator"
COMPILERS = {"scalar", "inlined", "nan_aware_scalar", "entry_point"}
pytestmark = pytest.mark.skipif(compiler.JIT_DISABLED, reason="nothing is compiled")


def command(site: Path, code: str, *arguments: str, **environment: str) -> dict:
    """Arguments of `subprocess` to run code with the package of a site folder."""
    env = {**os.environ, "PYTHONPATH": str(site), **environment}
    return {"args": [sys.executable, "-c", code, *arguments], "cwd": site.parent, "env": env, "text": True}


def run(site: Path, code: str = ONCE, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    done = subprocess.run(**command(site, code, *arguments, **environment), capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


def copy_of(site: Path, target: Path, *ignored: str) -> Path:
    shutil.copytree(site / "flashsale_env", target / "flashsale_env", ignore=shutil.ignore_patterns(*ignored))
    return target


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A copy of the package, played once by four threads at the same time, and their output."""
    site = copy_of(PACKAGE.parent, tmp_path_factory.mktemp("compiled") / "site", "__pycache__")
    return site, run(site, BY_FOUR_THREADS)


@pytest.fixture
def warm(compiled, tmp_path):
    """A copy of the package with its machine code."""
    return copy_of(compiled[0], tmp_path / "site")


@pytest.fixture
def cold(compiled, tmp_path):
    """A copy of the package without machine code."""
    return copy_of(compiled[0], tmp_path / "site", "__pycache__")


def test_the_core_is_compiled_once_for_all_encodings_and_for_arrays_that_are_read_only():
    def play(encoding, action, dtype, read_only):
        simulator = Simulator("gvr-periodic", sales=3, actions=encoding)
        seeds, episodes, rows = np.arange(3, dtype=np.uint64), np.zeros(3, np.int64), np.arange(3)
        actions = np.full((3, *simulator.codec.space.shape), action, dtype)
        for array in (seeds, episodes, rows, actions):
            array.flags.writeable = not read_only
        simulator.open(seeds, episodes, rows)
        simulator.advance(actions)

    play("box", 0.5, np.float64, False)
    before = [len(function.signatures) for function in (kernel.open_sales, kernel.advance)]
    for encoding, action, dtype in (
        ("box", 0.5, np.float32),
        ("multidiscrete", 1, np.int64),
        ("discrete", 1, np.int32),
    ):
        for read_only in (False, True):
            play(encoding, action, dtype, read_only)
    assert [len(function.signatures) for function in (kernel.open_sales, kernel.advance)] == before


def test_a_callee_is_machine_code_as_a_part_of_its_callers_only():
    double = compiler.scalar(lambda x: 2 * x)
    quadruple = numba.njit(lambda x: double(double(x)))
    assert quadruple(3) == 12
    pointers = []
    for function in (double, quadruple):
        (compiled,) = function.overloads.values()
        pointers.append(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))
    assert pointers[0] == 0 != pointers[1]
    with pytest.raises(TypeError, match="compiled for callers in the core"):
        double(3)


@pytest.mark.parametrize("enabled", [True, False])
def test_a_compilation_leaves_garbage_collection_as_it_was(enabled):
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with pytest.raises(numba.errors.TypingError):
            kernel.measure.compile((numba.int64, numba.int64, numba.int64))
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()


def test_a_second_process_compiles_nothing(compiled):
    site, first = compiled
    assert first.stderr.count(NOTICE) == 1, "one notice, at the first compilation"
    second = run(site)
    assert second.stdout.splitlines() == first.stdout.splitlines()[:1]
    assert second.stderr == ""


def test_threads_that_need_the_same_fresh_shape_at_once_all_get_it(compiled):
    site, first = compiled
    assert first.stdout == 4 * run(site).stdout


def test_an_edit_in_a_callee_takes_effect_in_the_next_process(warm):
    callee = warm / "flashsale_env" / "market" / "choice.py"
    source = callee.read_text()
    assert "surplus > best_on_hand" in source
    callee.write_text(source.replace("surplus > best_on_hand", "surplus > best_on_hand + 1e9"))
    assert run(warm).stdout.startswith("[0.0, 0.0, 0.0, 0.0]"), "no customer buys after this edit"


def loaded(site: Path):
    """The compiler of this copy, as a new process loads it."""
    spec = importlib.util.spec_from_file_location("compiler_of_a_copy", site / "flashsale_env" / "core" / "compiler.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fingerprint(site: Path) -> str:
    return loaded(site).core_fingerprint()


def test_loaded_again_it_replaces_what_it_put_into_numba_and_does_not_wrap_it():
    """After some hundred loads in one process, compilation ended in a RecursionError."""
    for _ in range(2):
        loaded(PACKAGE.parent)
        written = numba.types.Record.__repr__
        assert hasattr(written, "cache_info")
        assert not hasattr(written.anew, "cache_info")


def test_an_edit_in_any_file_of_the_core_is_seen(cold):
    before = fingerprint(cold)
    for name in CORE_FILES:
        path = cold / "flashsale_env" / name
        source = path.read_bytes()
        path.write_bytes(source + b"# an edit\n")
        assert fingerprint(cold) != before, name
        path.write_bytes(source)
        shutil.copy(path, path.with_name("new.py"))
        assert fingerprint(cold) != before, f"a new file beside {name}"
        path.with_name("new.py").unlink()
        assert fingerprint(cold) == before


def test_an_edit_without_effect_is_recompiled_and_plays_the_same(warm):
    with (warm / "flashsale_env" / "market" / "metrics.py").open("a") as file:
        file.write("# an edit\n")
    edited = run(warm, MEASURE, "gvr-periodic")
    assert edited.stderr.count(NOTICE) == 1
    assert run(warm, MEASURE, "gvr-periodic").stderr == ""


def test_the_fingerprint_covers_all_sources_of_the_core():
    """Compiled functions are in the covered folders and use none of our functions from elsewhere."""
    covered = tuple(f"flashsale_env.{folder}" for folder in compiler.COMPILED)
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        tree = ast.parse(path.read_text())
        from_elsewhere = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("flashsale_env"):
                assert node.level == 0, f"{name}: absolute imports only"
                for alias in node.names:
                    if not f"{node.module}.{alias.name}".startswith(covered):
                        from_elsewhere.add(alias.asname or alias.name)
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            if {ast.unparse(decorator) for decorator in function.decorator_list} & COMPILERS:
                assert name in CORE_FILES, f"{name} has a compiled function {function.name}"
                used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
                assert not used & from_elsewhere, f"{name}, {function.name} uses {used & from_elsewhere}"


def test_a_read_only_installation_uses_the_users_cache(cold, tmp_path):
    """A file in place of the cache folder acts as a read-only installation for every user, root included."""
    (cold / "flashsale_env" / "sale" / "__pycache__").write_text("not a folder")
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path / "home")}
    first = run(cold, MEASURE, "gvr-periodic", **environment)
    second = run(cold, MEASURE, "gvr-periodic", **environment)
    assert "once; then cached" in first.stderr
    assert second.stderr == ""
    assert first.stdout == second.stdout


def test_without_a_writable_folder_it_compiles_in_memory_with_a_notice(cold, tmp_path):
    (cold / "flashsale_env" / "sale" / "__pycache__").write_text("not a folder")
    (tmp_path / "home").write_text("not a folder")
    nowhere = str(tmp_path / "home" / "cache")
    done = run(cold, MEASURE, "gvr-periodic", XDG_CACHE_HOME=nowhere, HOME=nowhere)
    assert done.stdout.startswith("(1, ")
    assert done.stderr.count(NOTICE) == 1
    assert "in every process: no cache folder can be written" in done.stderr


def test_a_full_disk_stops_nothing(cold):
    """The process cannot write a single byte to any file, as on a full disk or an exhausted quota."""
    pytest.importorskip("resource", reason="this system has no limits on file sizes")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));"
    done = run(cold, limit + MEASURE, "gvr-periodic")
    assert done.stdout.startswith("(1, ")
    assert done.stderr.count(NOTICE) == 1
    assert not list((cold / "flashsale_env" / "sale" / "__pycache__").glob("*.nbc"))
    assert run(cold, MEASURE, "gvr-periodic").stdout == done.stdout


@pytest.mark.parametrize("scenarios", [("gvr-periodic",) * 2, ("gvr-periodic", "standard")], ids=["one", "two"])
def test_two_processes_that_start_at_once_on_an_empty_cache_both_work(cold, scenarios):
    """With equal shapes, of which one compiles, and with different ones; later processes can use the cache."""
    both = [
        subprocess.Popen(**command(cold, MEASURE, name), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for name in scenarios
    ]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum(error.count(NOTICE) for _, error in said) == len(set(scenarios))
    assert not list((cold / "flashsale_env" / "sale" / "__pycache__").glob("*.lock"))
    for name, (output, _) in dict(zip(scenarios, said, strict=True)).items():
        assert run(cold, MEASURE, name).stdout == output
        assert run(cold, MEASURE, name).stderr == ""


def test_two_shapes_saved_at_the_same_moment_never_get_each_others_machine_code(tmp_path, monkeypatch):
    """numba reads its index, then writes index and code one after the other; here a second process writes in between.

    An entry may get lost and be recompiled. It must never point to the code of another shape.
    """
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    codegen = kernel.measure.targetctx.codegen()
    shapes = {"A": (numba.int64,), "B": (numba.float64,)}

    def cache():
        made = compiler._CoreCache(kernel.measure.py_func)
        monkeypatch.setattr(made._impl, "check_cachable", lambda code: True)
        monkeypatch.setattr(made._impl, "reduce", lambda code: code.name)
        monkeypatch.setattr(made._impl, "rebuild", lambda context, name: name)
        return made

    one, other = cache(), cache()
    read_before = other._cache_file._load_index()
    save_code = one._cache_file._save_data

    def save_code_after_the_other_saved_everything(*arguments):
        monkeypatch.setattr(other._cache_file, "_load_index", lambda: dict(read_before))
        other.save_overload(shapes["B"], SimpleNamespace(name="code of B", codegen=codegen))
        save_code(*arguments)

    monkeypatch.setattr(one._cache_file, "_save_data", save_code_after_the_other_saved_everything)
    one.save_overload(shapes["A"], SimpleNamespace(name="code of A", codegen=codegen))
    later = cache()
    found = {name: later.load_overload(shape, kernel.measure.targetctx) for name, shape in shapes.items()}
    assert found["A"] in ("code of A", None)
    assert found["B"] in ("code of B", None)
    assert any(found.values())


def shapes() -> list[str]:
    """One scenario for each shipped shape of record; the core is compiled once for each."""
    found = {}
    for name in SCENARIOS:
        instance = Simulator(name).instance
        found.setdefault((instance.rules.dtype, instance.sale_dtype, instance.voices.dtype), name)
    return list(found.values())


# Metrics of sales with non-zero values in every field, which code for another shape could not reproduce.
MEASURE_FILLED = """
import json, sys, numpy as np
from flashsale_env import Simulator

def fill(records):
    for k, field in enumerate(records.dtype.names):
        values = records[field]
        if values.dtype.names:
            fill(values)
        else:
            values[...] = 1 + k + np.arange(values.size).reshape(values.shape) % 5

for name in sys.argv[1:]:
    simulator = Simulator(name, sales=3)
    fill(simulator.sales)
    print(json.dumps([name, *simulator.measure().ravel()]))
"""
PLAY_ALL = """
import json, sys, numpy as np
from flashsale_env import Simulator
for name in sys.argv[1:]:
    simulator = Simulator(name, sales=2, actions="multidiscrete")
    simulator.open(np.arange(2, dtype=np.uint64), np.zeros(2, np.int64))
    for tick in range(min(simulator.scenario.horizon_ticks, 6)):
        observations, rewards, terms = simulator.advance(np.tile(simulator.codec.n_levels - 1, (2, 1)))
    print(json.dumps([name, *simulator.measure().ravel(), *rewards, float(observations.sum())]))
"""


def compiled_apart_and_loaded_together(site: Path, code: str, names: list[str], **environment: str) -> None:
    """Each shape is first compiled in a process of its own; then every pair is loaded in one process, in both orders.

    Two processes suffice, which load all shapes in opposite orders: together they cover every ordered pair.
    """
    plain = run(site, code, *names, NUMBA_DISABLE_JIT="1").stdout.splitlines()
    apart = [line for name in names for line in run(site, code, name, **environment).stdout.splitlines()]
    assert len(plain) == len(apart) == len(names)
    for name, machine, python in zip(names, apart, plain, strict=True):
        found, wanted = json.loads(machine), json.loads(python)
        assert found[0] == wanted[0] == name
        # Single-precision logarithms (times to answer in a queue) differ in their last digit from those of Python.
        assert found[1:] == pytest.approx(wanted[1:], rel=1e-7, abs=1e-9), name
    for order in (slice(None), slice(None, None, -1)):
        together = run(site, code, *names[order], **environment)
        assert together.stderr == "", "everything comes from the cache"
        assert together.stdout.splitlines() == apart[order], "to the last bit"


SOME = ("gvr-periodic", "mnl-stock", "lost-sales", "cart")


@pytest.mark.parametrize(
    ("hash_seed", "names"),
    [("0", SOME), *(pytest.param(seed, (), marks=pytest.mark.slow) for seed in ("0", "random"))],
    ids=["some", "all", "all-random"],
)
def test_shapes_compiled_apart_and_loaded_together_keep_their_own_code(cold, hash_seed, names):
    names = names or shapes()
    assert len(names) > 3
    compiled_apart_and_loaded_together(cold, MEASURE_FILLED, names, PYTHONHASHSEED=hash_seed)


@pytest.mark.slow
@pytest.mark.parametrize("hash_seed", ["0", "random"])
def test_sales_of_shapes_compiled_apart_and_played_together_are_those_of_plain_python(cold, hash_seed):
    compiled_apart_and_loaded_together(cold, PLAY_ALL, shapes(), PYTHONHASHSEED=hash_seed)


def test_symbols_do_not_depend_on_the_history_of_a_process(tmp_path):
    """Neither on the record types compiled before, nor on the seed of string hashes."""
    code = """
import sys, numba, numpy as np
from numba.core import itanium_mangler
from flashsale_env.core.compiler import FASTMATH
from flashsale_env.sale import kernel
for width in map(int, sys.argv[1].split(",")):
    record = numba.from_dtype(np.dtype([("units", "i8", (width,)), ("price", "f8")]))
    symbol = itanium_mangler.mangle("sell", (record, numba.types.Array(record, 1, "C")))
    if width == 2:
        print(symbol, FASTMATH)
"""
    said = {
        subprocess.run(**command(PACKAGE.parent, code, order, PYTHONHASHSEED=seed), capture_output=True).stdout
        for order in ("2,3", "3,2")
        for seed in ("0", "1", "2")
    }
    assert len(said) == 1
    assert said != {""}


def test_without_the_jit_the_same_sales_are_played(warm):
    """Ordinary Python gives the same bits as the machine code, without a warning."""
    plain = run(warm, NUMBA_DISABLE_JIT="1", PYTHONWARNINGS="error")
    assert plain.stdout == run(warm).stdout
    assert plain.stderr == ""
