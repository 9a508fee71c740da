"""The `flashsale` command line and the experiments behind it.

Owns    what a run reads and leaves behind, the comparison of agents, intervals, pictures and pages.
Leaves  learning and playing to `agents`, texts to `encoders`, the sale itself to `flashsale_env`.
"""
