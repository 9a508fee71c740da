"""The foundation of the compiled simulator: compilation, random streams, optional records, action levels.

The compiled functions here, in `market`, `sale` and `theory` are ordinary Python; `NUMBA_DISABLE_JIT=1` runs them
uncompiled.
"""
