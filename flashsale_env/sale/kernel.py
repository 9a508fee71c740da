"""The compiled entry points for calls from Python, over rows [begin, end) of a batch.

They release the interpreter lock, so a batch can be split over threads by rows. A row never reads another row, so every
batch size and every number of threads give the same bits.
"""

from flashsale_env.core import levels
from flashsale_env.core.compiler import entry_point, nan_aware_scalar
from flashsale_env.sale import composition, opening, tick


@nan_aware_scalar
def find_invalid(rules, encoding, actions):
    """The first row whose action is not finite or out of range; -1 if there is none."""
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
    """Play one tick of every open sale; a closed sale is unchanged and earns 0.

    A call for the whole batch checks the actions first. If one is invalid, it plays nothing and returns the row of that
    action; otherwise it returns -1.
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
    """As `find_invalid`, before a batch is split over threads."""
    return find_invalid(rules[0], encoding, actions)


@entry_point
def settle(sales, rules, played, terms):
    """Write the reward terms of the tick that was just played, by these rules; 0 for a sale that was closed before."""
    for n in range(len(sales)):
        terms[n, :] = 0.0
        if played[n]:
            composition.settle(rules[0], sales[n], sales[n].tick >= rules[0].horizon, terms[n])


@entry_point
def measure(sales, rules, out):
    """Write the metrics of every sale to the rows of `out`."""
    for n in range(len(sales)):
        out[n, :] = 0.0  # the metrics of absent mechanisms
        composition.measure(rules[0], sales[n], out[n])


@entry_point
def observe(sales, rules, schedule, observations):
    """Write the current observation of every sale."""
    for n in range(len(sales)):
        composition.observe(rules[0], sales[n], schedule, observations[n])
