"""What holds in every sale, over random combinations of all mechanisms and over every shipped scenario.

A combination is a compilation of its own, so all of this is played uncompiled. The same properties of compiled code,
over fewer mechanisms and more extreme settings, are in `tests/core/test_properties.py`.
"""

import dataclasses
import functools
import itertools
import math

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.agents import exact
from flashsale_env.campaign import CampaignSimulator
from flashsale_env.core.compiler import JIT_DISABLED
from flashsale_env.market import carts, choice
from flashsale_env.sale import customers, tick
from flashsale_env.spaces.masks import ActionMasks
from flashsale_env.theory import bounds

SALES = 2
SEEDS, EPISODES = np.arange(7, 7 + SALES, dtype=np.uint64), np.zeros(SALES, np.int64)
# An uncompiled customer takes a tenth of a millisecond and more.
MOST_CUSTOMERS, MOST_TICKS = 60.0, 60
# Products times ticks: what a tick without customers costs.
MOST_SHELVES = 1_000
RANDOM = 20
# Where further random cases end, for a mechanism or a setting that none of these shows.
RANDOM_AT_MOST = 400
OPTIONAL = [mechanism for mechanism, entry in fs.MECHANISMS.items() if entry.optional]


def random_seeds():
    """The first seeds, and for each mechanism that is in none of their cases the next one with it."""
    seeds = list(range(RANDOM))
    missing = {m for m in OPTIONAL if all(getattr(fs.generate(s, "validation"), m) is None for s in seeds)}
    for seed in range(RANDOM, RANDOM_AT_MOST):
        found = {m for m in missing if getattr(fs.generate(seed, "validation"), m) is not None}
        if found:
            seeds.append(seed)
            missing -= found
        if not missing:
            break
    return seeds


RANDOM_CASES = [f"random {seed}" for seed in (random_seeds() if JIT_DISABLED else range(RANDOM))]
CASES = [*RANDOM_CASES, *fs.SCENARIOS]

METRIC = {name: column for column, name in enumerate(fs.METRICS)}
TERM = {name: column for column, name in enumerate(fs.REWARD_TERMS)}
MONEY = np.array([term.is_money for term in fs.REWARD_TERMS.values()])
# With these the revenue is not the sum of the tags in the choice log: units that no visitor bought, that are not paid
# at once, or for another sum than the price on the tag.
BEYOND_THE_LOG = ("bots", "carts", "basket", "deal", "bundles", "delivery", "retention")

# Settings without an effect of their own in these cases.
NOT_ALONE = {
    ("replenishment", "unlimited"): "with it a reserve is idle, without it orders need one: it never changes alone",
    ("deal", "tiers"): "in place of `per` and `times`, so never alone",
    ("contagion", "most_coming"): "room in memory, and these sales are too small to fill it",
    ("waiting", "most_waiting"): "likewise",
}

pytestmark = [
    pytest.mark.uncompiled,
    pytest.mark.skipif(not JIT_DISABLED, reason="each combination would compile: set NUMBA_DISABLE_JIT=1"),
]
every_case = pytest.mark.parametrize("name", CASES)


@functools.cache
def scenario_of(name):
    """A case, with so few customers and ticks, longer ones, that an uncompiled sale takes a moment."""
    kind, _, seed = name.partition(" ")
    scenario = fs.generate(int(seed), "validation") if kind == "random" else fs.load_scenario(name)
    ticks = min(scenario.horizon_ticks, MOST_TICKS, MOST_SHELVES // len(scenario.products))
    if ticks < scenario.horizon_ticks:
        scenario = scenario.replace(horizon_ticks=ticks)
    expected = scenario.arrivals.customers_per_minute * scenario.sale_minutes
    fewer = scenario.arrivals.customers_per_minute * min(1.0, MOST_CUSTOMERS / expected)
    return scenario.replace(arrivals=dataclasses.replace(scenario.arrivals, customers_per_minute=fewer))


def opened(name, sales=SALES, first=0, **options):
    simulator = fs.Simulator(scenario_of(name), sales=sales, threads=1, **options)
    observations = simulator.open(SEEDS[first : first + sales], EPISODES[:sales])
    return simulator, observations


@functools.cache
def actions_of(name, policy=0):
    """(T, SALES, C) box actions, a third of them at the ends of the box."""
    codec = fs.ActionCodec(scenario_of(name))
    shape = (scenario_of(name).horizon_ticks, SALES, len(codec.names))
    rng = np.random.default_rng([policy, len(name)])
    return np.where(rng.random(shape) < 1 / 3, rng.choice([-1.0, 1.0], shape), rng.uniform(-1.0, 1.0, shape))


@functools.cache
def played(name):
    """(simulator after the close, first observations, [(observations, rewards, terms, state)] of every tick)."""
    simulator, first = opened(name, log_rows=4_000)
    ticks = [(*simulator.advance(action), simulator.sales.copy()) for action in actions_of(name)]
    return simulator, first, ticks


def part(sales, mechanism, field):
    """A field of an optional mechanism; 0 in a sale without it."""
    return sales[mechanism][field] if mechanism in sales.dtype.names else 0


@every_case
def test_units_are_conserved_in_every_tick(name):
    """On hand + in carts + sold - returned = initial + received; and none of them is negative."""
    simulator, _, ticks = played(name)
    scenario = simulator.scenario
    initial = np.array([product.initial_stock for product in scenario.products])
    reserve = np.array([product.reserve for product in scenario.products])
    storage = np.array([product.storage for product in scenario.products])
    limited = scenario.replenishment is None or not scenario.replenishment.unlimited
    for *_, sales in ticks:
        reserved, returned = part(sales, "carts", "reserved"), part(sales, "returns", "returned")
        assert (sales["on_hand"] + reserved + sales["sold"] - returned == initial + sales["received"]).all()
        assert (sales["received"] + sales["inbound"].sum(axis=1) == sales["ordered"]).all()
        if limited:
            assert (sales["reserve"] + sales["ordered"] == reserve).all()
        counts = ("on_hand", "reserve", "inbound", "sold", "lost", "ordered", "received", "tick_sold", "demand")
        for counted in (*(sales[field] for field in counts), reserved, returned):
            assert np.all(counted >= 0)
    full = (storage > 0) & ~(limited & (reserve == 0)) & ("carts" not in ticks[0][-1].dtype.names)
    for *_, sales in ticks[:-1] if full.any() else ():
        assert (sales["on_hand"] + sales["inbound"].sum(axis=1) <= storage)[:, full].all()
    assert not np.any(part(ticks[-1][-1], "carts", "reserved")), "a cart is open after the close"


@every_case
def test_the_reward_is_the_sum_of_its_terms_and_the_profit_that_of_the_money(name):
    simulator, _, ticks = played(name)
    scenario, metrics = simulator.scenario, simulator.measure()
    for _, rewards, terms, _ in ticks:
        assert (rewards == np.array([sum(row) for row in terms.tolist()])).all()
    total = sum(terms for _, _, terms, _ in ticks)
    assert total == pytest.approx(simulator.sales["money"], abs=1e-6)
    money = simulator.sales["money"][:, MONEY].sum(axis=1)
    assert metrics[:, METRIC["profit"]] == pytest.approx(money - scenario.opening_stock_cost, abs=1e-6)
    revenue = simulator.sales["money"][:, TERM["revenue"]]
    assert metrics[:, METRIC["revenue"]].tolist() == revenue.tolist()
    assert (revenue >= 0).all()
    absent = {term for mechanism, entry in fs.MECHANISMS.items() if not entry.present(scenario)
              for term in entry.mechanism.terms}  # fmt: skip
    assert not simulator.sales["money"][:, [TERM[term] for term in absent]].any()


@every_case
def test_the_revenue_is_what_the_buyers_of_the_log_paid(name):
    simulator, *_ = played(name)
    scenario, log = simulator.scenario, simulator.choice_log()
    if any(getattr(scenario, mechanism, None) is not None for mechanism in BEYOND_THE_LOG):
        pytest.skip("its revenue does not follow from the log alone")
    reference = np.array([product.reference_price for product in scenario.products])
    buyers = log[log["bought"] < len(reference)]
    buyers = buyers[scenario.own[buyers["bought"]]]
    rows, product = np.arange(len(buyers)), buyers["bought"]
    assert buyers["available"][rows, product].all()
    share = np.where(buyers["clips"].astype(bool)[:, None], buyers["coupon_price_share"], buyers["price_share"])
    paid = np.zeros(SALES)
    np.add.at(paid, buyers["row"], (share[rows, product] * reference[product]).astype(np.float64))
    assert paid == pytest.approx(simulator.sales["money"][:, TERM["revenue"]], rel=1e-5)


@every_case
def test_the_revenue_is_what_customers_agreed_to_pay_at_the_till(name, monkeypatch):
    """Of those whose cart is paid, to the shop; bots pay beside the till."""
    simulator, _ = opened(name)
    check_out, paid = carts.check_out, {int(key): 0.0 for key in simulator.sales["key"]}

    def watched(of_carts, sale, ahead, pays, j, units, amount, discount):
        assert amount >= 0
        paid[int(sale.key)] += amount * pays * simulator.scenario.own[j]
        check_out(of_carts, sale, ahead, pays, j, units, amount, discount)

    with monkeypatch.context() as patch:
        patch.setattr(carts, "check_out", watched)
        for action in actions_of(name):
            simulator.advance(action)
    revenue, at_the_till = simulator.sales["money"][:, TERM["revenue"]], np.array(list(paid.values()))
    if simulator.scenario.bots is None:
        assert revenue == pytest.approx(at_the_till)
    else:
        assert (revenue >= at_the_till - 1e-6).all()


@every_case
def test_observations_are_finite_within_their_bounds_and_share_no_memory(name):
    simulator, first, ticks = played(name)
    layout, seen = simulator.layout, [first, *(observations for observations, *_ in ticks)]
    everything = np.concatenate(seen)
    assert np.isfinite(everything).all()
    assert (everything >= layout.low).all()
    assert (everything <= layout.high).all()
    constant = [entry.index for entry in layout.entries if entry.constant]
    assert not np.ptp(everything[:, constant], axis=0).any()
    assert not any(np.shares_memory(a, b) for a, b in itertools.pairwise(seen))


@every_case
def test_metrics_are_finite_and_shares_are_shares(name):
    simulator, *_ = played(name)
    metrics = simulator.measure()
    assert np.isfinite(metrics).all()
    for metric in ("sell_through", "cart_abandonment", "return_rate", "quota_used"):
        if metric in METRIC:
            assert (metrics[:, METRIC[metric]] >= 0).all(), metric
            assert (metrics[:, METRIC[metric]] <= 1).all(), metric


@every_case
def test_a_sale_alone_and_a_sale_from_a_snapshot_are_the_sale_of_the_batch(name):
    *_, ticks = played(name)
    last, alone = SALES - 1, opened(name, sales=1, first=SALES - 1)[0]
    for action, (observations, rewards, terms, sales) in zip(actions_of(name), ticks, strict=True):
        found = alone.advance(action[last:])
        for mine, whole in zip(found, (observations, rewards, terms), strict=True):
            assert mine.tobytes() == whole[last:].tobytes()
        assert alone.sales.tobytes() == sales[last:].tobytes()
    half = len(ticks) // 2
    again, _ = opened(name)
    again.sales[:] = ticks[half - 1][-1]
    for action, (*_, sales) in zip(actions_of(name)[half:], ticks[half:], strict=True):
        again.advance(action)
        assert again.sales.tobytes() == sales.tobytes()


def people(name, policy, monkeypatch):
    """key -> (voice, what the person would pay for each product, tick and time of a first visit) under a policy."""
    found = {}
    simulator, _ = opened(name)
    visit, rules = tick.visit, simulator._fixed[1][0]

    def watched(of_rules, voice, sale, key, marks, time, origin, drift):
        worth = np.zeros(len(simulator.scenario.products))
        if simulator.scenario.disclosure is None:  # what the shop tells changes what a product is worth
            choice.reservation_prices(rules, voice, sale, key, 1.0, 0.0, worth)
        first = (int(sale.tick), float(time)) if origin == customers.FRESH else None
        met = found.setdefault(int(key), [voice.tobytes(), worth.tobytes(), first])
        assert met[:2] == [voice.tobytes(), worth.tobytes()], "the same person is another one at another visit"
        met[2] = met[2] or first
        return visit(of_rules, voice, sale, key, marks, time, origin, drift)

    with monkeypatch.context() as patch:
        patch.setattr(tick, "visit", watched)
        for action in actions_of(name, policy):
            simulator.advance(action)
    return found


@pytest.mark.parametrize("name", CASES[: RANDOM // 2] + list(fs.SCENARIOS))
def test_two_policies_meet_the_same_people(name, monkeypatch):
    """The same key is the same voice with the same tastes, and comes at the same time of its own accord."""
    one, other = people(name, 0, monkeypatch), people(name, 1, monkeypatch)
    common = one.keys() & other.keys()
    fresh = [key for key in common if one[key][2] and other[key][2]]
    assert len(fresh) > len(one) / 4, "promotions may lift traffic, but most customers come under any policy"
    for key in common:
        assert one[key][:2] == other[key][:2]
    for key in fresh:
        assert one[key] == other[key]
    if scenario_of(name).most_traffic == 1.0 and not any(
        getattr(scenario_of(name), mechanism, None) is not None for mechanism in ("bots", "contagion")
    ):
        assert {key for key in one if one[key][2]} == {key for key in other if other[key][2]}


@every_case
def test_masks_forbid_only_what_makes_no_difference(name):
    """The highest level allowed earns what any higher one does; a coupon lifts traffic, so it is left out."""
    scenario = scenario_of(name)
    simulator, observations = opened(name, actions="multidiscrete")
    masks, codec = ActionMasks(scenario, "multidiscrete"), simulator.codec
    rng = np.random.default_rng(5)
    kept = codec.columns("coupon") if scenario.coupon is not None else []
    for _ in range(min(scenario.horizon_ticks, 25)):
        allowed = masks(observations)
        assert all(piece[:, 0].all() for piece in np.split(allowed, np.cumsum(codec.n_levels)[:-1], axis=1))
        action = rng.integers(0, codec.n_levels, (SALES, len(codec.n_levels)))
        lower = np.minimum(action, masks.highest_levels(observations))
        lower[:, kept] = action[:, kept]
        before = simulator.sales.copy()
        earned = simulator.advance(lower)[1]
        simulator.sales[:] = before
        observations, rewards, _ = simulator.advance(action)
        assert (earned == rewards).all()


@every_case
def test_bounds_refuse_a_scenario_or_hold(name):
    """Bounds of the profit in every sale, and on average within 5 standard errors; a refusal names what it is about."""
    simulator, *_ = played(name)
    scenario, profit = simulator.scenario, simulator.measure()[:, METRIC["profit"]]
    for scope, bound in (
        (bounds.HINDSIGHT_SCOPE, bounds.hindsight_bound),
        (bounds.DUAL_SCOPE, bounds.lagrangian_dual_bound),
    ):
        why_not = scope.why_not(scenario, simulator.population)
        if why_not is not None:
            with pytest.raises(ValueError, match=r"does not model|models"):
                bound(scenario, seeds=SEEDS)
            continue
        limit = bound(scenario, seeds=SEEDS).per_sale
        slack = 1e-4 * (1.0 + np.abs(limit))
        if bound is bounds.hindsight_bound:
            assert (profit <= limit + slack).all()
        else:
            gap = limit - profit
            assert gap.mean() >= -5.0 * gap.std(ddof=1) / math.sqrt(SALES) - slack.max()


@pytest.mark.parametrize("name", RANDOM_CASES)
def test_exact_solvers_refuse_what_is_no_textbook_sale(name):
    """Text-driven customers, and more than one kind of decision: no random scenario is a textbook one."""
    with pytest.raises(ValueError, match=r"does not model|models"):
        exact.solve_pricing(scenario_of(name))


def values_of(values):
    """A few values of a range."""
    if hasattr(values, "values"):
        return values.values
    return values.low, values.high, type(values.low)((values.low + values.high) / 2)


def one_sale(scenario):
    """What a shop sees and earns, tick by tick, in one sale under random actions, in a campaign in its first two."""
    sales, kind = (1, fs.Simulator) if scenario.campaign is None else (2, CampaignSimulator)
    simulator = kind(scenario, threads=1)
    rng = np.random.default_rng(2)
    yield simulator.codec.names, simulator.open(SEEDS[:1], EPISODES[:1]).tobytes()
    for _ in range(sales * scenario.horizon_ticks):
        observations, rewards, _ = simulator.advance(rng.uniform(-1.0, 1.0, (1, len(simulator.codec.names))))
        yield observations.tobytes(), rewards.tobytes()
    yield simulator.measure().tobytes()


@functools.cache
def whole_sale(name):
    return list(one_sale(scenario_of(name)))


def has_effect(mechanism, setting, values):
    """Whether another value of the setting changes the sale of some random case that has the mechanism."""
    further = (f"random {seed}" for seed in range(RANDOM, RANDOM_AT_MOST))
    for name in itertools.chain(RANDOM_CASES, further):
        scenario = scenario_of(name)
        part = getattr(scenario, mechanism)
        for value in values_of(values) if part is not None else ():
            try:
                other = scenario.replace(**{mechanism: dataclasses.replace(part, **{setting: value})})
            except ValueError:  # refused in this combination
                continue
            if other != scenario and any(a != b for a, b in itertools.zip_longest(one_sale(other), whole_sale(name))):
                return True
    return False


@pytest.mark.parametrize("mechanism", fs.MECHANISMS)
def test_every_setting_with_a_range_changes_some_sale(mechanism):
    for setting, values in fs.MECHANISMS[mechanism].mechanism.ranges.items():
        assert (mechanism, setting) in NOT_ALONE or has_effect(mechanism, setting, values), f"{mechanism}.{setting}"


def test_the_random_cases_combine_all_mechanisms():
    """Every pair of optional mechanisms that can be combined at all meets in some case."""
    found = [
        {mechanism for mechanism in fs.MECHANISMS if getattr(scenario_of(name), mechanism) is not None}
        for name in RANDOM_CASES
    ]
    for mechanism in OPTIONAL:
        assert any(mechanism in present for present in found), mechanism
    assert max(len(present & set(OPTIONAL)) for present in found) >= len(OPTIONAL) // 2
