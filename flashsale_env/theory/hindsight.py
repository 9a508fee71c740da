"""Reservation prices of all customers of a sale, for the hindsight bound.

The draws are those of `sale.tick`: customer k of tick t is the same person as under any policy. All points of the
dominating stream are included, since a promotion may attract any of them.
"""

from flashsale_env.core import streams
from flashsale_env.core.compiler import entry_point, scalar
from flashsale_env.core.records import option
from flashsale_env.market import choice, retention
from flashsale_env.sale import customers


@scalar
def note(key, time, origin, rules, voices, sale, context):
    """Write one customer's reservation prices if a row is left, and count the customer."""
    drift, payments, number = context
    if number[0] < len(payments):
        row = retention.pick_voice(option(rules, "retention"), option(sale, "retention"), rules, voices, sale, key)
        voice = voices[row]
        choice.reservation_prices(rules, voice, sale, key, drift, 0.0, payments[number[0]])
    number[0] += 1


@entry_point
def customers_of(sales, rules, voices, schedule, row, payments, number):
    """Write the reservation prices of the customers of sale `row`, currency.

    Args:
        sales, rules, voices, schedule: as for the entry points of `sale.kernel`.
        row: number of the sale in the batch.
        payments: (rows, M) out; customers beyond the last row are counted only.
        number: (1,) 0 beforehand; out: the number of customers.
    """
    r = rules[0]
    sale = sales[row]
    for t in range(r.horizon):
        # The rate of the dominating stream, as in `sale.tick`.
        rate = retention.dominating(option(r, "retention"), schedule[t, 0] * sale.traffic * r.most_traffic)
        tick_key = streams.subkey(sale.key, t)
        context = (schedule[t, 1], payments, number)
        customers.meet_all(r, voices, sale, r.arrival_law, tick_key, rate, customers.nobody, note, context)
