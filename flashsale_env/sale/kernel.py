"""The compiled entry points: everything Python calls, over rows [begin, end) of a batch.

They release the interpreter lock, so a batch is split over threads by rows; a row never reads another row, which is
why a batch of one and any number of threads give the same bits.
"""

from flashsale_env.core import levels
from flashsale_env.core.compiler import entry_point, nan_aware_scalar
from flashsale_env.sale import composition, opening, tick


@nan_aware_scalar
def find_invalid(rules, encoding, actions):
    for n in range(len(actions)):
        if not levels.is_valid(rules, encoding, actions[n]):
            return n
    return -1


@entry_point
def open_sales(sales, rules, voices, schedule, grids, seeds, episodes, rows, observations, begin, end):
    """Open sale rows[k] with seeds[k] and episodes[k], and write its first observation to row k."""
    r = rules[0]
    for k in range(begin, end):
        sale = sales[rows[k]]
        opening.open_sale(r, voices, grids, seeds[k], episodes[k], sale)
        composition.observe(r, sale, schedule, observations[k])


@entry_point
def advance(sales, rules, voices, schedule, grids, encoding, actions, observations, rewards, terms, logs, begin, end):
    """Play one tick of every sale that is still open; a closed sale stays as it is and earns 0.

    A call for the whole batch checks the actions itself, plays nothing if one is invalid, and returns its row; else -1.
    """
    r = rules[0]
    if begin == 0 and end == len(sales):
        bad = find_invalid(r, encoding, actions)
        if bad >= 0:
            return bad
    for n in range(begin, end):
        sale = sales[n]
        if sale.tick < r.horizon:
            rewards[n] = tick.run_tick(r, voices, schedule, grids, encoding, actions[n], sale, terms[n], logs[n])
        else:
            rewards[n] = 0.0
            terms[n, :] = 0.0
        composition.observe(r, sale, schedule, observations[n])
    return -1


@entry_point
def first_invalid(rules, encoding, actions):
    """The first row whose action is not finite or out of range, or -1: for a batch that several threads play."""
    return find_invalid(rules[0], encoding, actions)


@entry_point
def measure(sales, rules, out):
    """Write the metrics of every sale to the rows of `out`."""
    for n in range(len(sales)):
        out[n, :] = 0.0  # of mechanisms that the scenario does not have
        composition.measure(rules[0], sales[n], out[n])


@entry_point
def observe(sales, rules, schedule, observations):
    """Write the observation of every sale as it stands."""
    for n in range(len(sales)):
        composition.observe(rules[0], sales[n], schedule, observations[n])
