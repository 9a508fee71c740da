"""From the numbers of an action to the level of each decision.

Owns    the decoding of one column, and the check of a whole action.
Axes    a row of the grids is one decision; `rules.column[row]` is its column in the action, -1 where the row has a
        single level and nothing is to be decided.
Units   a box action lies in [-1, 1] and is cut into cells of equal width, one a level: -1 is level 0 and +1 the last
        level. A level action is the number of the level itself.
"""

import numpy as np

from flashsale_env.core.compiler import nan_aware_scalar, scalar

BOX, LEVELS = 0, 1


@nan_aware_scalar
def is_valid(rules, encoding, action):
    """Whether every column is finite and inside its range."""
    if encoding == BOX:
        for c in range(len(action)):
            if not (-1.0 <= action[c] <= 1.0):
                return False
        return True
    for row in range(rules.n_rows):
        c = rules.column[row]
        if c >= 0 and not (0 <= action[c] < rules.n_levels[row]):
            return False
    return True


@scalar
def level_of(rules, encoding, action, row):
    """The level chosen in this row of the grids."""
    c = rules.column[row]
    if c < 0:
        return 0
    if encoding == LEVELS:
        return np.int64(action[c])
    level = np.int64((action[c] + 1.0) * 0.5 * rules.n_levels[row])
    return min(level, rules.n_levels[row] - 1)


@scalar
def chosen(rules, grids, encoding, action, row):
    """The value of the level chosen in this row of the grids."""
    return grids[row, level_of(rules, encoding, action, row)]
