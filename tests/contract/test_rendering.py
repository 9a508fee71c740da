"""Views of a sale: everything a shop sees, and nothing else."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from flashsale_env import Arrivals, Coupon, Messages, Replenishment
from flashsale_env.catalogue import Product
from flashsale_env.envs.sale import FlashSaleEnv
from flashsale_env.intents import INTENTS
from flashsale_env.sale.composition import present, sale_dtype
from flashsale_env.scenario import REWARD_TERMS, SCENARIOS, Scenario
from flashsale_env.views import picture as rendering
from flashsale_env.views.font import GLYPH_HEIGHT, GLYPH_WIDTH, GLYPHS, text_mask, text_width
from flashsale_env.views.picture import HEIGHT, WIDTH, render_rgb
from flashsale_env.views.text import render_text

REVENUE = list(REWARD_TERMS).index("revenue")

# Fields that a shop sees and the views show, with a change large enough to move a bar by a pixel.
SHOWN = {
    "tick": 5,
    "on_hand": -20,
    "reserve": -20,
    "inbound": 20,
    "sold": 20,
    "price": -5.0,
    "coupon.depth": 0.1,
    "coupon.budget": -100.0,
    "customers": 7,
    "money": 250.0,
}
HIDDEN = (
    "key",
    "seed",
    "episode",
    "coming_share",
    "traffic",
    "appeal",
    "mix",
    "demand",
    "lost",
    "tick_lost",
)


def scenario_of(products: int, *, messages: bool = True) -> Scenario:
    """A sale with every option; product j costs 20 + j and starts with 100 + j units and 50 in reserve."""
    return Scenario(
        name=f"{products} products",
        horizon_ticks=20,
        tick_minutes=0.5,
        products=tuple(
            Product(
                title=f"product {j}",
                price_levels=(20.0 + j, 15.0 + j, 10.0 + j),
                initial_stock=100 + j,
                unit_cost=8.0,
                reserve=50,
                order_levels=(0, 25, 50),
            )
            for j in range(products)
        ),
        arrivals=Arrivals(customers_per_minute=40.0),
        replenishment=Replenishment(lead_minutes=1.5),
        coupon=Coupon((0.0, 0.1, 0.2), budget=500.0),
        messages=Messages(share=0.2, before_opening=20.0) if messages else None,
    )


def sale_after(scenario: Scenario | str, ticks: int) -> np.void:
    """One sale of homogeneous customers after this many ticks under random actions."""
    env = FlashSaleEnv(scenario, population="homogeneous")
    env.action_space.seed(3)
    env.reset(seed=3)
    for _ in range(ticks):
        env.step(env.action_space.sample())
    return env.simulator.sales[0].copy()


def record_of(scenario: Scenario) -> np.void:
    """A sale, half sold at the second price, filled in by hand: the core would compile for each product count."""
    sale = np.zeros(1, sale_dtype(len(scenario.products), 4, present(scenario)))[0]
    sale["tick"] = 10
    for j, product in enumerate(scenario.products):
        sale["price"][j] = product.price_levels[1]
        sale["sold"][j] = product.initial_stock // 2
        sale["on_hand"][j] = product.initial_stock - sale["sold"][j]
        sale["reserve"][j] = product.reserve
    return sale


def widest(picture: np.ndarray, colour: rendering.Colour) -> int:
    """The largest number of pixels of one colour in a line of the picture."""
    return int((picture == np.array(colour, np.uint8)).all(axis=2).sum(axis=1).max())


@pytest.fixture(scope="module")
def eight() -> Scenario:
    return scenario_of(8)


@pytest.fixture(scope="module")
def sale(eight: Scenario) -> np.void:
    """A sale with units on hand, in transit, in reserve and sold."""
    sale = sale_after(eight, 2)
    assert sale["inbound"].sum() > 0
    return sale


@pytest.fixture(scope="module")
def ticket() -> Scenario:
    return FlashSaleEnv("gvr-periodic", population="homogeneous").scenario


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_shipped_scenario_is_rendered_in_both_modes_from_start_to_close(name: str) -> None:
    text = FlashSaleEnv(name, population="homogeneous", render_mode="ansi")
    picture = FlashSaleEnv(name, population="homogeneous", render_mode="rgb_array")
    for env in (text, picture):
        env.action_space.seed(0)
        env.reset(seed=0)
    opening = text.render(), picture.render()
    for _ in range(text.scenario.horizon_ticks):
        text.step(text.action_space.sample())
        picture.step(picture.action_space.sample())
    assert text.render().startswith(f"{name} | tick {text.scenario.horizon_ticks}/")
    assert text.render() != opening[0]
    assert picture.render().shape == (HEIGHT, WIDTH, 3)
    assert (picture.render() != opening[1]).any()


@pytest.mark.parametrize("products", [1, 2, 8, 32, 60])
@pytest.mark.parametrize("messages", [False, True])
def test_a_picture_has_one_size_for_any_number_of_products(products: int, messages: bool) -> None:
    scenario = scenario_of(products, messages=messages)
    picture = render_rgb(scenario, record_of(scenario))
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert picture.dtype == np.uint8


@pytest.mark.parametrize("field", SHOWN)
def test_fields_that_a_shop_sees_change_both_views(eight: Scenario, sale: np.void, field: str) -> None:
    changed = sale.copy()
    record, _, name = field.rpartition(".")
    part = changed[record] if record else changed
    value = part[name]
    if np.ndim(value) == 0:
        part[name] = value + SHOWN[field]
    else:
        value[..., 0] += SHOWN[field]
    assert render_text(eight, changed) != render_text(eight, sale)
    assert (render_rgb(eight, changed) != render_rgb(eight, sale)).any()


def test_predicted_intents_change_both_views(eight: Scenario, sale: np.void) -> None:
    changed = sale.copy()
    changed["messages"]["intents"][4] += 0.3 * changed["messages"]["recent"]
    assert render_text(eight, changed) != render_text(eight, sale)
    assert (render_rgb(eight, changed) != render_rgb(eight, sale)).any()


@pytest.mark.parametrize("field", HIDDEN)
def test_hidden_fields_change_neither_view(eight: Scenario, sale: np.void, field: str) -> None:
    changed = sale.copy()
    changed[field] = changed[field] + 1
    assert render_text(eight, changed) == render_text(eight, sale)
    np.testing.assert_array_equal(render_rgb(eight, changed), render_rgb(eight, sale))


def test_rendering_leaves_the_sale_unchanged_and_pictures_share_no_memory(eight: Scenario, sale: np.void) -> None:
    before = sale.tobytes()
    render_text(eight, sale)
    first, second = render_rgb(eight, sale), render_rgb(eight, sale)
    assert sale.tobytes() == before
    assert not np.shares_memory(first, second)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("products", [8, 32])
def test_every_product_of_a_picture_has_its_own_row(products: int) -> None:
    scenario = scenario_of(products)
    sale = record_of(scenario)
    rows = []
    for j in range(products):
        changed = sale.copy()
        changed["price"][j] = scenario.products[j].list_price
        lines = (render_rgb(scenario, changed) != render_rgb(scenario, sale)).any(axis=(1, 2)).nonzero()[0]
        rows.append((lines[0], lines[-1]))
    assert all(above[1] < below[0] for above, below in pairwise(rows))


def test_products_that_do_not_fit_in_the_picture_are_counted_and_the_text_lists_all() -> None:
    scenario = scenario_of(60)
    sale = record_of(scenario)
    assert all(f"\nproduct {j} " in render_text(scenario, sale) for j in range(60))

    def lines(j: int) -> np.ndarray:
        changed = sale.copy()
        changed["on_hand"][j] = 0
        return (render_rgb(scenario, changed) != render_rgb(scenario, sale)).any(axis=(1, 2)).nonzero()[0]

    shown = sum(len(lines(j)) > 0 for j in range(60))
    assert 30 <= shown < 60
    # The row after the last product says how many are missing.
    mask = text_mask(f"+ {60 - shown} more products")
    ink = (render_rgb(scenario, sale) == np.array(rendering.FAINT, np.uint8)).all(axis=2)
    windows = np.lib.stride_tricks.sliding_window_view(ink[:, : 14 + mask.shape[1]], mask.shape)
    assert (windows == mask).all(axis=(2, 3)).any()


@pytest.mark.parametrize("left", [10, 8, 7, 5, 1, 0])
def test_a_stock_bar_is_divided_in_proportion_to_its_units(ticket: Scenario, left: int) -> None:
    sale = sale_after(ticket, 0)
    full = widest(render_rgb(ticket, sale), rendering.ON_HAND)
    sale["on_hand"], sale["sold"] = left, 10 - left
    picture = render_rgb(ticket, sale)
    legend = widest(render_rgb(ticket, sale_after(ticket, 0)), rendering.SOLD)
    assert widest(picture, rendering.ON_HAND) == max(legend, round(full * left / 10))
    assert widest(picture, rendering.SOLD) == max(legend, full - round(full * left / 10))


def test_the_four_parts_of_a_stock_bar_fill_it_under_any_rounding(eight: Scenario, sale: np.void) -> None:
    picture = render_rgb(eight, sale)
    parts = [
        np.array(colour, np.uint8)
        for colour in (rendering.ON_HAND, rendering.IN_TRANSIT, rendering.RESERVE, rendering.SOLD)
    ]
    covered = np.any([(picture == colour).all(axis=2) for colour in parts], axis=0)
    # The lines above and below the numbers on a bar contain only the bar.
    lengths = covered.sum(axis=1)
    assert (lengths == lengths.max()).sum() >= 8 * 2
    rows = [line for line in render_text(eight, sale).splitlines() if line.startswith("product ")][1:]
    assert {line.index("]") - line.index("[") for line in rows} == {25}


def test_a_countdown_runs_from_the_full_width_to_nothing(ticket: Scenario) -> None:
    sale = sale_after(ticket, 0)
    word = widest(render_rgb(ticket, sale)[:30], rendering.TIME)
    lengths = []
    for tick in range(ticket.horizon_ticks + 1):
        sale["tick"] = tick
        lengths.append(widest(render_rgb(ticket, sale)[30:], rendering.TIME))
    assert lengths[-1] == 0 < word < lengths[0]
    np.testing.assert_allclose(np.diff(lengths), -lengths[0] / ticket.horizon_ticks, atol=1)


def test_a_price_bar_is_the_share_of_list_price(ticket: Scenario) -> None:
    sale = sale_after(ticket, 0)
    full = widest(render_rgb(ticket, sale), rendering.PRICE)
    for price in (2.25, 1.5, 0.5):
        sale["price"] = price
        assert widest(render_rgb(ticket, sale), rendering.PRICE) == round(full * price / 3.0)


def test_every_price_is_drawn_against_the_list_price_of_its_own_product(eight: Scenario, sale: np.void) -> None:
    at_list = sale.copy()
    at_list["price"] = [product.list_price for product in eight.products]
    lengths = (render_rgb(eight, at_list) == np.array(rendering.PRICE, np.uint8)).all(axis=2).sum(axis=1)
    assert len(set(lengths) - {0}) == 1


def test_a_sold_out_product_is_marked(eight: Scenario, sale: np.void) -> None:
    assert widest(render_rgb(eight, sale), rendering.ALERT) == 0
    gone = sale.copy()
    gone["on_hand"][3] = 0
    assert widest(render_rgb(eight, gone), rendering.ALERT) > 0


def test_a_long_title_is_cut_before_it_reaches_the_bar(ticket: Scenario) -> None:
    def with_title(title: str) -> np.ndarray:
        product = Product(title=title, price_levels=(3.0, 2.0), initial_stock=10)
        scenario = ticket.replace(products=(product,))
        return render_rgb(scenario, sale_after(ticket, 3))

    long, longer = with_title("a" * 200), with_title("a" * 500)
    np.testing.assert_array_equal(long, longer)
    bar = (with_title("a") == np.array(rendering.ON_HAND, np.uint8)).all(axis=2)
    np.testing.assert_array_equal((long == np.array(rendering.ON_HAND, np.uint8)).all(axis=2), bar)


def test_a_title_too_long_for_one_line_takes_two_where_rows_are_high(ticket: Scenario) -> None:
    def lines_of_ink(title: str, columns: slice = slice(150)) -> np.ndarray:
        product = Product(title=title, price_levels=(3.0, 2.0), initial_stock=10)
        picture = render_rgb(ticket.replace(products=(product,)), sale_after(ticket, 0))
        ink = (picture[110:200, columns] == np.array(rendering.TEXT, np.uint8)).all(axis=2)
        return ink.any(axis=1).nonzero()[0]

    one, two = lines_of_ink("H" * 23), lines_of_ink("H" * 20 + " " + "H" * 20)
    assert len(one) == GLYPH_HEIGHT
    assert len(two) == 2 * GLYPH_HEIGHT
    price = lines_of_ink("H", slice(540, WIDTH))
    assert abs(one.mean() - price.mean()) <= 1
    assert abs(two.mean() - price.mean()) <= 1


def test_the_table_states_the_numbers_of_the_sale(eight: Scenario, sale: np.void) -> None:
    known = sale.copy()
    known["tick"], known["customers"], known["coupon"]["depth"], known["coupon"]["budget"] = 5, 1234, 0.2, 87.5
    known["money"][REVENUE] = 12345.678
    known["on_hand"][2], known["reserve"][2], known["sold"][2] = 38, 19, 57
    known["inbound"][:, 2] = 0
    known["inbound"][1:3, 2] = 19
    known["price"][2] = 17.0
    head, names, *rows = render_text(eight, known).splitlines()
    assert head == (
        "8 products | tick 5/20 | minutes left 7.5 | customers 1,234 | revenue 12,346 | coupon -20% | "
        "coupon budget 87.50"
    )
    assert " ".join(names.split()) == "product price list stock on hand # transit > reserve . sold"
    # 152 units over 24 signs: a quarter on hand, a quarter in transit, an eighth in reserve.
    bar = "[" + "#" * 6 + ">" * 6 + "." * 3 + " " * 9 + "]"
    assert rows[2].split("  [")[0].split() == ["product", "2", "17.00", "22.00"]
    assert bar in rows[2]
    assert rows[2].split("]")[1].split() == ["38", "38", "19", "57"]
    assert len(rows) == 8 + 1


def test_the_table_names_the_three_most_probable_intents_of_recent_messages(eight: Scenario, sale: np.void) -> None:
    known = sale.copy()
    known["messages"]["recent"] = 40.0
    known["messages"]["intents"] = 0.0
    known["messages"]["intents"][[2, 4, 7, 8]] = [4.0, 20.0, 10.0, 6.0]
    assert render_text(eight, known).splitlines()[-1] == "messages: gift 50%, brand loyal 25%, bulk 15%"
    known["messages"]["recent"], known["messages"]["intents"] = 0.0, 0.0
    assert render_text(eight, known).splitlines()[-1] == "messages: none yet"
    silent = scenario_of(8, messages=False)
    assert "messages" not in render_text(silent, sale)


def test_a_picture_has_intent_bars_only_in_a_sale_with_messages(eight: Scenario, sale: np.void) -> None:
    assert widest(render_rgb(eight, sale), rendering.INTENT) > 0
    assert widest(render_rgb(scenario_of(8, messages=False), sale), rendering.INTENT) == 0


def test_every_intent_of_a_picture_has_its_bar(eight: Scenario, sale: np.void) -> None:
    places = set()
    for number in range(len(INTENTS)):
        known = sale.copy()
        known["messages"]["recent"], known["messages"]["intents"] = 1.0, 0.0
        known["messages"]["intents"][number] = 1.0
        bar = (render_rgb(eight, known) == np.array(rendering.INTENT, np.uint8)).all(axis=2)
        ys, xs = bar.nonzero()
        assert bar.sum() == (np.ptp(ys) + 1) * (np.ptp(xs) + 1)
        places.add((ys.min(), xs.min()))
    assert len(places) == len(INTENTS)


# --- the font ---


def test_every_glyph_is_five_by_seven_and_unique() -> None:
    box = text_mask("\N{SNOWMAN}")
    for character, glyph in GLYPHS.items():
        assert glyph.shape == (GLYPH_HEIGHT, GLYPH_WIDTH), character
        assert glyph.any() == (character != " "), character
        assert (glyph != box).any(), character
    for one, other in combinations(GLYPHS, 2):
        assert (GLYPHS[one] != GLYPHS[other]).any(), (one, other)


def test_the_font_has_every_character_of_the_captions() -> None:
    wanted = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:;+-=/%!?'\"()"
    assert not set(wanted) - set(GLYPHS)


def test_lower_case_is_drawn_as_capitals_and_unknown_characters_as_a_box() -> None:
    np.testing.assert_array_equal(text_mask("air fryer"), text_mask("AIR FRYER"))
    box = text_mask("机")
    np.testing.assert_array_equal(text_mask("\N{SNOWMAN}"), box)
    assert box[[0, -1]].all()
    assert box[:, [0, -1]].all()
    assert not box[1:-1, 1:-1].any()


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_scaled_text_is_each_dot_as_a_square(scale: int) -> None:
    text = "Sold 7"
    mask = text_mask(text, scale)
    assert mask.shape == (GLYPH_HEIGHT * scale, text_width(text, scale))
    np.testing.assert_array_equal(mask, np.kron(text_mask(text), np.ones((scale, scale), bool)))
    assert text_mask("", scale).shape == (GLYPH_HEIGHT * scale, 0) == (GLYPH_HEIGHT * scale, text_width(""))


def test_a_product_without_any_unit_yet_is_an_empty_bar():
    """Unlimited supply and no opening stock: nothing on hand, in transit, in reserve or sold before the first order."""
    product = Product("a", (5.0, 4.0), 0, order_levels=(0, 5), storage=20)
    supply = Replenishment(unlimited=True)
    scenario = Scenario("empty", 4, 1.0, (product,), Arrivals(1.0), replenishment=supply)
    sale = np.zeros(1, sale_dtype(1, 1, ()))[0]
    sale["price"] = 5.0
    text = render_text(scenario, sale).splitlines()
    assert f"[{' ' * 24}]" in text[2]
    assert len(text[2]) == len(text[1])
    picture = render_rgb(scenario, sale)
    row = picture[:, 146 + 14 : 146 + 14 + 222][np.r_[110:160]]
    assert (row == rendering.TRACK).all(axis=2).any(axis=0).all(), "the bar's place is marked from end to end"
    for colour in (rendering.ON_HAND, rendering.IN_TRANSIT, rendering.RESERVE, rendering.SOLD):
        assert not (row == colour).all(axis=2).any()
