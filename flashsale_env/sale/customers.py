"""The one loop over a stream of customers, in exact time order.

Owns    the points of the dominating stream of a tick, by whomever they are met: served in the sale, read as messages
        before its start, or counted in hindsight.
"""

from flashsale_env.core import streams
from flashsale_env.core.compiler import inlined
from flashsale_env.market import arrivals


@inlined
def meet_all(law, tick_key, rate, meet, *context):
    """Call meet(key, time, *context) for every point of the stream with this key and `rate` points a tick.

    The key of a point is all that it takes to draw the customer again, whatever happened before.
    """
    time = 0.0
    k = 0
    while rate > 0.0:
        key = streams.subkey(tick_key, k)
        time = arrivals.next_arrival(law, k, time, key, rate)
        if time >= 1.0:
            return
        meet(key, time, *context)
        k += 1
