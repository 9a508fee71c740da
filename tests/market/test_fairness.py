"""Fairness is measured without changing a purchase, and one price for everybody scores exactly 0."""

import dataclasses

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.intents import ByIntent
from flashsale_env.market.fairness import OUTCOMES, by_group, counts
from flashsale_env.scenario import METRICS, REWARD_TERMS
from flashsale_env.theory.bounds import hindsight_bound
from flashsale_env.theory.fairness import fair_prices, limited_prices, mean_prices
from flashsale_env.theory.signal import best_single_price, price_by_prediction, revenue_of_prices

pytestmark = pytest.mark.uncompiled

SALES = 6
SEEDS, EPISODES = np.arange(SALES, dtype=np.uint64), np.zeros(SALES, np.int64)
INTENTS = len(fs.INTENTS)


def population(clip=1.0):
    """Three voices of three intents, each predicted without error; they differ in price sensitivity."""
    return fs.Population(
        products=("lamp", "desk"),
        utterances=("a", "b", "c"),
        languages=("en",) * 3,
        intent_probabilities=np.eye(INTENTS, dtype=np.float32)[:3],
        latent_class=np.arange(3),
        relevance=np.array([[2.0, 1.0], [2.0, 2.0], [1.0, 3.0]], np.float32),
        price_sensitivity=np.array([2.0, 1.0, 0.5], np.float32),
        coupon_affinity=np.full(3, clip, np.float32),
        weight=np.ones(3, np.float32),
    )


def sale(**parts):
    fields = {
        "name": "small",
        "horizon_ticks": 6,
        "tick_minutes": 1.0,
        "products": (fs.Product("lamp", (79.0, 69.0, 59.0), 25), fs.Product("desk", (199.0, 149.0), 15)),
        "arrivals": fs.Arrivals(15.0),
        "messages": fs.Messages(0.3),
        "fairness": fs.Fairness(),
    }
    return fs.Scenario(**(fields | parts))


def play(scenario, customers=None, levels=None, **options):
    """Simulator after the close; column -> level on top of random prices, and the sum of all rewards."""
    customers = population() if customers is None else customers
    simulator = fs.Simulator(scenario, customers, sales=SALES, actions="multidiscrete", **options)
    simulator.open(SEEDS, EPISODES)
    rng = np.random.default_rng(4)
    rewards = np.zeros(SALES)
    while not simulator.closed.all():
        action = np.zeros((SALES, len(simulator.codec.names)), np.int64)
        action[:, simulator.codec.columns("price")] = rng.integers(0, 2, (SALES, 2))
        for name, level in (levels or {}).items():
            action[:, simulator.codec.columns(name)] = level
        rewards += simulator.advance(action)[1]
    return simulator, rewards


def metric(simulator, name):
    return simulator.measure()[:, list(METRICS).index(name)]


def term(simulator, name):
    return simulator.sales["money"][:, list(REWARD_TERMS).index(name)]


def test_measuring_fairness_changes_no_bit_of_the_sale():
    coupon, targeted = fs.Coupon((0.0, 0.2), 300.0), fs.Targeted((0.0, 0.3))
    levels = {"coupon": 1, "targeted": [1] + [0] * (INTENTS - 1)}
    with_it, rewards = play(sale(coupon=coupon, targeted=targeted), levels=levels)
    without, same_rewards = play(sale(coupon=coupon, targeted=targeted, fairness=None), levels=levels)
    assert rewards.tobytes() == same_rewards.tobytes()
    for name in without.sales.dtype.names:
        assert with_it.sales[name].tobytes() == without.sales[name].tobytes(), name
    assert with_it.observe().tobytes() == without.observe().tobytes()


def test_one_price_for_everybody_scores_exactly_zero():
    """Public prices that change from tick to tick, a coupon that everybody clips, one offer to all intents."""
    coupon = fs.Coupon((0.0, 0.2), 1e9)
    for scenario, levels in (
        (sale(), {}),
        (sale(coupon=coupon), {"coupon": 1}),
        (sale(targeted=fs.Targeted((0.0, 0.3))), {"targeted": 1}),
    ):
        simulator, _ = play(scenario, levels=levels)
        assert (by_group(simulator.sales)["units"][:, :3] > 0).all()
        assert (metric(simulator, "price_gap") == 0.0).all()


def test_the_price_gap_is_that_of_the_offers():
    """The first intent is offered 30 % off: the others pay 1/.7 of its price."""
    simulator, _ = play(sale(targeted=fs.Targeted((0.0, 0.3))), levels={"targeted": [1] + [0] * (INTENTS - 1)})
    relative = by_group(simulator.sales)["relative_price"]
    assert relative[:, 0] == pytest.approx(0.7, abs=1e-9)
    assert (relative[:, 1:3] == 1.0).all()
    assert np.isnan(relative[:, 3:]).all(), "no customer has these intents"
    assert metric(simulator, "price_gap") == pytest.approx(1 / 0.7 - 1, abs=1e-8)


def test_groups_add_up_to_the_sale():
    simulator, _ = play(sale(coupon=fs.Coupon((0.0, 0.2), 300.0)), population(clip=0.5), {"coupon": 1})
    table = by_group(simulator.sales)
    assert (table["customers"].sum(axis=1) == simulator.sales["customers"]).all()
    assert (table["units"].sum(axis=1) == simulator.sales["sold"].sum(axis=1)).all()
    assert (table["buyers"] == table["units"]).all(), "everybody buys one unit"
    assert (table["special_units"] == 0).all(), "no special price in this sale"
    assert (metric(simulator, "buyers") == table["buyers"].sum(axis=1)).all()
    surplus = np.nansum(table["surplus_per_customer"] * table["customers"], axis=1)
    assert metric(simulator, "consumer_surplus") == pytest.approx(surplus)


@pytest.mark.parametrize("model", ["mnl", "exponential"])
def test_nobody_pays_more_than_the_reservation_price(model):
    """And the surplus of a sale is that of its customers, one by one, by the log of the choices."""
    customers = population()
    if model == "exponential":
        customers = dataclasses.replace(customers, relevance=np.zeros((3, 2), np.float32))
    scenario = sale(choice=fs.Choice(model), coupon=fs.Coupon((0.0, 0.3), 500.0))
    simulator, _ = play(scenario, customers, {"coupon": 1}, log_rows=500)
    table = by_group(simulator.sales)
    # Single precision of the tags.
    assert (simulator.sales["fairness"]["surplus"] > -1e-4).all()
    log = simulator.choice_log()
    bought = log[log["bought"] < 2]
    voice_of = bought["voice"]
    counts = np.zeros((SALES, INTENTS))
    np.add.at(counts, (bought["row"], voice_of), 1)
    assert (table["buyers"] == counts).all()


def test_lower_prices_leave_more_surplus_to_the_same_customers():
    scenario = sale(products=(fs.Product("lamp", (79.0, 59.0), 500), fs.Product("desk", (199.0, 149.0), 500)))
    dear, _ = play(scenario, levels={"price": 0})
    cheap, _ = play(scenario, levels={"price": 1})
    gained = metric(cheap, "consumer_surplus") - metric(dear, "consumer_surplus")
    # Everybody who buys at the higher price saves at least the difference.
    assert (gained >= (dear.sales["sold"] * [20.0, 50.0]).sum(axis=1) - 1e-3).all()


def test_parity_of_surplus_is_one_if_nobody_gains_and_at_most_one():
    simulator, _ = play(sale(arrivals=fs.Arrivals(0.0)))
    assert (metric(simulator, "surplus_parity") == 1.0).all()
    simulator, _ = play(sale())
    parity = metric(simulator, "surplus_parity")
    per_customer = by_group(simulator.sales)["surplus_per_customer"][:, :3]
    assert parity == pytest.approx(per_customer.min(axis=1) / per_customer.max(axis=1))
    assert ((parity >= 0) & (parity < 1)).all()


def test_the_penalty_is_in_the_reward_and_never_in_the_profit():
    targeted, levels = fs.Targeted((0.0, 0.3)), {"targeted": [1] + [0] * (INTENTS - 1)}
    free, rewards = play(sale(targeted=targeted), levels=levels)
    charged, lower = play(sale(targeted=targeted, fairness=fs.Fairness(penalty=50.0)), levels=levels)
    assert term(charged, "unfairness") == pytest.approx(-50.0 * metric(charged, "price_gap"))
    assert lower == pytest.approx(rewards + term(charged, "unfairness"))
    assert (term(charged, "unfairness") < 0).all()
    assert metric(charged, "profit").tobytes() == metric(free, "profit").tobytes()


def test_a_penalty_without_personal_prices_is_refused():
    with pytest.raises(ValueError, match=r"fairness\.penalty 5 does nothing: every customer pays the public price"):
        sale(fairness=fs.Fairness(penalty=5.0))
    with pytest.raises(ValueError, match=r"fairness\.penalty must be at least 0"):
        fs.Fairness(penalty=-1.0)


def test_customers_of_one_intent_are_warned_about():
    alike = dataclasses.replace(population(), latent_class=np.zeros(3, np.int64))
    with pytest.warns(UserWarning, match="all are of one intent, so there are no groups"):
        fs.Simulator(sale(), alike)


def test_the_hindsight_bound_is_that_of_the_sale_without_it():
    measured = sale(targeted=fs.Targeted((0.0, 0.3)), fairness=fs.Fairness(penalty=5.0))
    plain = measured.replace(fairness=None)
    bounds = [hindsight_bound(scenario, population(), seeds=SEEDS).per_sale for scenario in (measured, plain)]
    assert bounds[0].tobytes() == bounds[1].tobytes()


@pytest.mark.parametrize(
    ("alpha", "revenue", "welfare"),
    [(0.0, 0.625, 0.9375), (0.25, 0.610938, 0.986719), (0.5, 0.56875, 1.021875), (1.0, 0.5, 0.75)],
)
def test_a_limit_on_the_gap_costs_revenue_and_earns_what_was_computed(alpha, revenue, welfare):
    outcome = fair_prices((1.0, 4.0), (0.5, 0.5), alpha)
    assert outcome.revenue == pytest.approx(revenue, abs=1e-6)
    assert outcome.welfare == pytest.approx(welfare, abs=1e-6)


def test_no_other_prices_within_the_limit_earn_more():
    """A grid over both prices, for several groups and limits."""
    for tops, share, alpha in (((1.0, 4.0), 0.5, 0.4), ((1.0, 2.0), 0.7, 0.8), ((1.0, 9.0), 0.9, 0.95)):
        shares = (share, 1 - share)
        low, high = np.meshgrid(np.linspace(0, tops[1], 1801), np.linspace(0, tops[1], 1801), indexing="ij")
        earned = shares[0] * low * np.maximum(0, 1 - low / tops[0]) + shares[1] * high * (1 - high / tops[1])
        earned[np.abs(high - low) > (1 - alpha) * (tops[1] - tops[0]) / 2 + 1e-9] = 0.0
        best = fair_prices(tops, shares, alpha)
        assert earned.max() <= best.revenue + 1e-12
        assert earned.max() == pytest.approx(best.revenue, rel=1e-4)


def test_welfare_rises_and_then_falls_as_the_limit_tightens():
    alphas = np.linspace(0, 1, 101)
    welfare = np.array([fair_prices((1.0, 4.0), (0.5, 0.5), alpha).welfare for alpha in alphas])
    turn = int(welfare.argmax())
    assert 0 < turn < 100
    assert (np.diff(welfare[: turn + 1]) > 0).all()
    assert (welfare[turn + 1 :] == 0.75).all(), "the group with low valuations is given up"


def test_the_ranges_of_the_theory_are_checked():
    with pytest.raises(ValueError, match=r"want tops that rise from above 0"):
        fair_prices((4.0, 1.0), (0.5, 0.5), 0.5)


def test_only_what_is_paid_counts_and_units_at_a_special_price_have_a_column():
    """With carts some never pay; in a seckill the special price is the public one, so it makes no gap."""
    scenario = sale(
        seckill=fs.Seckill((0.0, 3.0), 0.4, (5,)), carts=fs.Carts(10.0, paid_per_minute=0.1, given_up_per_minute=0.1)
    )
    simulator, _ = play(scenario)
    table = by_group(simulator.sales)
    assert (table["units"].sum(axis=1) == simulator.sales["sold"].sum(axis=1)).all()
    assert (table["buyers"] == table["units"]).all()
    assert (table["special_units"].sum(axis=1) > 0).all()
    assert (table["special_units"].sum(axis=1) <= simulator.sales["seckill"]["claimed"]).all()
    assert (metric(simulator, "price_gap") == 0.0).all()


def test_every_customer_is_served_or_turned_away_and_the_counts_are_those_of_the_sale():
    """Groups add up to what the mechanisms themselves count: queue, screening, empty shelves, money."""
    scenario = sale(
        horizon_ticks=4,
        products=(fs.Product("lamp", (79.0, 69.0), 6), fs.Product("desk", (199.0, 149.0), 4)),
        arrivals=fs.Arrivals(25.0),
        coupon=fs.Coupon((0.0, 0.2), 1e9),
        service=fs.Service((1, 2), requests_per_minute=6.0, patience_minutes=ByIntent.read(0.5, "")),
        bots=fs.Bots(ByIntent.read(0.3, ""), screening=(0.0, 0.9), false_positives=0.4),
    )
    simulator, _ = play(scenario, population(clip=0.5), {"coupon": 1, "screening": 1, "servers": 0})
    found, sales = counts(simulator.sales), simulator.sales
    total = {name: column.sum(axis=1) for name, column in found.items()}
    assert (total["customers"] == sales["customers"]).all()
    assert (total["screened"] == sales["bots"]["turned_away"]).all()
    assert (total["screened"] > 0).any()
    assert (total["gave_up"] == sales["customers"] - sales["visits"] - total["screened"]).all()
    assert (total["gave_up"] > 0).any()
    assert (total["out_of_stock"] > 0).any()
    # Those who never saw the shop are lost sales too, if their first choice was out.
    assert (total["out_of_stock"] <= metric(simulator, "lost_sales")).all()
    assert (total["buyers"] + total["out_of_stock"] <= sales["visits"]).all()
    assert total["received"] == pytest.approx(0.5 * sales["visits"], abs=4 * np.sqrt(sales["visits"].max() / 4))
    assert (total["recognised"] == total["customers"]).all(), "these voices are predicted without error"
    assert (total["confidence"] == total["customers"]).all()


def test_what_groups_pay_is_the_revenue_and_an_outcome_is_a_ratio_of_counts():
    simulator, _ = play(sale(coupon=fs.Coupon((0.0, 0.2), 300.0)), population(clip=0.5), {"coupon": 1})
    found = counts(simulator.sales)
    assert found["paid"].sum(axis=1) == pytest.approx(term(simulator, "revenue"))
    part, whole = OUTCOMES["mean_price"].of(found)
    assert (part.sum() / whole.sum()) == pytest.approx(term(simulator, "revenue").sum() / simulator.sales["sold"].sum())
    part, _ = OUTCOMES["overconfidence"].of(found)
    assert (part == 0).all()


def test_groups_may_be_languages():
    """The same sale, counted otherwise: two voices of one language make one group."""
    mixed = dataclasses.replace(population(), languages=("zh", "en", "zh"))
    by_intent, rewards = play(sale(), mixed)
    scenario = sale(fairness=fs.Fairness(by="language"))
    assert scenario.fairness.groups(mixed) == ("en", "zh")
    by_language, same_rewards = play(scenario, mixed)
    assert rewards.tobytes() == same_rewards.tobytes()
    one, other = counts(by_intent.sales), counts(by_language.sales)
    for name in one:
        np.testing.assert_allclose(other[name][:, 0], one[name][:, 1])
        np.testing.assert_allclose(other[name][:, 1], one[name][:, 0] + one[name][:, 2])
        assert (other[name][:, 2:] == 0).all()


def test_groups_that_do_not_exist_or_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"fairness\.by: unknown grouping 'langauge'. Did you mean 'language'"):
        fs.Fairness(by="langauge")
    with pytest.warns(UserWarning, match="all are of one language, so there are no groups"):
        fs.Simulator(sale(fairness=fs.Fairness(by="language")), population())
    many = dataclasses.replace(
        population(),
        **{
            name: np.repeat(getattr(population(), name), 4, axis=0)
            for name in ("intent_probabilities", "latent_class", "relevance", "price_sensitivity")
        },
        coupon_affinity=np.ones(12, np.float32),
        weight=np.ones(12, np.float32),
        utterances=tuple("abcdefghijkl"),
        languages=tuple("abcdefghijkl"),
    )
    with pytest.raises(ValueError, match=r"room for 9 languages, and these customers write in 12"):
        fs.Fairness(by="language").group_of(many)


MEANS, SHARES = (40.0, 80.0, 160.0), (0.5, 0.35, 0.15)
CONFUSION = np.array([[0.9, 0.08, 0.02], [0.1, 0.8, 0.1], [0.0, 0.1, 0.9]])


def test_without_room_one_price_is_best_and_with_enough_room_that_of_each_prediction():
    alike, price = best_single_price(MEANS, SHARES)
    revenue, prices = limited_prices(MEANS, SHARES, CONFUSION, 0.0)
    assert revenue == pytest.approx(alike)
    assert prices == pytest.approx(price, rel=1e-4)
    free, best = price_by_prediction(MEANS, SHARES, CONFUSION)
    revenue, prices = limited_prices(MEANS, SHARES, CONFUSION, 1000.0)
    assert revenue == free
    assert (prices == best).all()


def test_no_prices_of_a_grid_within_the_limit_earn_more():
    earned = []
    for most in (10.0, 30.0, 60.0):
        revenue, prices = limited_prices(MEANS, SHARES, CONFUSION, most)
        assert np.ptp(mean_prices(MEANS, CONFUSION, prices)) <= most + 1e-6
        assert revenue == pytest.approx(revenue_of_prices(MEANS, SHARES, CONFUSION, prices))
        grid = np.stack(np.meshgrid(*[np.linspace(30.0, 180.0, 26)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        within = [p for p in grid if np.ptp(mean_prices(MEANS, CONFUSION, p)) <= most]
        assert len(within) > 20
        assert max(revenue_of_prices(MEANS, SHARES, CONFUSION, p) for p in within) <= revenue + 1e-9
        earned.append(revenue)
    assert earned == sorted(earned)
    with pytest.raises(ValueError, match="want a limit of at least 0"):
        limited_prices(MEANS, SHARES, CONFUSION, -1.0)
