"""The one loop over a stream of customers, in exact time order.

Owns    the points of the dominating stream of a tick, by whomever they are met: served in the sale, read as messages
        before its start, or counted in hindsight.
"""

from flashsale_env.core import streams
from flashsale_env.core.compiler import inlined
from flashsale_env.market import arrivals


@inlined
def meet_all(rules, voices, sale, law, tick_key, rate, meet, context):
    """Call meet(key, time, rules, voices, sale, context) for every point of a stream of `rate` points a tick.

    `tick_key` is the key of the stream, `context` whatever else `meet` needs.

    The key of a point is all that it takes to draw the customer again, whatever happened before.
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
