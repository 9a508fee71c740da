"""The compiled simulator: plain scalar functions, one customer and one tick at a time.

Everything in this package is ordinary Python that numba compiles; `NUMBA_DISABLE_JIT=1` runs it uncompiled.
`kernel` holds the only entry points that the rest of the project calls.
"""
