"""The start of a sale: its stock, its unobserved shocks and the messages that arrived before it.

Sales differ in their mix of intents, the appeal of their products and their traffic; none of these is observed. The
messages are observed: the encoder's probabilities of them are part of the first observation.
"""

from flashsale_env.core import streams
from flashsale_env.core.compiler import scalar
from flashsale_env.core.records import option
from flashsale_env.market import arrivals, messages
from flashsale_env.sale import composition, customers


@scalar
def read(key, time, origin, rules, voices, sale, read_so_far):
    """Add one message by a customer from the mix of this sale."""
    row = arrivals.pick_voice(rules, voices, sale, key)
    messages.leave(read_so_far, voices[row], rules.n_intents)


@scalar
def read_messages(of_messages, read_so_far, rules, voices, sale):
    """A Poisson number of messages before the start; both records are None in a sale without messages."""
    if of_messages is None or read_so_far is None:
        return
    rate = of_messages.before_opening * sale.traffic
    tick_key = streams.subkey(sale.key, streams.OPENING)
    customers.meet_all(rules, voices, sale, arrivals.POISSON, tick_key, rate, customers.nobody, read, read_so_far)


@scalar
def open_sale(rules, voices, grids, seed, episode, sale):
    """Set every field of the sale to its initial state. The record must be zero beforehand."""
    sale.key = streams.sale_key(seed, episode)
    sale.seed = seed
    sale.episode = episode
    composition.open_mechanisms(rules, sale, grids)
    composition.write_tags(rules, sale)
    read_messages(option(rules, "messages"), option(sale, "messages"), rules, voices, sale)
