"""One tick of one sale, in the documented order of events.

1 the action is decoded and orders are placed; 2 inbound stock arrives; 3 price tags are written for products on hand;
4 customers come: those who look again at the start of the tick, then fresh customers, friends and known persons in
exact time order, a guest first in a tie; 5 what ends with the tick ends; 6 costs are booked; 7 at the close, leftovers
are salvaged; 8 the caller writes the observation.
"""

from flashsale_env.core import streams
from flashsale_env.core.compiler import inlined, scalar
from flashsale_env.core.records import option
from flashsale_env.market import ads, arrivals, bots, fairness, messages, persons, push, retention, stock, waiting
from flashsale_env.sale import composition, customers, guests, log
from flashsale_env.sale.visit import leave_unserved, visit, visit_of_bot


@scalar
def stays_away(rules, voices, sale, key, u):
    """Whether a point of the dominating stream, with this uniform number, does not come to the sale.

    Thinning keeps arrivals independent of the policy: all agents meet the same customers (Lewis & Shedler 1979). Where
    push messages and ads depend on the intent, the person is drawn first. Past customers come by themselves or by a
    push; no auction is held for them.
    """
    of_retention = option(rules, "retention")
    past = retention.share_of_past(of_retention, option(sale, "retention"), rules, voices, sale, key)
    share = sale.coming_share * past
    if u < share:
        return misses_push(option(rules, "push"), option(sale, "push"), rules, voices, sale, key, u, share)
    if retention.is_past(of_retention, key):
        return True
    return ads.loses(option(rules, "ads"), option(sale, "ads"), rules, voices, sale, key, u)


@scalar
def misses_push(of_rules, of_push, rules, voices, sale, key, u, share):
    """Whether a point below this share does not come, for want of a push; both records are None in a sale without."""
    if of_rules is None or of_push is None:
        return False
    row = retention.pick_voice(option(rules, "retention"), option(sale, "retention"), rules, voices, sale, key)
    return push.misses(of_rules, of_push, voices[row], u, share)


@scalar
def pick_voice(rules, voices, sale, key):
    """Row of the voice of the customer who is here: of a person whom the shop knows, or drawn by the key."""
    drawn = retention.pick_voice(option(rules, "retention"), option(sale, "retention"), rules, voices, sale, key)
    return persons.voice_of(option(sale, "persons"), drawn)


@inlined
def serve(key, time, origin, rules, voices, sale, context):
    """Serve one customer; a point of the dominating stream only if it comes. A visit is recorded if a record is left.

    A promotion may end in mid-tick, when its budget or the last unit it applies to is gone. The share of the stream
    that comes then changes at the time of this customer.
    """
    drift, records = context
    marks = streams.subkey(key, streams.MARKS)
    share = sale.coming_share
    of_persons = option(sale, "persons")
    is_bot, u = bots.split(option(sale, "bots"), streams.upper32(marks))
    if origin == customers.FRESH and is_bot:
        visit_of_bot(option(rules, "bots"), option(sale, "bots"), rules, sale, key, time)
    elif origin == customers.FRESH and stays_away(rules, voices, sale, key, u):
        return
    elif origin == customers.KNOWN and persons.stays_away(option(rules, "retention"), of_persons, voices, sale, key):
        return
    elif origin != customers.RETURN and bots.turns_away(option(rules, "bots"), option(sale, "bots"), sale, key):
        row = pick_voice(rules, voices, sale, key)
        fairness.screen(option(sale, "fairness"), voices[row])
        leave_unserved(option(sale, "bots"), rules, voices[row], sale, key, marks, drift)
        persons.end_visit(option(rules, "retention"), of_persons, voices, sale, key, row)
    else:
        row = pick_voice(rules, voices, sale, key)
        number = sale.visits
        if number < len(records):
            look = waiting.look_of(option(sale, "waiting"), origin == customers.RETURN)
            log.record_offer(rules, sale, voices[row], row, look, key, records[number])
        opened, bought, pays, clips = visit(rules, voices[row], sale, key, marks, time, origin, drift)
        if number < len(records):
            wrote = origin != customers.RETURN and messages.writes(option(rules, "messages"), marks)
            log.record_outcome(rules, option(sale, "basket"), opened, bought, pays, clips, wrote, records[number])
        persons.end_visit(option(rules, "retention"), of_persons, voices, sale, key, row)
    if sale.coming_share != share:
        arrivals.count_share(sale, share, time)


@scalar
def book(rules, sale, closes, terms):
    """Write the reward terms of the tick that just ended and return their sum, the reward."""
    terms[:] = 0.0
    composition.settle(rules, sale, closes, terms)
    reward = 0.0
    for k in range(len(terms)):
        reward += terms[k]
        sale.money[k] += terms[k]
    return reward


@scalar
def run_tick(rules, voices, schedule, grids, encoding, action, sale, terms, records):
    """Play one tick and return its reward."""
    composition.begin_tick(rules, sale)
    composition.decide(rules, sale, grids, encoding, action)
    stock.receive(rules, sale)
    composition.write_tags(rules, sale)
    rate = schedule[sale.tick, 0] * sale.traffic * rules.most_traffic
    rate = retention.dominating(option(rules, "retention"), rate)
    rate += bots.join(option(rules, "bots"), option(sale, "bots"), rules, sale, schedule, rate)
    tick_key = streams.subkey(sale.key, sale.tick)
    persons.invite(option(rules, "retention"), option(sale, "persons"), rules, voices, sale, schedule)
    drift = schedule[sale.tick, 1]
    context = (drift, records)
    customers.meet_all(rules, voices, sale, rules.arrival_law, tick_key, rate, guests.next_guest, serve, context)
    arrivals.count_share(sale, sale.coming_share, 1.0)
    closes = sale.tick + 1 >= rules.horizon
    composition.end_tick(rules, sale, closes)
    arrivals.remember_tick(rules, sale, schedule)
    sale.tick += 1
    return book(rules, sale, closes, terms)
