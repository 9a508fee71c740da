"""The loop over the customers of a tick, in exact time order.

Owns    the points of the dominating stream of a tick, and guests who come beside it. The same loop serves customers in
        a sale, reads messages before its start, and lists customers for the hindsight bound.
"""

from flashsale_env.core import streams
from flashsale_env.core.compiler import inlined, scalar
from flashsale_env.market import arrivals

# Where a customer comes from: a point of the dominating stream, a friend's word, an earlier visit, or an earlier sale.
FRESH, FRIEND, RETURN, KNOWN = 0, 1, 2, 3


@scalar
def nobody(rules, sale, before):
    """No guest: a tick of fresh customers only."""
    return arrivals.NEVER, sale.key, FRIEND


@inlined
def meet_all(rules, voices, sale, law, tick_key, rate, next_guest, meet, context):
    """Call meet(key, time, origin, rules, voices, sale, context) for every customer of a tick, in time order.

    `tick_key` is the key of the stream with `rate` points per tick. `next_guest(rules, sale, before)` takes the first
    guest with a time of at most `before` off its queue and returns (time, key, origin); a time of `NEVER` if there is
    none. A guest comes before a fresh customer of the same time. `context` holds all further arguments of `meet`.

    The key of a customer determines this person completely, independent of earlier events.
    """
    k = 0
    fresh_key = streams.subkey(tick_key, 0)
    fresh_time = arrivals.next_arrival(law, 0, 0.0, fresh_key, rate) if rate > 0.0 else arrivals.NEVER
    while True:
        time, key, origin = next_guest(rules, sale, fresh_time)
        if time >= 1.0:
            if fresh_time >= 1.0:
                return
            time, key, origin = fresh_time, fresh_key, FRESH
            # Before the visit, so that the processor draws the next customer while it serves this one.
            k += 1
            fresh_key = streams.subkey(tick_key, k)
            fresh_time = arrivals.next_arrival(law, k, time, fresh_key, rate)
        meet(key, time, origin, rules, voices, sale, context)
