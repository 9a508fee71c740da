"""The loop over a stream of customers, in exact time order.

Owns    the points of the dominating stream of a tick. The same loop serves customers in a sale, reads messages before
        its start, and lists customers for the hindsight bound.
"""

from flashsale_env.core import streams
from flashsale_env.core.compiler import inlined
from flashsale_env.market import arrivals


@inlined
def meet_all(rules, voices, sale, law, tick_key, rate, meet, context):
    """Call meet(key, time, rules, voices, sale, context) for every point of a stream with `rate` points per tick.

    `tick_key` is the key of the stream; `context` holds all further arguments of `meet`.

    The key of a point determines the customer completely, independent of earlier events.
    """
    time = 0.0
    k = 0
    while rate > 0.0:
        key = streams.subkey(tick_key, k)
        time = arrivals.next_arrival(law, k, time, key, rate)
        if time >= 1.0:
            return
        meet(key, time, rules, voices, sale, context)
        k += 1
