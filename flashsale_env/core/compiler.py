"""How the core is compiled and where the machine code is kept.

Owns    the decorators `scalar` (a callee) and `entry_point` (called from Python, cached on disk).
Why     numba's own disk cache looks at the file of the entry point only: after an edit in a callee of another
        file it hands back the stale kernel. Here the cache key carries a hash of every source file of the core.

`numba.core.caching.FunctionCache` is private API; `tests/core/test_compiled_cache.py` holds what we rely on.
"""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache

JIT_DISABLED: bool = bool(numba.config.DISABLE_JIT)

# No reassociation: sums keep their order, so any batch size and any thread give the same bits.
FASTMATH = {"nnan", "ninf", "nsz"}

scalar = numba.njit(fastmath=FASTMATH, nogil=True)
# For the checks of what comes from outside: under "nnan" a comparison with NaN may be compiled away. False is said
# aloud because a callee that says nothing inherits the flags of its caller.
nan_aware_scalar = numba.njit(fastmath=False, nogil=True)


def core_fingerprint() -> str:
    """Hash of all sources that end up in the machine code."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode())
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
            _announce_compilation()
        return found


def _announce_compilation() -> None:
    global _notice_given
    if not _notice_given:
        _notice_given = True
        print(
            "flashsale_env: compiling the simulator for this shape of sale (seconds, once; then cached)",
            file=sys.stderr,
            flush=True,
        )


def entry_point(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function that Python calls; its machine code is cached on disk.

    The cache sits beside the sources, or in the user's cache folder where the install is read-only.
    """
    compiled = scalar(function)
    if not JIT_DISABLED:
        compiled._cache = _CoreCache(function)
    return compiled  # type: ignore[no-any-return]
