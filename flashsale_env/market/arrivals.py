"""Who arrives, and when: a stream per tick, thinned from a dominating one.

Owns    the time of every arrival and the voice that arrives.
Axes    customer k of tick t is the k-th point of the *dominating* stream, which no action can change; an action
        that lifts traffic only lets more of these points pass. So customers keep their numbers and their draws.
Units   time inside a tick runs from 0 to 1; `expected` is customers per tick.
"""

import math

from flashsale_env.core import streams
from flashsale_env.core.compiler import scalar

POISSON, BERNOULLI = 0, 1

# name -> number; a new law is one branch of `next_arrival`
ARRIVAL_LAWS = {
    "poisson": POISSON,
    "bernoulli": BERNOULLI,
}

NEVER = 2.0  # any time after the end of the tick


@scalar
def next_arrival(law, k, time, key, rate):
    """Time of point k of the dominating stream, after `time`, with `rate` points a tick; 1 or more where none comes."""
    u = streams.uniform(streams.subkey(key, streams.GAP))
    if law == BERNOULLI:
        # Given that the customer comes, u / rate is uniform on the tick.
        return u / rate if k == 0 else NEVER
    if 1.0 - u >= rate * (1.0 - time):
        return NEVER  # -ln(u) >= 1 - u: too late for this tick whatever the logarithm is, which in quiet ticks is saved
    return time - math.log(u) / rate


@scalar
def pick_voice(rules, voices, sale, key):
    """Row of the voice: its latent class by the mix of this sale, then by weight inside the class.

    Inside the class by Walker's alias method (Vose 1991, doi 10.1109/32.92917).
    """
    if len(voices) == 1:
        return 0
    u = streams.uniform(streams.subkey(key, streams.CLASS))
    # Without leaving early, and the alias read in any case: a branch that nobody can predict costs more.
    chosen = 0
    for c in range(rules.n_classes - 1):
        chosen += u >= sale.mix[c]
    position = streams.uniform(streams.subkey(key, streams.VOICE)) * rules.class_size[chosen]
    offset = int(position)
    row = rules.class_start[chosen] + offset
    alias = voices[row].alias
    return row if position - offset < voices[row].alias_below else alias
