"""The `flashsale` command line and the experiments behind it.

Owns    the folders and settings of runs, the comparison of agents, intervals, studies, tables, pictures and pages.
Leaves  learning and playing to `agents`, text and demand to `encoders`, the sale itself to `flashsale_env`.
"""
