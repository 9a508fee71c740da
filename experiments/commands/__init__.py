"""The commands of `flashsale`, one a file: options in, tables or JSON out.

Owns    the list of commands.
Leaves  building the command line from it to `dispatch`, options that commands share to `options`, studies to `studies`,
        and the work to the rest of `experiments`. A command imports what does the work when it runs, so that
        `flashsale list` loads no torch.

A new command is one file here, with a function `command` whose docstring is its help, and one line in `COMMANDS`. The
file of a group of commands has a `group` instead. A command checks its input before it starts anything long, and
claims the folder that it writes through `runs`.
"""

# In the order of the help, groups last. The command `a-b` is the file a_b.py.
COMMANDS = (
    "list",
    "show",
    "new",
    "demo",
    "encode",
    "explain",
    "calibrate",
    "train",
    "tune",
    "evaluate",
    "plan",
    "ask",
    "strategy",
    "mcp",
    "log",
    "evaluate-offline",
    "benchmark",
    "report",
    "serve",
    "watch",
    "play",
    "verify",
    "realism",
    "bench",
    "study",
)
