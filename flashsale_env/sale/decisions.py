"""From the numbers an agent sends to prices, orders and a coupon.

Owns    the decoding of an action into what happens in the sale.
Axes    grid row j is the price levels of product j, M + j its order levels, 2M the coupon depths, 2M + 1 + i the depths
        of the offer to intent i. `rules.column[row]`
        is the action's column for that row, or -1 where the row has one level and nothing is to be decided.
Units   a box action lies in [-1, 1] and is cut into cells of equal width, one a level: -1 is level 0 (list price, no
        order, no coupon) and +1 the last level. A level action is the number of the level itself. A price of 0 means
        that the product is not offered.
"""

import math

from flashsale_env.core.compiler import nan_aware_scalar, scalar

BOX, LEVELS = 0, 1
NO_LIMIT = 1 << 62


@nan_aware_scalar
def is_valid(rules, encoding, action):
    """Whether every column is finite and inside its range."""
    if encoding == BOX:
        for c in range(len(action)):
            if not (-1.0 <= action[c] <= 1.0):
                return False
        return True
    for row in range(rules.n_rows):
        c = rules.column[row]
        if c >= 0 and not (0 <= action[c] < rules.n_levels[row]):
            return False
    return True


@scalar
def level_of(rules, encoding, action, row):
    """The level chosen for this grid row."""
    c = rules.column[row]
    if c < 0:
        return 0
    if encoding == LEVELS:
        return int(action[c])
    level = int((action[c] + 1.0) * 0.5 * rules.n_levels[row])
    return min(level, rules.n_levels[row] - 1)


@scalar
def available_to_order(rules, sale, j):
    """Units of product j that an order can bring now: what the reserve has and the storage takes."""
    units = NO_LIMIT if rules.unlimited_supply else sale.reserve[j]
    if rules.storage[j] > 0:
        room = rules.storage[j] - sale.on_hand[j]
        for slot in range(rules.n_slots):
            room -= sale.inbound[slot, j]
        units = min(units, room)
    return units


@scalar
def apply(rules, grids, encoding, action, sale):
    """Event 1 of a tick: prices and coupon take effect, orders leave the reserve and are paid."""
    n_products = rules.n_products
    sale.tick_procurement = 0.0
    sale.tick_ordering = 0.0
    arrival_slot = (sale.tick + rules.lead_ticks) % rules.n_slots
    for j in range(n_products):
        if rules.continuous_prices and encoding == BOX and rules.column[j] >= 0:
            last = rules.n_levels[j] - 1
            weight = (action[rules.column[j]] + 1.0) * 0.5
            sale.price[j] = grids[j, 0] + weight * (grids[j, last] - grids[j, 0])
        else:
            sale.price[j] = grids[j, level_of(rules, encoding, action, j)]
        row = n_products + j
        wanted = grids[row, level_of(rules, encoding, action, row)]
        units = min(math.floor(wanted + 0.5), available_to_order(rules, sale, j))
        if units > 0:
            if not rules.unlimited_supply:
                sale.reserve[j] -= units
            sale.inbound[arrival_slot, j] += units
            sale.ordered[j] += units
            sale.tick_procurement += rules.unit_cost[j] * units
            sale.tick_ordering += rules.order_cost + rules.freight_per_unit * units
    sale.coupon_depth = grids[2 * n_products, level_of(rules, encoding, action, 2 * n_products)]
    if rules.targeted:
        for i in range(rules.n_intents):
            row = 2 * n_products + 1 + i
            sale.targeted_depth[i] = grids[row, level_of(rules, encoding, action, row)]
