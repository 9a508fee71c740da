"""The customers of a sale as only hindsight knows them: what each would have paid.

The draws are those of `sale.tick`, so customer k of tick t is the person whom every policy met. All points of the
dominating stream are taken: a promotion may bring any of them.
"""

from flashsale_env.core import streams
from flashsale_env.core.compiler import entry_point, scalar
from flashsale_env.market import arrivals, choice
from flashsale_env.sale import customers


@scalar
def note(key, time, rules, voices, sale, context):
    """Write one customer's reservation prices, while there are rows left."""
    drift, payments, number = context
    if number[0] < len(payments):
        voice = voices[arrivals.pick_voice(rules, voices, sale, key)]
        choice.reservation_prices(rules, voice, sale, key, drift, payments[number[0]])
    number[0] += 1


@entry_point
def customers_of(sales, rules, voices, schedule, row, payments, number):
    """Write the reservation prices of the sale's customers, (C, M), until the rows are used up; `number` counts them.

    `number` is (1,) and 0 beforehand.
    """
    r = rules[0]
    sale = sales[row]
    for t in range(r.horizon):
        rate = schedule[t, 0] * sale.traffic * r.most_traffic
        tick_key = streams.subkey(sale.key, t)
        customers.meet_all(
            r, voices, sale, r.arrival_law, tick_key, rate, note, (schedule[t, 1], payments, number)
        )
