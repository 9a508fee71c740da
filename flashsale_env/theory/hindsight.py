"""The customers of a sale as only hindsight knows them: what each would have paid.

The same draws as in `tick.serve`, so customer k of tick t is the person whom every policy met. All points of the
dominating stream are taken: a promotion may bring any of them.
"""

from flashsale_env.core import streams
from flashsale_env.core.compiler import entry_point, scalar
from flashsale_env.market import arrivals, choice


@scalar
def dominating_rate(rules, schedule, sale, t):
    return schedule[t, 0] * sale.traffic * (1.0 + rules.coupon_traffic_lift)


@entry_point
def customers_of(sales, rules, voices, schedule, row, payments):
    """Write the reservation prices of the sale's customers, (C, M), until the rows are used up; return their number."""
    r = rules[0]
    sale = sales[row]
    number = 0
    for t in range(r.horizon):
        rate = dominating_rate(r, schedule, sale, t)
        if rate <= 0.0:
            continue
        tick_key = streams.subkey(sale.key, t)
        time = 0.0
        k = 0
        while True:
            key = streams.subkey(tick_key, k)
            time = arrivals.next_arrival(r.arrival_law, k, time, key, rate)
            if time >= 1.0:
                break
            if number < len(payments):
                voice = voices[arrivals.pick_voice(r, voices, sale, key)]
                choice.reservation_prices(r, voice, sale, key, schedule[t, 1], payments[number])
            number += 1
            k += 1
    return number
