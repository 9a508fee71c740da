"""A scenario accepts valid settings unchanged and refuses all others; nothing is repaired in silence."""

import dataclasses
import math
import pickle
import re
import tracemalloc
import typing
import warnings

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.market.parts import Part
from flashsale_env.sale.instance import build_instance
from flashsale_env.tables import _build, _required, tomllib


def sale(**changes):
    """One product, multinomial logit, no options."""
    fields = {
        "name": "any",
        "horizon_ticks": 30,
        "tick_minutes": 1.0,
        "products": (product(),),
        "arrivals": fs.Arrivals(5.0),
    }
    return fs.Scenario(**(fields | changes))


def product(**changes):
    return fs.Product(**({"title": "a", "price_levels": (10.0, 8.0), "initial_stock": 10} | changes))


def ordered(supply=None, horizon_ticks=30, **changes):
    sold = product(**({"reserve": 20, "order_levels": (0, 5)} | changes))
    return sale(products=(sold,), replenishment=supply or fs.Replenishment(2.0), horizon_ticks=horizon_ticks)


EXPONENTIAL = fs.Choice("exponential")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sale(choice=EXPONENTIAL, shocks=fs.Shocks(appeal_sd=0.3)), "shocks.appeal_sd 0.3 does nothing under"),
        (lambda: sale(choice=EXPONENTIAL, shocks=fs.Shocks(0, 0.3)), "shocks.common_appeal_sd 0.3 does nothing"),
        (lambda: sale(choice=EXPONENTIAL, products=(product(quality=1.0),)), "'a': quality 1 does nothing under"),
        (lambda: sale(products=(product(nest="x"),)), r"'a': nest 'x' does nothing under choice.model 'mnl'"),
        (lambda: sale(targeted=fs.Targeted((0.0, 0.2))), r"\[targeted\] does nothing.*no \[messages\]"),
        (
            lambda: sale(products=(product(order_levels=(0, 5)),)),
            r"order_levels \[0, 5\] do nothing.*\[replenishment\]",
        ),
        (lambda: ordered(reserve=0), r"order_levels \[0, 5\] do nothing without a reserve"),
        (lambda: ordered(order_levels=(0,)), r"reserve 20 does nothing: order_levels \[0\] order nothing"),
        (lambda: sale(products=(product(reserve=3),)), r"reserve 3 does nothing.*no \[replenishment\]"),
        (
            lambda: sale(replenishment=fs.Replenishment()),
            r"\[replenishment\] does nothing, no product has order_levels",
        ),
        (lambda: ordered(fs.Replenishment(30.0)), "arrive after the close, 30 ticks later in a sale of 30"),
        (lambda: ordered(fs.Replenishment(unlimited=True), storage=50), "no order draws on the reserve"),
        (
            lambda: sale(arrivals=fs.Arrivals(5.0, burst_scale=0.1)),
            "burst_scale 0.1 does nothing while burst_share",
        ),
        (lambda: sale(arrivals=fs.Arrivals(5.0, late_scale=0.1)), "late_scale 0.1 does nothing while late_share is 0"),
        (
            lambda: sale(horizon_ticks=1, arrivals=fs.Arrivals(5.0, 0.3)),
            "burst_share 0.3 does nothing in a sale of",
        ),
        (lambda: sale(horizon_ticks=2, choice=fs.Choice(drift=(1, 2, 3))), "3 phases and the sale 2 ticks"),
        (
            lambda: sale(products=(product(price_levels=[9]),), pricing=fs.Pricing(continuous=True)),
            "pricing.continuous does nothing",
        ),
        (lambda: sale(messages=fs.Messages(0.0)), r"\[messages\] does nothing: share and before_opening are 0"),
        (lambda: sale(memory_minutes=3.0), "memory_minutes 3 does nothing: it is the memory of conversion, traffic"),
        (lambda: sale(observe=("on_hand", "on_hand")), "observe must name every feature once, got 'on_hand' 2 times"),
    ],
)
def test_a_setting_without_effect_is_refused_with_a_remedy(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_all_settings_without_effect_are_in_one_error():
    with pytest.raises(ValueError, match=r"appeal_sd 0.3 does nothing.*quality 1 does nothing|quality.*appeal_sd"):
        sale(choice=EXPONENTIAL, shocks=fs.Shocks(0.3), products=(product(quality=1.0),))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: product(initial_stock=10.7),
            "product 'a': initial_stock must be a whole number, got 10.7; take",
        ),
        (lambda: product(initial_stock=419.9), "got 419.9; take 419 or 420"),
        (lambda: product(initial_stock=True), "initial_stock must be a whole number, got True"),
        (
            lambda: sale(products=(product(initial_stock=10**9),)),
            "more than the 8,388,608 that an",
        ),
        (lambda: product(storage=10**30), "storage must be at least 0 and at most 1e.12"),
        (lambda: product(price_levels=(10.0, math.nan)), r"price_levels\[1\] must be a finite number, got nan"),
        (lambda: product(price_levels=(1e300, 1.0)), "price_levels must be at most 1e.12"),
        (lambda: product(title=7), "title must be a text, got 7"),
        (lambda: fs.Coupon([0.0, math.nan], 5.0), r"coupon.depths\[1\] must be a finite number, got nan"),
        (lambda: fs.Targeted((0.0, math.nan)), r"targeted.depths\[1\] must be a finite number"),
        (lambda: fs.Messages(0.1, 1e12), "messages.before_opening must be at least 0 and at most 1e.08, got 1e.12"),
        (lambda: fs.Arrivals("5"), "arrivals.customers_per_minute must be a finite number, got '5'"),
        (lambda: fs.Pricing(1), "pricing.continuous must be true or false, got 1"),
        (lambda: fs.Shocks(mix_sd=math.inf), "shocks.mix_sd must be a finite number, got inf"),
        (lambda: fs.Shocks(mix_sd=1000.0), "shocks.mix_sd must be at least 0 and at most 5, got 1000"),
        (lambda: sale(horizon_ticks=30.5), "horizon_ticks must be a whole number, got 30.5; take 30 or 31"),
        (lambda: sale(horizon_ticks=1.5), "horizon_ticks must be a whole number, got 1.5"),
        (lambda: sale(horizon_ticks=math.nan), "horizon_ticks must be a whole number, got nan"),
        (lambda: sale(horizon_ticks="60"), "horizon_ticks must be a whole number, got '60'"),
        (lambda: sale().replace(horizon_ticks="60"), "horizon_ticks must be a whole number, got '60'"),
        (lambda: sale().replace(horizon_ticks=0), "horizon_ticks must lie in 1..1,000,000, got 0"),
        (lambda: sale(tick_minutes="1"), "tick_minutes must be a finite number, got '1'"),
        (lambda: sale(tick_minutes=1e308, arrivals=fs.Arrivals(0.0)), "not a finite time"),
        (lambda: sale(products=product()), r"products must be a list of Product parts, got Product\("),
        (lambda: sale(products=[{"title": "a"}]), r"products\[0\] must be of type Product"),
        (lambda: sale(arrivals=5.0), "arrivals must be of type Arrivals, got 5.0"),
        (lambda: sale(population=3), "population must be a text, got 3"),
        (lambda: sale(observe="on_hand"), "observe must be a list of texts, got 'on_hand'"),
        (lambda: fs.load_scenario(3), "a scenario must be a name, the path of a TOML file.*got 3"),
        (lambda: fs.load_scenario(None), "a scenario must be a name.*got None"),
        (lambda: fs.load_scenario(["standard"]), "a scenario must be a name"),
        (lambda: fs.FlashSaleEnv(scenario=3), "a scenario must be a name"),
        (lambda: fs.load_population(3, ["a"]), "a population must be a name, a folder or a Population, got 3"),
    ],
)
def test_a_value_of_a_wrong_type_or_size_is_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_sale_that_would_never_end_is_refused_with_the_arithmetic():
    """Ticks and customers are counted before any memory is allocated."""
    with pytest.raises(ValueError, match=r"got 1000000000: .* 24 GB of schedule; .* 1,000,000 ticks of 0.001 minutes"):
        sale(horizon_ticks=10**9, tick_minutes=1e-6)
    with pytest.raises(ValueError, match=r"are 3e\+12 customers per sale"):
        sale(arrivals=fs.Arrivals(1e11))
    with pytest.raises(ValueError, match=r"150 expected customers, times 1e\+09 with every promotion"):
        sale(coupon=fs.Coupon((0.0, 0.1), 5.0, traffic_lift=1e9))
    with pytest.raises(ValueError, match=r"messages.before_opening 9e\+07, times 3.17 in a sale of four standard"):
        sale(messages=fs.Messages(0.1, 9e7), shocks=fs.Shocks(traffic_sd=0.3))
    with pytest.raises(ValueError, match="scans of inbound units"):
        ordered(fs.Replenishment(900_000.0), horizon_ticks=1_000_000)
    with pytest.raises(ValueError, match=r"200 products times 100001 levels of the longest list are 4e\+07 numbers"):
        sale(
            products=[product(order_levels=tuple(range(100_001)), reserve=9)]
            + [product(title=f"b{j}") for j in range(199)],
            replenishment=fs.Replenishment(),
        )


def test_a_tick_takes_as_much_memory_as_its_limit_assumes():
    """Building a million ticks takes less than 200 MB."""
    scenario = sale(horizon_ticks=100_000)
    population = fs.Population.homogeneous(["a"])
    tracemalloc.start()
    build_instance(scenario, population, fs.Layout(scenario))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak / 100_000 < 200


def test_numpys_numbers_and_lists_are_accepted_and_become_pythons():
    """So the repr, the input of fingerprints, depends on the sale and not on the types given."""
    plain = sale(products=(product(price_levels=(10.0, 8.0), initial_stock=10),))
    other = sale(
        horizon_ticks=np.int64(30),
        tick_minutes=np.float32(1),
        products=[product(price_levels=np.array([10, 8]), initial_stock=np.float64(10))],
        arrivals=fs.Arrivals(np.int32(5)),
        name=np.str_("any"),
    )
    assert other == plain
    assert repr(other) == repr(plain)
    assert hash(other) == hash(plain)


@pytest.mark.parametrize("name", fs.SCENARIOS)
def test_a_scenario_survives_copies_pickles_and_tables(name):
    scenario = fs.load_scenario(name)
    table = dataclasses.asdict(scenario)
    for again in (
        scenario.replace(),
        pickle.loads(pickle.dumps(scenario)),
        fs.load_scenario(table),
        fs.load_scenario({key: value for key, value in table.items() if value is not None}),
    ):
        assert repr(again) == repr(scenario)
        assert again == scenario


def test_every_part_checks_its_types_and_reports_settings_without_effect():
    """Future parts included: the test walks over the fields of `Scenario`."""
    scenario = fs.load_scenario("standard")
    parts = {type(part): part for part in scenario._parts()}
    for hint in typing.get_type_hints(fs.Scenario).values():
        for kind in (hint, *typing.get_args(hint)):
            if dataclasses.is_dataclass(kind):
                assert issubclass(kind, Part), f"{kind.__name__} cannot be asked"
                examples = {field.name: field.metadata.get("example") for field in dataclasses.fields(kind)}
                given = {name: value for name, value in examples.items() if value is not None}
                if kind not in parts:
                    parts[kind] = _build(kind, _required(kind) | given)
    for part in (scenario, *parts.values()):
        for field in dataclasses.fields(part):
            with pytest.raises(ValueError, match=rf"{field.name} must be "):
                dataclasses.replace(part, **{field.name: object()})


# ---------------------------------------------------------------- files


def test_from_an_empty_file_one_error_leads_to_a_valid_scenario(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("")
    with pytest.raises(ValueError, match="missing keys 'name', 'horizon_ticks', 'tick_minutes', ") as caught:
        fs.load_scenario(path)
    told = str(caught.value).partition("for example ")[2].rstrip(".")
    path.write_text(re.sub(r", (?=(horizon_ticks|tick_minutes|products|arrivals) =)", "\n", told))
    assert len(tomllib.loads(path.read_text())) == 5
    assert fs.Simulator(path).scenario.products[0].title == "air fryer"


def test_a_file_cannot_give_a_catalogue_and_products(tmp_path):
    """The catalogue used to replace the user's own products in silence."""
    path = tmp_path / "mine.toml"
    path.write_text(fs.SCENARIOS["gvr-periodic"].read_text().replace("[arrivals]", 'catalogue = "default"\n[arrivals]'))
    with pytest.raises(ValueError, match=r"mine.toml: gives a catalogue, 'default', and \[\[products\]\]"):
        fs.load_scenario(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[products]", r"stock\.toml: not valid TOML"),
        ("", r"stock\.toml: missing key 'products'"),
        ("product = 1", r"stock\.toml: unknown key 'product'. Did you mean 'products'"),
        ("[[products]]\ntitle = 'a'", r"stock\.toml: missing keys 'products\[0\].price_levels', 'products\[0\].init"),
        (
            "[[products]]\ntitle = 'a'\nprice_levels = [1.0]\ninitial_stock = 1.5",
            r"stock\.toml: products\[0\]: product 'a': initial_stock must be a whole number",
        ),
    ],
)
def test_a_wrong_catalogue_is_named_by_its_own_file(tmp_path, text, message):
    (tmp_path / "stock.toml").write_text(text)
    content = fs.SCENARIOS["standard"].read_text().replace('"default"', '"stock.toml"')
    (tmp_path / "mine.toml").write_text(content)
    with pytest.raises(ValueError, match=message):
        fs.load_scenario(tmp_path / "mine.toml")


def test_a_byte_order_mark_is_ignored(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(fs.SCENARIOS["gvr-periodic"].read_text(), encoding="utf-8-sig")
    assert fs.load_scenario(path) == fs.load_scenario("gvr-periodic")


# ---------------------------------------------------------------- customers


def customers(**changes):
    return dataclasses.replace(fs.Population.homogeneous(["ticket"]), **changes)


def test_tastes_that_the_choice_model_ignores_are_refused():
    tasteful = customers(relevance=np.ones((1, 1), np.float32))
    for build in (fs.Simulator, fs.FlashSaleEnv):
        with pytest.raises(ValueError, match=r"relevance, e.g. \[1.0\] of voice 0, does nothing under choice"):
            build("gvr-periodic", tasteful)
    logit = fs.load_scenario("gvr-periodic").replace(choice=fs.Choice())
    assert len(fs.Simulator(logit, tasteful)) == 1


def test_a_setting_without_effect_among_these_customers_is_a_warning():
    """Studies compare populations under one scenario, so this is not an error."""
    standard = fs.load_scenario("standard")
    titles = [product.title for product in standard.products]
    alike = fs.Population.homogeneous(titles)
    with pytest.warns(UserWarning, match=r"mix_sd 1.5 .* all are of one intent"):
        fs.Simulator(standard.replace(messages=None), alike)
    with pytest.warns(UserWarning, match="gives all of them the same probabilities"):
        fs.Simulator(standard.replace(shocks=fs.Shocks()), alike)
    idle = dataclasses.replace(alike, coupon_affinity=np.zeros(1, np.float32))
    quiet = standard.replace(shocks=fs.Shocks(0.3), messages=None, coupon=fs.Coupon((0.0, 0.1), 9.0))
    with pytest.warns(UserWarning, match="no customer clips it"):
        fs.Simulator(quiet, idle)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fs.Simulator(quiet, alike)
        for name in fs.SCENARIOS:
            fs.Simulator(name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"products": "ticket"}, "population: products must be a list of texts, got 'ticket'"),
        ({"products": (3,)}, r"population: products\[0\] must be a text, got 3"),
        ({"utterances": (b"hi",)}, r"population: utterances\[0\] must be a text"),
        ({"languages": (None,)}, r"population: languages\[0\] must be a text, got None"),
        ({"weight": [1.0]}, "population: weight must be a numpy array of float32, got list"),
        ({"latent_class": np.zeros(1)}, "population: latent_class must be a numpy array of int64, got one of float64"),
        ({"relevance": np.array([["a"]])}, "population: relevance must be a numpy array of float32, got one of <U1"),
        ({"card": []}, "population: card must be a table"),
    ],
)
def test_the_fields_of_a_population_have_their_types(changes, message):
    with pytest.raises(ValueError, match=message):
        customers(**changes)
    assert customers(weight=np.ones(1)).weight.dtype == np.float32
