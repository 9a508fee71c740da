"""Guests: customers who come beside the dominating stream.

Owns    the order in which they come: people who look again, at the start of the tick; friends in exact time.
Leaves  who waits to `market.waiting`, who follows whom to `market.contagion`.
"""

from flashsale_env.core.compiler import scalar
from flashsale_env.core.records import option
from flashsale_env.market import arrivals, contagion, waiting
from flashsale_env.sale.customers import FRIEND, RETURN


@scalar
def next_guest(rules, sale, before):
    """The next guest of this tick, at the latest at `before`, see `customers.meet_all`."""
    time, key = waiting.next_look(option(sale, "waiting"), sale)
    if time < arrivals.NEVER:
        return time, key, RETURN
    time, key = contagion.next_friend(option(sale, "contagion"), sale, before)
    return time, key, FRIEND
