"""Compilation of the core, and its cache of machine code.

Owns    the decorators `scalar` (a callee) and `entry_point` (called from Python, cached on disk).
        Callees are optimised and turned into machine code as parts of their entry points only. Numba does both for
        every function, and again for each of its callers: a third of the whole compilation.
Why     numba's own disk cache checks only the file of the entry point: after an edit of a callee in another file it
        returns the stale kernel. Here the cache key includes a hash of every source file of the core.
        numba also numbers record types in the order in which a process compiles them, and symbols carry that number.
        Two shapes of sale compiled in two processes can thus have equal symbols, and a third process that loads both
        runs the wrong code. Here a symbol carries a hash of the record's layout.

What is imported from `numba.core`, `_dynfunc` and the option `_nrt` are private API;
`tests/core/test_compiled_cache.py` tests the behaviour we rely on.
"""

import contextlib
import functools
import gc
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba import _dynfunc
from numba.core import types
from numba.core.caching import FunctionCache, NullCache
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.registry import CPUDispatcher
from numba.core.typed_passes import NativeLowering

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

JIT_DISABLED: bool = bool(numba.config.DISABLE_JIT)


def _mangle_by_layout(record: Any) -> tuple[str, tuple[str]]:
    # The name of a record type contains every field with its type and offset, and the size.
    return "Record", (hashlib.sha256(record.name.encode()).hexdigest(),)


# This applies to every record type of the process: equal types of other libraries cannot be distinguished.
types.Record.mangling_args = property(_mangle_by_layout)  # type: ignore[method-assign,assignment]


@functools.cache
def _written_out(record: Any) -> str:
    return str(_written_out_anew(record))


# Numba writes a record type out thousands of times in a compilation, field by field: a twentieth of the whole.
# Loaded a second time, as by `importlib.reload`, this module replaces its own cache and does not wrap it.
_written_out_anew = getattr(types.Record.__repr__, "anew", types.Record.__repr__)
_written_out.anew = _written_out_anew  # type: ignore[attr-defined]
types.Record.__repr__ = _written_out  # type: ignore[method-assign]


class _InOrder(set[str]):
    """Flags with a fixed print order: numba prints the set into symbols, and a plain set depends on the hash seed."""

    def __repr__(self) -> str:
        return f"{{{', '.join(map(repr, sorted(self)))}}}"

    def copy(self) -> "_InOrder":
        return _InOrder(self)


# No reassociation: sums keep their order, so any batch size and any thread give the same bits.
FASTMATH = _InOrder({"nnan", "ninf", "nsz"})

# `_nrt` (private) switches numba's runtime off: the core never allocates, and reference counts on slices of a batch
# took two thirds of the time of a tick without customers.
_OPTIONS = {"nogil": True, "_nrt": False}
# Only compiled code calls callees. Their wrappers for Python and C would take a third of the compilation time.
_CALLEE = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


class _CalleeLibrary(JITCodeLibrary):  # type: ignore[misc]
    """The code of a callee: only for its callers, so it is neither optimised nor turned into machine code by itself."""

    def finalize(self) -> None:
        """Link in what the callee calls, and no more."""
        self._raise_if_finalized()
        for library in dict.fromkeys(self._linking_libraries):
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class _CalleeLowering(NativeLowering):  # type: ignore[misc]
    """Down to LLVM's representation, which callers link in."""

    _name = "callee_lowering"

    def run_pass(self, state: Any) -> bool:
        """As numba's, with the library above and without a pointer to machine code."""
        state.library = _CalleeLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        lowered = state["cr"]
        described = lowered.fndesc
        # Numba finds what a call is lowered to by this object; it is never called.
        key = _dynfunc.make_function(described.lookup_module(), described.qualname, "", 0, lowered.env, ())
        state.targetctx.insert_user_function(key, described, [state.library])
        state["cr"] = lowered._replace(cfunc=key)
        return True


class _CalleeCompiler(CompilerBase):  # type: ignore[misc]
    """Numba's own pipeline, with the lowering of a callee."""

    def define_pipelines(self) -> list[Any]:
        """The only pipeline: there is no object mode."""
        pipeline = DefaultPassBuilder.define_nopython_pipeline(self.state)
        pipeline.passes = [
            (_CalleeLowering if step is NativeLowering else step, purpose) for step, purpose in pipeline.passes
        ]
        pipeline.finalize()
        return [pipeline]


class _Callee(CPUDispatcher):  # type: ignore[misc]
    """A compiled function without a wrapper for Python; a call from Python would crash the process."""

    def __call__(self, *arguments: Any, **named: Any) -> None:
        raise TypeError(
            f"{self.py_func.__module__}.{self.py_func.__name__} is compiled for callers in the core; from Python call "
            f"its py_func, or call it in a function of yours that numba.njit compiles."
        )


def _callee(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    def decorate(function: Callable[..., Any]) -> Any:
        compiled = numba.njit(pipeline_class=_CalleeCompiler, **options, **_CALLEE)(function)
        if not JIT_DISABLED:
            compiled.__class__ = _Callee
        return compiled

    return decorate


# Inlined by LLVM always: calls cost nothing, absent parts leave no code, and no function is optimised on its own.
scalar = _callee(fastmath=FASTMATH, forceinline=True)
# Inlined before type inference: for a loop that takes its body as an argument, and for functions with one caller.
inlined = _callee(fastmath=FASTMATH, inline="always")
# For checks of external input: under "nnan", comparisons with NaN may be optimised away. fastmath=False must be
# explicit: a callee compiled without the option inherits its caller's flags.
nan_aware_scalar = _callee(fastmath=False)


# Folders with compiled functions, covered by the fingerprint.
COMPILED = ("core", "market", "sale", "theory")


def core_fingerprint() -> str:
    """Hash of all sources of the machine code."""
    digest = hashlib.sha256()
    package = Path(__file__).parent.parent
    for path in sorted(path for folder in COMPILED for path in (package / folder).glob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


_FINGERPRINT = core_fingerprint()
_notice_given = False


class _CoreCache(FunctionCache):  # type: ignore[misc]
    """A function cache with the fingerprint of the core in its keys.

    Of several processes that need the same code at once, one compiles it, and the others wait.
    """

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return (*super()._index_key(sig, codegen), _FINGERPRINT)

    def _file_of(self, sig: Any, codegen: Any) -> str:
        key = hashlib.sha256(repr(self._index_key(sig, codegen)).encode()).hexdigest()
        return f"{self._impl.filename_base}.{key[:16]}"

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        found = super().load_overload(sig, target_context)
        if found is None:
            self._lock_compilation(sig, target_context)
            found = super().load_overload(sig, target_context)  # another process may have compiled it meanwhile
        if found is None:
            _announce_compilation(f"about {_expected_seconds(sig)} seconds, once; then cached")
        return found

    def _lock_compilation(self, sig: Any, target_context: Any) -> None:
        self.unlock()
        if fcntl is None:
            return
        with contextlib.suppress(OSError):  # a full disk, or a file system without locks: every process compiles
            self._impl.locator.ensure_cache_path()
            name = f"{self._file_of(sig, target_context.codegen())}.lock"
            self._lock = Path(self.cache_path, name).open("w")  # until `unlock`
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def unlock(self) -> None:
        """Let the next process in; nothing if none has to wait."""
        lock = self.__dict__.pop("_lock", None)  # at once: threads come here together
        if lock is not None:
            with contextlib.suppress(OSError):
                Path(lock.name).unlink()
            lock.close()

    def save_overload(self, sig: Any, data: Any) -> None:
        # numba numbers the files of a function and writes index and file separately. Two processes that save different
        # shapes at once can both take number 1, and the index entry of one shape then points to the code of the other.
        self._cache_file._data_name_pattern = self._file_of(sig, data.codegen) + ".{number:d}.nbc"
        with contextlib.suppress(OSError):  # full disk: this process continues with its code in memory
            super().save_overload(sig, data)


class _NoCache(NullCache):  # type: ignore[misc]
    """For installations without any writable cache folder."""

    def load_overload(self, sig: Any, target_context: Any) -> None:
        _announce_compilation(
            f"about {_expected_seconds(sig)} seconds, in every process: no cache folder can be written, "
            "see NUMBA_CACHE_DIR"
        )

    def unlock(self) -> None:
        """Nothing is locked."""


def _expected_seconds(arguments: Any) -> int:
    """Seconds to compile all entry points for these types, one for every record inside the largest record.

    On one core of 2.6 GHz: 6 seconds for 5 records (no optional mechanism), 7 for 7 (`standard`), 15 for 18 (`full`).
    Solvers, which know no records, take about 2.
    """
    records = (kind.dtype for kind in arguments if isinstance(getattr(kind, "dtype", None), types.Record))
    inside = (sum(isinstance(field.type, types.Record) for field in record.fields.values()) for record in records)
    return max(inside, default=2)


def _announce_compilation(cost: str) -> None:
    global _notice_given
    if not _notice_given:
        _notice_given = True
        print(
            f"flashsale_env: compiling the simulator for this shape of sale ({cost})",
            file=sys.stderr,
            flush=True,
        )


class _EntryPoint(CPUDispatcher):  # type: ignore[misc]
    """A compiled function that is called from Python."""

    def compile(self, sig: Any) -> Any:
        collects = gc.isenabled()
        gc.disable()  # numba makes millions of objects, and looking through them takes a twelfth of the time
        try:
            return super().compile(sig)
        finally:  # also where Ctrl-C ends a compilation: other processes wait for it
            if collects:
                gc.enable()
            self._cache.unlock()


def entry_point(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function for calls from Python; its machine code is cached on disk.

    The cache is beside the sources, or in the user's cache folder if the installation is read-only.
    """
    compiled = numba.njit(fastmath=FASTMATH, **_OPTIONS)(function)
    if not JIT_DISABLED:
        compiled.__class__ = _EntryPoint
        try:
            compiled._cache = _CoreCache(function)
        except RuntimeError:  # numba's "no locator available": nowhere to write
            compiled._cache = _NoCache()
    return compiled  # type: ignore[no-any-return]
