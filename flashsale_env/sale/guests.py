"""Guests: customers who come beside the dominating stream.

Owns    the order in which they come: people who look again, at the start of the tick; friends and past customers in
        exact time.
Leaves  who waits to `market.waiting`, who follows whom to `market.contagion`, who is known to `market.persons`.
"""

from flashsale_env.core.compiler import scalar
from flashsale_env.core.records import option
from flashsale_env.market import arrivals, contagion, persons, waiting
from flashsale_env.sale.customers import FRIEND, KNOWN, RETURN


@scalar
def next_guest(rules, sale, before):
    """The next guest of this tick, at the latest at `before`, see `customers.meet_all`."""
    time, key = waiting.next_look(option(sale, "waiting"), sale)
    if time < arrivals.NEVER:
        return time, key, RETURN
    of_contagion = option(sale, "contagion")
    first = min(before, contagion.time_of_next(of_contagion, sale))
    time, key = persons.next_person(option(sale, "persons"), sale, first)
    if time < arrivals.NEVER:
        return time, key, KNOWN
    time, key = contagion.next_friend(of_contagion, sale, before)
    return time, key, FRIEND
