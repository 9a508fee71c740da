"""One tick of one sale, in the documented order of events.

1 the action is taken and orders leave; 2 inbound stock arrives; 3 price tags are written for what is on hand;
4 customers come in exact time order; 5 costs; 6 at the close, leftovers are salvaged; 7 the observation is written by
the caller.
"""

from flashsale_env.core import streams
from flashsale_env.core.compiler import scalar
from flashsale_env.market import arrivals, promotions, rewards
from flashsale_env.sale import decisions, visit
from flashsale_env.sale import log as choice_log


@scalar
def begin_tick(rules, sale):
    """Zero the counters of the tick and let the memory of recent events fade."""
    sale.tick_customers = 0
    sale.tick_revenue = 0.0
    sale.recent_customers *= rules.memory
    sale.recent_expected *= rules.memory
    sale.recent_messages *= rules.memory
    if sale.recent_messages > 0.0:
        for i in range(rules.n_intents):
            sale.recent_intents[i] *= rules.memory
    for j in range(rules.n_products):
        sale.tick_sold[j] = 0
        sale.tick_lost[j] = 0
        sale.recent_sold[j] *= rules.memory


@scalar
def receive(rules, sale):
    """Inbound units of this tick become units on hand."""
    slot = sale.tick % rules.n_slots
    for j in range(rules.n_products):
        sale.on_hand[j] += sale.inbound[slot, j]
        sale.received[j] += sale.inbound[slot, j]
        sale.inbound[slot, j] = 0


@scalar
def serve(rules, voices, sale, expected, drift, log):
    """Customers of the tick in time order; a visit is recorded while `log` has rows left.

    Returns the share of the dominating stream that the shop's promotion let come, averaged over the tick: the shop
    itself ends a coupon in mid-tick, when its budget or the last unit that could honour it is gone.
    """
    rate = expected * sale.traffic * (1.0 + rules.coupon_traffic_lift)
    tick_key = streams.subkey(sale.key, sale.tick)
    time = 0.0
    came = 0.0
    since = 0.0
    k = 0
    while rate > 0.0:
        key = streams.subkey(tick_key, k)
        time = arrivals.next_arrival(rules.arrival_law, k, time, key, rate)
        if time >= 1.0:
            break
        marks = streams.subkey(key, streams.MARKS)
        # Thinning keeps arrivals independent of the policy: two agents meet the same customers (Lewis & Shedler 1979).
        if streams.upper32(marks) < sale.coming_share:
            row = arrivals.pick_voice(rules, voices, sale, key)
            number = sale.customers
            if number < len(log):
                choice_log.record_offer(rules, sale, voices[row], row, log[number])
            share = sale.coming_share
            bought, clips = visit.visit(rules, voices, row, sale, key, marks, drift)
            if number < len(log):
                choice_log.record_outcome(bought, clips, log[number])
            if sale.coming_share != share:
                came += share * (time - since)
                since = time
        k += 1
    return came + sale.coming_share * (1.0 - since)


@scalar
def run_tick(rules, voices, schedule, grids, encoding, action, sale, terms, log):
    """Play one tick and return its reward."""
    begin_tick(rules, sale)
    decisions.apply(rules, grids, encoding, action, sale)
    receive(rules, sale)
    promotions.price_tags(rules, sale)
    expected = schedule[sale.tick, 0]
    came = serve(rules, voices, sale, expected, schedule[sale.tick, 1], log)
    sale.recent_customers += sale.tick_customers
    sale.recent_expected += expected * (1.0 + rules.coupon_traffic_lift) * came
    for j in range(rules.n_products):
        sale.recent_sold[j] += sale.tick_sold[j]
    sale.tick += 1
    return rewards.settle(rules, sale, sale.tick >= rules.horizon, terms)
