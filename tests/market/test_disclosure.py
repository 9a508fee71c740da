"""What a page shows: figures of the moment, their effect on one product, and nothing where it is hidden."""

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.agents.registry import AGENTS
from flashsale_env.market import disclosure
from flashsale_env.theory import bounds

pytestmark = pytest.mark.uncompiled

SALES = 80
SHOW, HIDE = 1, 0
TWO = fs.Disclosure((0.5, 0.2), -0.3, claimed=0.4, hurry={"gift": 0.6, "default": -0.1})


def sale(page, ticks=4, stock=20, customers=5.0, quality=0.0, model="mnl", titles=("a", "b"), **changes):
    return fs.Scenario(
        name="pages",
        horizon_ticks=ticks,
        tick_minutes=1.0,
        products=tuple(fs.Product(title, (1.0, 0.5), stock, quality=quality) for title in titles),
        arrivals=fs.Arrivals(customers),
        choice=fs.Choice(model),
        disclosure=page,
        **changes,
    )


def played(scenario, shown=(SHOW, SHOW), n=SALES, **options):
    """The closed simulator, and the terms of all ticks; prices are random, the same for any disclosure."""
    simulator = fs.Simulator(scenario, sales=n, actions="multidiscrete", **options)
    codec, rng = simulator.codec, np.random.default_rng(1)
    simulator.open(np.arange(n, dtype=np.uint64), np.zeros(n, np.int64))
    terms = []
    for _ in range(scenario.horizon_ticks):
        levels = np.zeros((n, len(codec.n_levels)), np.int64)
        levels[:, codec.columns("price")] = rng.integers(0, 2, (n, len(codec.columns("price"))))
        if scenario.disclosure is not None:
            levels[:, codec.columns("disclosure")] = shown
        terms.append(simulator.advance(levels)[2])
    return simulator, np.array(terms)


@pytest.mark.parametrize("model", ["mnl", "nested", "exponential"])
def test_hidden_figures_leave_the_sale_as_it_is_without_them(model):
    """To the bit, under every model of choice."""
    hidden, terms = played(sale(TWO, model=model), (HIDE, HIDE))
    without, plain = played(sale(None, model=model))
    for name in without.sales.dtype.names:
        assert np.array_equal(without.sales[name], hidden.sales[name]), name
    assert np.array_equal(plain, terms)


def test_figures_are_those_of_the_moment():
    """Everybody takes one of two units, and nobody the last one: one is sold, though many come in the single tick."""
    never_last = fs.Disclosure((-10.0, 10.0))
    simulator, _ = played(sale(never_last, ticks=1, stock=2, customers=30.0, titles=("a",)), (SHOW,))
    assert (simulator.sales["customers"] > 3).all()
    assert (simulator.sales["sold"][:, 0] == 1).mean() > 0.99


def test_a_page_changes_the_demand_of_its_own_product():
    """Shown for the first product only: it gains what it takes from the other one and from those who buy nothing."""
    loud = fs.Disclosure((3.0, 3.0), 3.0, hurry=-3.5)  # from 3 logits at the start of the sale down to .375
    shown, _ = played(sale(loud, stock=1000), (SHOW, HIDE))
    hidden, _ = played(sale(loud, stock=1000), (HIDE, HIDE))
    more = shown.sales["sold"].sum(axis=0) - hidden.sales["sold"].sum(axis=0)
    assert more[0] > 0 > more[1]
    assert more.sum() > 0


def test_effects_in_logits_are_those_of_the_formula():
    """Units left and scarcity, claims, and the time passed, by the true intent; nothing for an empty shelf."""
    page = fs.Disclosure((0.5, 0.2), -0.3, scarcity={"gift": -0.2, "default": 0.1}, claimed=0.4, hurry=TWO.hurry)
    simulator = fs.Simulator(sale(page, titles=tuple("abcd"), ticks=8), sales=1, actions="multidiscrete")
    rules, record = (array.view(np.recarray)[0] for array in (simulator.instance.rules, simulator.sales))
    gift = fs.INTENTS.index("gift")
    # The same functions without compilation.
    show, write_tags = (getattr(f, "py_func", f) for f in (disclosure.show, disclosure.write_tags))
    record.tick, record.on_hand, record.received = 6, (2, 15, 0, 1), (0, 10, 0, 0)
    record.disclosure.shown[:] = (1.0, 1.0, 1.0, 0.0)
    write_tags(rules, record)
    for intent, scarcity, hurry in ((gift, -0.2, 0.6), (0, 0.1, -0.1)):
        voice = np.rec.array([(intent,)], dtype=[("latent", "i4")])[0]
        with np.errstate(all="raise"):
            show(rules.disclosure, record.disclosure, rules, record, voice)
        late = hurry * 6 / 8
        want = [0.2 + scarcity + 0.4 * 18 / 20 + late, -0.3 + 0.4 * 15 / 30 + late, 0.0, 0.0]
        assert record.disclosure.logits.tolist() == pytest.approx(want, abs=1e-6)


def test_logits_scale_an_exponential_willingness_to_pay():
    """P(buy at p) = exp(-p·e^(-l)); 80 sales of about 20 customers, five standard errors: a false alarm in 10^6."""
    page = fs.Disclosure((), 0.5, hurry=-1.0)
    simulator = fs.Simulator(
        sale(page, stock=1000, ticks=1, customers=20.0, model="exponential", titles=("a",)), sales=SALES, actions="box"
    )
    simulator.open(np.arange(SALES, dtype=np.uint64), np.zeros(SALES, np.int64))
    simulator.advance(np.tile(np.float32([-1.0, 1.0]), (SALES, 1)))
    bought, came = simulator.sales["sold"].sum(), simulator.sales["customers"].sum()
    probability = np.exp(-np.exp(-0.5))
    assert bought / came == pytest.approx(probability, abs=5 * (probability * (1 - probability) / came) ** 0.5)


def test_what_was_shown_is_observed_and_counted():
    scenario = sale(TWO)
    simulator = fs.Simulator(scenario, sales=2, actions="multidiscrete")
    simulator.open(np.arange(2, dtype=np.uint64), np.zeros(2, np.int64))
    seen, *_ = simulator.advance(np.array([[0, 0, 1, 0], [0, 0, 1, 1]]))
    assert seen[:, simulator.layout["disclosed"]].tolist() == [[1, 0], [1, 1]]
    seen, *_ = simulator.advance(np.array([[0, 0, 0, 0], [0, 0, 1, 1]]))
    assert seen[:, simulator.layout["disclosed"]].tolist() == [[0, 0], [1, 1]]
    assert simulator.measure()[:, list(fs.METRICS).index("disclosed")].tolist() == [0.25, 1.0]


def test_the_page_of_a_product_sold_out_for_good_is_masked():
    scenario = sale(TWO, stock=3, customers=60.0, quality=5.0)
    simulator, _ = played(scenario)
    observations = simulator.observe()
    masks = fs.ActionMasks(scenario, "multidiscrete")(observations)
    gone = simulator.sales["on_hand"][:, 0] == 0
    assert gone.mean() > 0.9
    page_of_first = masks[:, 4:6]  # two columns of two prices come first
    assert np.array_equal(page_of_first[:, 1], ~gone)
    assert page_of_first[:, 0].all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"units_left": (11.0,)}, "units_left must lie between -10 and 10 logits, got 11"),
        ({"plenty": -20.0}, "plenty must lie between -10 and 10 logits, got -20"),
        ({"hurry": {"gift": 30.0, "default": 0.0}}, "hurry must lie between"),
        ({"claimed": -0.1}, "claimed must be at least 0, got -0.1"),
        ({"units_left": (0.1,) * 1025}, "at most 1,024 entries, got 1,025"),
        ({"scarcity": {"gifts": 1.0}}, "Did you mean 'gift'"),
    ],
)
def test_a_setting_out_of_range_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        fs.Disclosure(**changes)


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (fs.Disclosure(), r"\[disclosure\] does nothing, all its effects are 0"),
        (fs.Disclosure(plenty=-0.1, claimed=0.3, scarcity=0.2), "scarcity does nothing without units_left"),
        (fs.Disclosure((0.1,) * 19 + (-0.1,) * 3), "units_left has 22 entries, and no product ever has more than 20"),
        (
            fs.Disclosure((0.1,) * 19 + (-0.1,), plenty=-0.2),
            "plenty does nothing: no product ever has more than the 20",
        ),
        (fs.Disclosure(claimed=0.4), "no effect is below 0, so to show everything would win customers at no cost"),
        (fs.Disclosure((0.5, 0.2), 0.0, hurry=0.3), "give plenty below 0"),
        (fs.Disclosure((0.3,), -0.1, scarcity=-0.5), "no effect is above 0"),
    ],
)
def test_a_page_without_a_decision_is_refused(page, message):
    """Without effect, only winning customers, or only losing them."""
    with pytest.raises(ValueError, match=message):
        sale(page)


def test_bounds_and_exact_solvers_refuse_it():
    """Their customers are willing to pay the same whatever is shown."""
    scenario = sale(TWO, titles=("a",))
    for scope in (bounds.HINDSIGHT_SCOPE, bounds.DUAL_SCOPE):
        assert "disclosure" in scope.why_not(scenario)
    assert "disclosure" in AGENTS["dp"].applies(scenario)
