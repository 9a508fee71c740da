"""The start of a sale: its stock, its unobserved shocks and the messages that arrived before it.

Sales differ in their mix of intents, the appeal of their products and their traffic; none of these is observed. The
messages are observed: the encoder's probabilities of them are part of the first observation.
"""

from flashsale_env.core import streams
from flashsale_env.core.compiler import entry_point, inlined, scalar
from flashsale_env.core.records import option
from flashsale_env.market import arrivals, campaign, messages, persons, retention
from flashsale_env.sale import composition, customers


@scalar
def read(key, time, origin, rules, voices, sale, read_so_far):
    """Add one message by a customer from the mix of this sale."""
    row = arrivals.pick_voice(rules, voices, sale, key)
    messages.leave(read_so_far, voices[row], rules.n_intents)


@inlined
def meet_writers(of_messages, rules, voices, sale, meet, context):
    """Call `meet` for everybody of a Poisson number of customers who write before the start, in order."""
    rate = of_messages.before_opening * sale.traffic
    tick_key = streams.subkey(sale.key, streams.OPENING)
    customers.meet_all(rules, voices, sale, arrivals.POISSON, tick_key, rate, customers.nobody, meet, context)


@scalar
def read_messages(of_messages, read_so_far, rules, voices, sale):
    """The messages before the start are read; both records are None in a sale without messages."""
    if of_messages is None or read_so_far is None:
        return
    meet_writers(of_messages, rules, voices, sale, read, read_so_far)


@scalar
def note_writer(key, time, origin, rules, voices, sale, context):
    """Write the voice of one message if a row is left, and count the message."""
    writers, number = context
    if number[0] < len(writers):
        writers[number[0]] = arrivals.pick_voice(rules, voices, sale, key)
    number[0] += 1


@scalar
def list_writers(of_messages, rules, voices, sale, context):
    """Note everybody who writes before the start; the record is None in a sale without messages."""
    if of_messages is None:
        return
    meet_writers(of_messages, rules, voices, sale, note_writer, context)


@entry_point
def writers_of(sales, rules, voices, schedule, row, writers, number):
    """Write the voices of the messages that arrived before the start of sale `row`, in order.

    Args:
        sales, rules, voices, schedule: as for the entry points of `sale.kernel`.
        row: number of the sale in the batch.
        writers: (rows,) out; messages beyond the last row are counted only.
        number: (1,) 0 beforehand; out: the number of messages.
    """
    list_writers(option(rules[0], "messages"), rules[0], voices, sales[row], (writers, number))


@scalar
def open_sale(rules, voices, grids, seed, episode, sale):
    """Set every field of the sale to its initial state. The record must be zero beforehand."""
    sale.key = streams.sale_key(seed, episode)
    sale.seed = seed
    sale.episode = episode
    composition.open_mechanisms(rules, sale, grids)
    composition.write_tags(rules, sale)
    read_messages(option(rules, "messages"), option(sale, "messages"), rules, voices, sale)


@scalar
def carry(of_campaign, rules, was, sale, profit):
    """A sale that has just opened follows a closed one; `of_campaign` is None in a sale without campaign."""
    if of_campaign is None:
        return
    campaign.carry(rules, was, sale, profit)
    retention.carry(option(rules, "retention"), option(was, "retention"), option(sale, "retention"), rules, sale)
    persons.carry(option(was, "persons"), option(sale, "persons"), sale)
    composition.write_tags(rules, sale)


@entry_point
def carry_over(sales, rules, voices, schedule, closed, profits, rows):
    """Give sale rows[k], which has just opened, what the sale before it leaves.

    Args:
        sales, rules, voices, schedule: as for the entry points of `sale.kernel`.
        closed: (rows,) the sales before, closed.
        profits: (rows,) of their campaigns so far, currency.
        rows: (rows,) numbers in the batch.
    """
    for k in range(len(rows)):
        carry(option(rules[0], "campaign"), rules[0], closed[k], sales[rows[k]], profits[k])
