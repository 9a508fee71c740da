"""What a customer does not examine is not chosen; the order of the list is that of the ranking."""

import dataclasses

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.intents import INTENTS, ByIntent
from flashsale_env.market import slate
from flashsale_env.theory import bounds

pytestmark = pytest.mark.uncompiled

SALES = 16
PLACES = (1.0, 0.5, 0.2)
FIRST, LAST = fs.Ranking("first", (1.0, 0.0, 0.0)), fs.Ranking("last", (0.0, 0.0, 1.0))


def sale(part=None, ticks=3, stock=1000, customers=12.0, model="mnl", **changes):
    return fs.Scenario(
        name="list",
        horizon_ticks=ticks,
        tick_minutes=1.0,
        products=tuple(fs.Product(title, (1.0, 0.5), stock, lost_sale_penalty=1.0) for title in "abc"),
        arrivals=fs.Arrivals(customers),
        choice=fs.Choice(model),
        slate=part,
        **changes,
    )


def played(scenario, display=0, price=0, n=SALES, population=None):
    """The closed simulator, with the last observations; the levels are the same in every tick."""
    simulator = fs.Simulator(scenario, population, sales=n, actions="multidiscrete", log_rows=2000)
    simulator.open(np.arange(n, dtype=np.uint64), np.zeros(n, np.int64))
    codec = simulator.codec
    action = np.zeros((n, len(codec.n_levels)), np.int64)
    action[:, codec.columns("price")] = price
    if "display" in codec.names:
        action[:, codec.columns("display")] = display
    for _ in range(scenario.horizon_ticks):
        observations = simulator.advance(action)[0]
    return simulator, observations


def metric(simulator, name):
    return simulator.measure()[:, list(fs.METRICS).index(name)]


@pytest.mark.parametrize("model", ["mnl", "nested", "mixed", "exponential"])
def test_a_list_that_everybody_reads_to_the_end_changes_nothing(model, monkeypatch):
    """To the bit, under every model of choice and with baskets; such a list is refused in a scenario."""
    monkeypatch.setattr(slate.Slate, "idle", lambda self, scenario: iter(()))
    basket = fs.Basket(3, 0.5) if model == "mnl" else None
    listed, _ = played(sale(fs.Slate((1.0, 1.0, 1.0)), model=model, stock=8, basket=basket))
    without, _ = played(sale(None, model=model, stock=8, basket=basket))
    for name in without.sales.dtype.names:
        assert np.array_equal(without.sales[name], listed.sales[name]), name


def test_the_first_place_sells_most_and_the_ranking_decides_who_has_it():
    top, _ = played(sale(fs.Slate(PLACES, (FIRST, LAST))), display=0)
    bottom, _ = played(sale(fs.Slate(PLACES, (FIRST, LAST))), display=1)
    first, last = top.sales["sold"].sum(axis=0), bottom.sales["sold"].sum(axis=0)
    assert first[0] > first[1] > first[2]
    assert last[2] > last[0] > last[1]  # equal scores keep the order of the scenario
    assert metric(top, "products_examined").mean() == pytest.approx(sum(PLACES), abs=0.08)


def test_the_same_customer_reads_as_far_on_any_list():
    """Attention belongs to the person: who examined the second place of one list does so on another."""
    top, _ = played(sale(fs.Slate((1.0, 0.5), (FIRST, LAST)), ticks=1), display=0)
    bottom, _ = played(sale(fs.Slate((1.0, 0.5), (FIRST, LAST)), ticks=1), display=1)
    assert np.array_equal(metric(top, "products_examined"), metric(bottom, "products_examined"))


def test_a_product_beyond_the_last_place_is_never_bought():
    simulator, observations = played(sale(fs.Slate((0.8,), (LAST,))))
    assert simulator.sales["sold"][:, 2].min() > 0
    assert not simulator.sales["sold"][:, :2].any()
    where = simulator.layout["impressions"]
    assert not observations[:, where][:, :2].any()
    assert observations[:, where][:, 2].mean() == pytest.approx(0.8, abs=0.1)


def test_a_basket_holds_only_what_was_examined():
    """Also a bundle: a set is complete only if all of it was seen."""
    scenario = sale(
        fs.Slate((1.0, 1.0), (FIRST,)),
        basket=fs.Basket(3, 0.0, purchase_limit=1),
        bundles=fs.Bundles((0.0, 0.9), (("a", "c"),)),
    )
    simulator = fs.Simulator(scenario, sales=SALES, actions="multidiscrete")
    simulator.open(np.arange(SALES, dtype=np.uint64), np.zeros(SALES, np.int64))
    action = np.ones((SALES, len(simulator.codec.n_levels)), np.int64)
    for _ in range(scenario.horizon_ticks):
        simulator.advance(action)
    assert simulator.sales["sold"][:, :2].all()
    assert not simulator.sales["sold"][:, 2].any()
    assert not simulator.sales["bundles"]["spend"].any()


def test_what_is_sold_out_leaves_the_list_and_makes_room():
    """The second product moves to the first place, and those who look for the first one are as many as before."""
    scenario = sale(fs.Slate((0.6, 0.1), (FIRST,)), ticks=6, stock=3)
    simulator, _ = played(scenario)
    gone = simulator.sales["on_hand"][:, 0] == 0
    assert gone.all()
    assert (simulator.sales["slate"]["place"][:, 0, 0] == 0).all()
    assert simulator.sales["sold"][:, 1].min() > 0
    assert np.allclose(simulator.sales["slate"]["chance"][:, 0, 0], 0.6)
    assert simulator.sales["lost"][:, 0].sum() > 0


def test_lost_sales_cannot_be_avoided_by_the_order_of_the_list():
    """A product that is out keeps its readers, whatever ranking is shown afterwards."""
    scenario = sale(fs.Slate(PLACES, (FIRST, LAST)), ticks=6, stock=2, customers=20.0)
    lost = []
    for later in (0, 1):
        simulator = fs.Simulator(scenario, sales=SALES, actions="multidiscrete")
        simulator.open(np.arange(SALES, dtype=np.uint64), np.zeros(SALES, np.int64))
        action = np.zeros((SALES, len(simulator.codec.n_levels)), np.int64)
        for tick in range(6):
            action[:, simulator.codec.columns("display")] = 0 if tick < 3 else later
            simulator.advance(action)
            if tick == 2:
                out = simulator.sales["on_hand"][:, 0] == 0
        lost.append(simulator.sales["lost"][out].sum(axis=0))
    assert lost[0][0] > 0
    assert lost[1][0] == pytest.approx(lost[0][0], rel=0.2)


def test_a_ranking_by_stock_shows_what_would_be_left_over():
    """The list of a tick puts first what has sold least before it."""
    products = tuple(fs.Product(t, (1.0, 0.5), 1000, quality=q) for t, q in (("a", 3.0), ("b", 0.0), ("c", -3.0)))
    scenario = sale(fs.Slate((1.0, 0.5), (fs.Ranking("left over", by_stock=1.0),))).replace(products=products)
    simulator = fs.Simulator(scenario, sales=SALES, actions="multidiscrete")
    simulator.open(np.arange(SALES, dtype=np.uint64), np.zeros(SALES, np.int64))
    action = np.zeros((SALES, len(simulator.codec.n_levels)), np.int64)
    for _ in range(scenario.horizon_ticks):
        order = simulator.sales["sold"].argsort(axis=1, kind="stable")
        simulator.advance(action)
        place = np.take_along_axis(simulator.sales["slate"]["place"][:, 0], order, axis=1)
        assert (place == [1, 2, 3]).all()


def test_scores_by_intent_follow_the_predicted_intent_of_the_customer():
    titles = ("a", "b", "c")
    ranking = fs.Ranking("by message", (0.5, 0.0, {"gift": 1.0, "default": 0.0}))
    scenario = sale(fs.Slate((1.0,), (ranking,)), messages=fs.Messages(1.0))
    simulator, _ = played(scenario, population=two_kinds(titles))
    log = simulator.choice_log()
    gifts = log["voice"] == 1
    assert gifts.any()
    assert not gifts.all()
    assert set(log["bought"][gifts]) <= {2, 3}
    assert set(log["bought"][~gifts]) <= {0, 3}
    assert (log["place"][gifts, 2] == 1).all()
    assert (log["place"][~gifts, 0] == 1).all()


def two_kinds(titles):
    """Two voices: one that the encoder reads as `bulk`, one as `gift`."""
    alike = fs.Population.homogeneous(titles)
    probabilities = np.zeros((2, len(INTENTS)))
    probabilities[0, INTENTS.index("bulk")] = probabilities[1, INTENTS.index("gift")] = 1.0
    fields = {
        name: np.repeat(value, 2, axis=0)
        for name, value in vars(alike).items()
        if isinstance(value, np.ndarray) and len(value) == 1
    }
    fields["intent_probabilities"] = probabilities.astype(alike.intent_probabilities.dtype)
    return dataclasses.replace(alike, utterances=("many", "a gift"), languages=("en", "en"), **fields)


def test_a_shuffled_list_is_a_randomised_experiment():
    """Every product has every place equally often; from the log, the effect of a place is that of attention alone."""
    part = fs.Slate(PLACES, (fs.Ranking("shuffled", shuffled=True),))
    simulator, _ = played(sale(part, ticks=30, customers=4.0, model="exponential"), n=20)
    log = simulator.choice_log()
    for j in range(3):
        shares = np.bincount(log["place"][:, j], minlength=4)[1:] / len(log)
        assert shares == pytest.approx(np.full(3, 1 / 3), abs=0.06)
    bought = [np.mean([(log["bought"] == j)[log["place"][:, j] == k].mean() for j in range(3)]) for k in (1, 2, 3)]
    assert bought[0] > bought[1] > bought[2]


def test_a_new_order_needs_no_new_people():
    """Attention and order are draws of their own: prices, tastes and arrivals are those of a sale without a list."""
    listed, _ = played(sale(fs.Slate(PLACES, (fs.Ranking("shuffled", shuffled=True),))))
    without, _ = played(sale(None))
    for name in ("customers", "traffic"):
        assert np.array_equal(listed.sales[name], without.sales[name])


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (lambda: fs.Slate((0.5, 0.6)), "never rise"),
        (lambda: fs.Slate(()), "one for each place, got \\[\\]"),
        (lambda: fs.Slate((1.2,)), "at most 1"),
        (lambda: fs.Slate((1.0, 0.0)), "above 0"),
        (lambda: fs.Slate((1.0, 0.5), ()), "at least one ranking"),
        (lambda: fs.Slate((1.0,), (FIRST, FIRST)), "must differ, got 'first' 2 times"),
        (lambda: fs.Ranking("r", by_stock=1.0, shuffled=True), "ranking 'r' is shuffled"),
        (lambda: sale(fs.Slate((1.0, 1.0, 1.0))), "everybody examines every place"),
        (lambda: sale(fs.Slate((1.0, 0.5, 0.4, 0.3))), "4 places, and there are 3 products"),
        (lambda: sale(fs.Slate((1.0,), (fs.Ranking("two", FIRST.scores[:2]),))), "each of the 3 products, got 2"),
        (lambda: sale(fs.Slate((1.0,), (fs.Ranking("e", (1.0, 1.0, 1.0)),))), "because they are equal"),
        (
            lambda: sale(fs.Slate((1.0,), (fs.Ranking("m", (0, {"gift": 1, "default": 0}, 0)),))),
            "do nothing without \\[messages\\]",
        ),
    ],
)
def test_lists_that_cannot_be_are_refused(part, message):
    with pytest.raises(ValueError, match=message):
        part()


def test_a_table_by_intent_is_read_from_a_file(tmp_path):
    path = tmp_path / "list.toml"
    path.write_text(
        """
name = "list"
horizon_ticks = 2
tick_minutes = 1.0
[[products]]
title = "a"
price_levels = [2.0, 1.0]
initial_stock = 3
[[products]]
title = "b"
price_levels = [2.0, 1.0]
initial_stock = 3
[arrivals]
customers_per_minute = 1.0
[messages]
share = 1.0
[slate]
examined = [1.0, 0.5]
[[slate.rankings]]
title = "popular"
scores = [0.0, { gift = 2.0, default = 1.0 }]
""",
        "utf-8",
    )
    ranking = fs.load_scenario(path).slate.rankings[0]
    assert ranking.scores == (ByIntent.read(0.0, ""), ByIntent.read({"gift": 2.0, "default": 1.0}, ""))


def test_bounds_refuse_a_list():
    for scope in (bounds.HINDSIGHT_SCOPE, bounds.DUAL_SCOPE):
        assert "slate" in scope.why_not(sale(fs.Slate(PLACES)), "homogeneous")
