"""Ceilings: what no shop could earn, and no crowd could be, in sales with any mechanism.

Owns    the proof that bounds the profit of a closed sale; the accounts by which its money must have come in; the share
        of the dominating stream that promotions may have brought.
Axes    S sales, M products, C customers of one sale.
Units   currency; traffic as a share of the dominating stream.

All three are written from what the mechanisms promise, in plain numpy, and never call their code.
"""

import numpy as np

from flashsale_env import MECHANISMS, METRICS, REWARD_TERMS, Simulator
from flashsale_env.theory import hindsight
from flashsale_env.theory.bounds import _Supply

# Price tags are single precision.
_PRECISION = 1e-5
_ROUNDING = 1e-9


def metrics_of(simulator):
    """Name -> (S,) of every metric."""
    return dict(zip(METRICS, simulator.measure().T, strict=True))


def ceiling(scenario, population, seeds, ordered, friends):
    """(S,) what no shop could earn in these sales with the units that were ordered, (S, M), and the friends who came,
    (S,); currency.

    A sale is relaxed in the shop's favour to the assignment of units to people, whose value `theory.bounds` bounds from
    above, for any worth w_j >= salvage value of the units:

        sum_people most_units · max_j (payment_j - w_j)^+ + sum_j w_j·(stock_j + ordered_j)

    less the cost of the opening stock, unit cost and freight of all orders, and the fewest servers in every tick. It
    holds because

    1. *Who comes.* Everybody is a point of the dominating stream, at the most traffic of all lifts and auctions
       together and with all past customers who could come, or a friend. Points do not depend on the policy; of friends,
       the number that came is taken as it is.
    2. *How often.* Whoever buys, or opens a cart, never comes back. So each person takes at most `basket.most_units`,
       with a bot at most `bots.units`, however often the person looks.
    3. *How much.* A unit costs at most its list price: coupons, offers, special prices, bundles and deals only lower
       it; a parcel adds at most the fee. Without bundles, deal and fee each unit is taken for itself, and satiation
       only lowers its worth, so it costs at most the reservation price. With them that holds for the mean over a basket
       of one product. In a basket of several products the sum might shift between them: there, whoever would buy
       something is taken to pay all list prices. Friends are taken to pay list prices as well.
    4. *The best moment.* The reservation price is that of the tick with the highest drift for those who wait, with the
       page that wins most. Waiting in a queue only lowers it.
    5. *Bots* pay at most the resale value, and their harm is a cost.
    6. *Returns.* A unit that comes back earns its part of the fee and at most its salvage value, which is at most w_j:
       so nothing is added without a fee, and a salvage value with one.
    7. *Costs.* Ordering, holding, handling, parcels, idle servers, messages and ads are at most 0 and left out.
    """
    simulator = Simulator(scenario, population, sales=len(seeds))
    simulator.open(np.asarray(seeds, np.uint64), np.zeros(len(seeds), np.int64))
    supply = _Supply(simulator)
    fee = scenario.delivery.fee if scenario.delivery else 0.0
    most = supply.list_price + fee
    units = scenario.basket.most_units if scenario.basket else 1
    if scenario.bots:
        units = max(units, scenario.bots.units)
    if scenario.disclosure:
        simulator.sales["disclosure"]["logits"][:] = _most_logits(scenario)
    together = any(part is not None for part in (scenario.deal, scenario.bundles)) or fee > 0
    opening, opening_cost = supply.stock, supply.opening_cost
    supply.reserve, supply.dearest = np.zeros(len(most)), np.full(len(most), np.inf)
    out = np.empty(len(seeds))
    for row in range(len(seeds)):
        payments = _reservation_prices(simulator, row)
        if together and len(most) > 1:
            payments = np.where((payments > 0.0).any(axis=1, keepdims=True), most, 0.0)
        if scenario.bots:
            payments = np.maximum(payments, _payment_of_bot(scenario))
        payments = np.minimum(payments * (1.0 + _PRECISION), most)
        payments = np.vstack([payments, np.tile(most, (int(friends[row]), 1))])
        if scenario.returns and fee:
            payments += supply.salvage
        supply.stock = opening + ordered[row]
        supply.opening_cost = opening_cost + float(ordered[row] @ supply.landed_cost)
        out[row] = supply.assignment_value(np.repeat(payments, units, axis=0))
    return out - _least_service(scenario)


def _reservation_prices(simulator, row):
    """(C, M) of all points of a sale's stream, bots included, at the best moment, currency."""
    scenario, rules = simulator.scenario, simulator.instance.rules[0]
    schedule = simulator.instance.schedule.copy()
    sale = simulator.sales[row]
    if scenario.waiting:
        schedule[:, 1] = schedule[:, 1].max()
    if scenario.bots:
        share = np.asarray(scenario.bots.share)[rules["class_intent"][: rules["n_classes"]]]
        per_customer = np.diff(sale["mix"][: len(share)], prepend=0.0) @ share
        past = 1.0 + rules["retention"]["most_past"] if scenario.retention else 1.0
        schedule[:, 0] += schedule[:, rules["along"]["bots"]] * per_customer / (rules["most_traffic"] * past)

    def ask(payments, number):
        simulator.ask_core(
            lambda sales, rules, voices, _: hindsight.customers_of(
                sales, rules, voices, schedule, row, payments, number
            )
        )

    number = np.zeros(1, np.int64)
    ask(np.empty((0, len(scenario.products))), number)
    payments = np.empty((int(number[0]), len(scenario.products)))
    number[0] = 0
    ask(payments, number)
    return payments


def _most_logits(scenario):
    """The most that any page can add to the utility of a product, logits."""
    page = scenario.disclosure
    shown = max((page.plenty, *(logits + more for logits in page.units_left for more in page.scarcity)))
    return np.float32(max(0.0, shown + page.claimed + max(0.0, *page.hurry)))


def _payment_of_bot(scenario):
    """(M,) the most that a bot pays for a unit, less its harm."""
    resale = np.array([scenario.bots.resale_share * product.reference_price for product in scenario.products])
    return np.maximum(resale - scenario.bots.harm_per_unit, 0.0)


def _least_service(scenario):
    """The cost of the fewest servers from start to close, currency."""
    service = scenario.service
    hours = scenario.sale_minutes / 60.0
    return service.servers[0] * service.cost_per_server_hour * hours if service else 0.0


def audit(simulator):
    """Assert that the money of closed sales is that of units, parcels and servers, term by term."""
    scenario, sales, metrics = simulator.scenario, simulator.sales, metrics_of(simulator)
    products = scenario.products
    money = dict(zip(REWARD_TERMS, sales["money"].T, strict=True))
    sold, ordered, inbound = sales["sold"], sales["ordered"], sales["inbound"].sum(axis=1)

    def each(name):
        return np.array([getattr(product, name) for product in products])

    # Units: none is sold that was never there.
    opening = each("initial_stock")
    returned = sales["returns"]["returned"] if scenario.returns else np.zeros_like(sold)
    assert (sales["on_hand"] - returned + sold == opening + sales["received"]).all()
    assert (sales["received"] + inbound == ordered).all()
    if not (scenario.replenishment and scenario.replenishment.unlimited):
        assert (ordered <= each("reserve")).all()
    if scenario.carts:
        assert (sales["carts"]["reserved"] == 0).all()

    # Money: every term from a counter, so none can grow without one.
    freight = scenario.replenishment.freight_per_unit if scenario.replenishment else 0.0
    left = opening + ordered - sold
    parcels, bot_units = metrics["parcels"], metrics["bot_units"]
    most = {
        "revenue": sold @ each("list_price"),
        "procurement": -ordered @ each("unit_cost"),
        "ordering": -freight * ordered.sum(axis=1),
        "holding": 0.0,
        "salvage": left @ each("salvage_value"),
        "lost_sales": 0.0,
        "delivery": parcels * (scenario.delivery.fee - scenario.delivery.cost) if scenario.delivery else 0.0,
        "refunds": 0.0,
        "handling": -scenario.returns.handling * returned.sum(axis=1) if scenario.returns else 0.0,
        "returned_goods": returned @ each("salvage_value"),
        "service": -_least_service(scenario),
        "push": -metrics["push_spend"],
        "ads": -metrics["ad_spend"],
        "scalping": -scenario.bots.harm_per_unit * bot_units if scenario.bots else 0.0,
        "unfairness": 0.0,
        "restocking": 0.0,
        "carrying": 0.0,
    }
    assert most.keys() == money.keys(), "a new term of the reward: say here what it can be at most"
    for name, highest in most.items():
        assert (money[name] <= highest + _ROUNDING * (1.0 + np.abs(highest))).all(), name
    assert (parcels <= sold.sum(axis=1)).all()
    assert (-money["refunds"] <= money["revenue"] * (1.0 + _ROUNDING)).all()
    counted = sum(money[name] for name, term in REWARD_TERMS.items() if term.is_money)
    np.testing.assert_allclose(metrics["profit"], counted - scenario.opening_stock_cost, rtol=1e-9, atol=1e-6)


class Referee:
    """The share of the dominating stream that may come in each tick, by what the promotions of the tick give.

    A lift counts while it costs something: a coupon while its budget covers the discount on something on hand, a
    special price in proportion to its depth below the lowest price so far, a badge by the units sold, a push by what
    was paid for it. Nobody comes by an ad that was not paid.
    """

    def __init__(self, simulator):
        self._simulator = simulator
        self._list = np.array([product.list_price for product in simulator.scenario.products])
        self._prior = np.tile(self._list, (len(simulator.sales), 1))
        self._before = simulator.sales.copy()
        self._adstock = np.zeros(len(simulator.sales))

    def allowed(self):
        """(S,) the highest share allowed in the tick that was just played."""
        scenario, now, before = self._simulator.scenario, self._simulator.sales, self._before
        known = {"seckill", "coupon", "contagion", "push"}
        lifting = {name for name, entry in MECHANISMS.items() if entry.present(scenario)} & known
        factor = np.ones(len(now))
        there = before["on_hand"] + now["received"] - before["received"] > 0
        offered = there & (now["price"] > 0.0)
        lowest = np.where(offered, now["price"], np.inf)
        if "seckill" in lifting:
            part, special = scenario.seckill, scenario.seckill.price_share * self._list
            self._prior = np.where(offered, np.minimum(self._prior, now["price"]), self._prior)
            claimed = (now["seckill"]["claimed"] > before["seckill"]["claimed"])[:, None]
            is_on = offered & ((now["seckill"]["left"] > 0) | claimed) & (special < now["price"])
            depth = np.where(is_on, np.maximum(0.0, 1.0 - special / self._prior), 0.0)
            factor *= 1.0 + part.traffic_lift * depth.mean(axis=1)
            lowest = np.where(is_on, np.minimum(lowest, special), lowest)
        if "coupon" in lifting:
            part, depth = scenario.coupon, now["coupon"]["depth"]
            covered = (lowest * np.where(depth > 0, depth, np.inf)[:, None]).min(axis=1) <= before["coupon"]["budget"]
            factor *= np.where(covered, 1.0 + part.traffic_lift * depth / part.depths[-1], 1.0)
        if "contagion" in lifting:
            share = np.minimum(1.0, before["sold"].sum(axis=1) / scenario.stock_scale.sum())
            factor *= 1.0 + scenario.contagion.claimed_lift * share
        if "push" in lifting:
            factor *= 1.0 + max(scenario.push.lift) * -np.expm1(-self._paid() / scenario.push.saturation)
        if scenario.ads is not None:
            won, spent = (now["ads"][name] - before["ads"][name] for name in ("won", "spend"))
            assert (now["ads"]["visits"] - before["ads"]["visits"] <= won).all()
            assert ((spent > 0) == (won > 0)).all()
            assert (now["ads"]["spend"] <= scenario.ads.budget * (1.0 + _ROUNDING)).all()
        self._before = now.copy()
        return factor / scenario.most_traffic

    def _paid(self):
        """(S,) the adstock of the tick if all that was paid had been for one audience, currency."""
        part, now = self._simulator.scenario.push, self._simulator.sales
        spent = now["push"]["spend"]
        assert (spent <= part.budget * (1.0 + _ROUNDING)).all()
        kept = (
            0.5 ** (self._simulator.scenario.tick_minutes / part.half_life_minutes) if part.half_life_minutes else 0.0
        )
        self._adstock = kept * self._adstock + spent - self._before["push"]["spend"]
        return self._adstock

    def check(self):
        """Assert that no more came than allowed; to be called after every tick."""
        assert (self._simulator.sales["tick_came"] <= self.allowed() * (1.0 + 1e-12)).all()
