"""How the core is compiled and where the machine code is kept.

Owns    the decorators `scalar` (a callee) and `entry_point` (called from Python, cached on disk).
Why     numba's own disk cache looks at the file of the entry point only: after an edit in a callee of another
        file it hands back the stale kernel. Here the cache key carries a hash of every source file of the core.
        And numba numbers record types as a process meets them, and symbols carry that number: two shapes of sale
        that were compiled in two processes got equal symbols, and a third process that loaded both ran the code of
        one for the other. Here a symbol carries a hash of the record's layout.

`numba.core.caching.FunctionCache`, `Record.mangling_args` and the option `_nrt` are private API;
`tests/core/test_compiled_cache.py` holds what we rely on.
"""

import contextlib
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import types
from numba.core.caching import FunctionCache, NullCache
from numba.core.registry import CPUDispatcher

JIT_DISABLED: bool = bool(numba.config.DISABLE_JIT)


def _mangle_by_layout(record: Any) -> tuple[str, tuple[str]]:
    # The name of a record type spells out every field with its type and offset, and the size.
    return "Record", (hashlib.sha256(record.name.encode()).hexdigest(),)


# For every record type of the process: a type cannot be told apart from another library's that is equal to it.
types.Record.mangling_args = property(_mangle_by_layout)  # type: ignore[method-assign,assignment]


class _InOrder(set[str]):
    """Flags that print in one order: numba writes the printed set into symbols, and hash seeds shuffle a plain one."""

    def __repr__(self) -> str:
        return f"{{{', '.join(map(repr, sorted(self)))}}}"

    def copy(self) -> "_InOrder":
        return _InOrder(self)


# No reassociation: sums keep their order, so any batch size and any thread give the same bits.
FASTMATH = _InOrder({"nnan", "ninf", "nsz"})

# Without numba's runtime, a private option: nothing here allocates, and counting references to slices of a batch took
# two thirds of the time of a tick without customers.
_OPTIONS = {"nogil": True, "_nrt": False}
# Callees are called by compiled code only. The wrappers for Python and C would take a third of their compilation.
_CALLEE = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


class _Callee(CPUDispatcher):  # type: ignore[misc]
    """A compiled function without a wrapper for Python: called from there it would crash the process."""

    def __call__(self, *arguments: Any, **named: Any) -> None:
        raise TypeError(
            f"{self.py_func.__module__}.{self.py_func.__name__} is compiled for callers in the core; from Python call "
            f"its py_func, or call it in a function of yours that numba.njit compiles."
        )


def _callee(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    def decorate(function: Callable[..., Any]) -> Any:
        compiled = numba.njit(**options, **_CALLEE)(function)
        if not JIT_DISABLED:
            compiled.__class__ = _Callee
        return compiled

    return decorate


scalar = _callee(fastmath=FASTMATH)
# On the path of one customer: calls cost nothing, and what is absent leaves no trace.
hot = _callee(fastmath=FASTMATH, forceinline=True)
# Written into its caller before types are known: for a loop that is given the function it calls.
inlined = _callee(fastmath=FASTMATH, inline="always")
# For the checks of input from outside: under "nnan" a comparison with NaN may be compiled away. fastmath=False must be
# explicit: a callee compiled without the option inherits its caller's flags.
nan_aware_scalar = _callee(fastmath=False)


# The folders of compiled functions, which the fingerprint covers.
COMPILED = ("core", "market", "sale", "theory")


def core_fingerprint() -> str:
    """Hash of all sources that end up in the machine code."""
    digest = hashlib.sha256()
    package = Path(__file__).parent.parent
    for path in sorted(path for folder in COMPILED for path in (package / folder).glob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


_FINGERPRINT = core_fingerprint()
_notice_given = False


class _CoreCache(FunctionCache):  # type: ignore[misc]
    """A function cache whose entries belong to one state of all core sources."""

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return (*super()._index_key(sig, codegen), _FINGERPRINT)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        found = super().load_overload(sig, target_context)
        if found is None:
            _announce_compilation("seconds, once; then cached")
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        # numba numbers the files of a function and writes the index and the file apart: two processes that save
        # different shapes at once can both take number 1, and one shape's index entry then leads to the other's code.
        key = hashlib.sha256(repr(self._index_key(sig, data.codegen)).encode()).hexdigest()[:16]
        name = f"{self._impl.filename_base}.{key}"
        self._cache_file._data_name_pattern = name + ".{number:d}.nbc"
        with contextlib.suppress(OSError):  # a full disk: this process goes on with what it has in memory
            super().save_overload(sig, data)


class _NoCache(NullCache):  # type: ignore[misc]
    """For an install of which no folder, nor the user's cache folder, can be written."""

    def load_overload(self, sig: Any, target_context: Any) -> None:
        _announce_compilation("seconds, in every process: no cache folder can be written, see NUMBA_CACHE_DIR")


def _announce_compilation(cost: str) -> None:
    global _notice_given
    if not _notice_given:
        _notice_given = True
        print(
            f"flashsale_env: compiling the simulator for this shape of sale ({cost})",
            file=sys.stderr,
            flush=True,
        )


def entry_point(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function that Python calls; its machine code is cached on disk.

    The cache sits beside the sources, or in the user's cache folder where the install is read-only.
    """
    compiled = numba.njit(fastmath=FASTMATH, **_OPTIONS)(function)
    if not JIT_DISABLED:
        try:
            compiled._cache = _CoreCache(function)
        except RuntimeError:  # numba's "no locator available": nowhere to write
            compiled._cache = _NoCache()
    return compiled  # type: ignore[no-any-return]
