"""`flashsale plan`: what an agent would do, beside a baseline on the same customers, and what that does not promise."""

import csv
import json

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env import agents
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.experiments.plan.history import HistoryPrices, read_history
from flashsale_env.experiments.plan.recording import record
from flashsale_env.experiments.plan.states import _columns, moments_of, states, stocks_of
from flashsale_env.experiments.plan.stock import with_stock
from flashsale_env.experiments.toml_writer import scenario_toml

SCENARIO = "gvr-periodic"
TICKET = "period,product,price,units\n0,ticket,2.0,5\n1,ticket,1.3,7\n"


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def sale():
    return fs.load_scenario(SCENARIO)


@pytest.fixture(scope="module")
def customers(sale):
    return fs.load_population(sale.population, sale.titles)


@pytest.fixture
def shop(tmp_path, sale):
    """A folder with a scenario and its history, as `calibrate` writes them."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "scenario.toml").write_text(scenario_toml(sale.replace(name="shop")))
    (folder / "history.csv").write_text(TICKET)
    return folder


def test_the_profit_is_that_of_evaluate_and_the_difference_is_paired(flashsale, tmp_path):
    words = [SCENARIO, "sell_through", "--episodes", 100, "--out", tmp_path / "plan", "--json"]
    found = flashsale("plan", *words).json
    evaluated = flashsale(
        *("evaluate", "sell_through", "--scenario", SCENARIO, "--against", "fixed_price"), "--episodes", 100, "--json"
    ).json
    assert found["agent"]["mean_profit"] == evaluated["agent"]["mean_profit"]
    assert found["baseline"]["mean_profit"] == evaluated["against"]["mean_profit"]
    assert found["difference"] == evaluated["difference"]
    assert found["baseline"]["name"] == "fixed_price"
    assert json.loads((tmp_path / "plan" / "result.json").read_text())["difference"] == found["difference"]


def test_the_folder_holds_every_tick_with_its_quantiles(flashsale, tmp_path, sale, customers):
    answer = flashsale("plan", SCENARIO, "sell_through", "--episodes", 64, "--out", tmp_path / "plan")
    assert answer.code == 0, answer.err
    assert "simulated customers met these prices, no real ones did" in " ".join(answer.out.split())
    rows = rows_of(tmp_path / "plan" / "plan.csv")
    prices = [row for row in rows if row["what"] == "price"]
    stock = [row for row in rows if row["what"] == "on_hand"]
    assert [int(row["tick"]) for row in prices] == list(range(sale.horizon_ticks))
    levels = set(sale.products[0].price_levels)
    for row in prices:
        quantiles = [float(row[name]) for name in ("q05", "q25", "q50", "q75", "q95")]
        assert quantiles == sorted(quantiles)
        assert {*quantiles, float(row["typical_sale"])} <= levels
    assert float(stock[0]["q05"]) == float(stock[0]["q95"]) == sale.products[0].initial_stock
    # The typical sale is one of the test sales, and can be played again.
    seed = json.loads((tmp_path / "plan" / "result.json").read_text())["typical_seed"]
    assert seed in split_seeds("test", 0, 64)
    again = agents.trace(agents.make("sell_through", SCENARIO), sale, customers, seed)
    assert [float(row["typical_sale"]) for row in stock] == again["on_hand"][:-1, 0].tolist()
    assert [float(row["typical_sale"]) for row in prices] == again["price"][:, 0].tolist()
    page = (tmp_path / "plan" / "index.html").read_text(encoding="utf-8")
    assert "What this does not promise" in page


def test_the_states_are_the_table_of_the_exact_optimum(sale, customers):
    """The dynamic programme has no memory: at every stock and tick its decision is known without playing."""
    agent = agents.make("dp", SCENARIO)
    columns, rows = states(agent, sale, customers)
    assert columns == ["minute", "minutes_left", "product", "on_hand", "sales", "price"]
    assert {row[3] for row in rows} == set(range(1, 11))
    assert {row[0] for row in rows} == {sale.tick_minutes * tick for tick in moments_of(sale)}
    first = [row for row in rows if row[0] == 0]
    assert {row[4] for row in first} == {128}  # at the opening, as many sales at each stock
    simulator = fs.Simulator(sale, customers, sales=1, actions=agent.encoding)
    for minute, left, product, on_hand, _, price in rows:
        assert product == "ticket"
        assert minute + left == sale.sale_minutes
        simulator.open(np.array([1], np.uint64), np.zeros(1, np.int64))
        simulator.sales["tick"] = round(minute / sale.tick_minutes)
        simulator.sales["on_hand"] = on_hand
        action, _ = agent.predict(simulator.observe(), None, np.ones(1, bool), True)
        assert simulator.codec.to_values(action)[0, 0] == price


def test_a_rule_with_a_memory_has_states_too(sale, customers):
    _, rows = states(agents.make("ucb", SCENARIO), sale, customers)
    assert {row[5] for row in rows} <= set(sale.products[0].price_levels)


def test_states_of_a_sale_with_several_kinds_of_decisions():
    """One row a product and stock; the coupon of the whole sale stands beside the product's own decisions."""
    scenario = fs.load_scenario("standard")
    kinds, columns = _columns(scenario)
    assert kinds == ["price", "order", "coupon"]
    names = fs.ActionCodec(scenario).names
    for (kind, title), column in columns.items():
        assert names[column] in (kind, f"{kind}[{title}]")
    assert all(len(stocks) == 10 for stocks in stocks_of(scenario))


def test_the_typical_sale_is_the_nearest_to_the_medians(sale, customers):
    made = record(agents.make("fixed_price", SCENARIO), sale, customers, split_seeds("test", 0, 32))
    assert np.ptp(made.values) == 0  # a fixed price: only the stock differs
    away = np.abs(made.on_hand - np.median(made.on_hand, axis=0)).mean(axis=(1, 2))
    assert made.typical == away.argmin()


def test_own_prices_are_those_of_the_history(sale, customers, shop):
    """A history of one price earns what the fixed price earns, sale by sale."""
    (shop / "history.csv").write_text("period,product,price\n0,ticket,1.26\n")
    prices = read_history(shop / "history.csv", sale)
    seeds = split_seeds("test", 0, 20)
    own = agents.play(HistoryPrices(sale, prices), sale, customers, seeds=seeds)
    level = sale.products[0].price_levels.index(1.25)
    fixed = agents.make("fixed_price", SCENARIO, **{"price_level[ticket]": level})
    np.testing.assert_array_equal(own["profit"], agents.play(fixed, sale, customers, seeds=seeds)["profit"])


def test_the_baseline_of_a_calibrated_folder_is_its_history(flashsale, shop, tmp_path):
    found = flashsale(
        *("plan", shop / "scenario.toml", "sell_through", "--episodes", 50, "--out", tmp_path / "plan", "--json")
    ).json
    assert found["baseline"]["name"] == "the shop's own prices"
    assert any("of its prices lie outside those of the history" in sentence for sentence in found["limits"])
    other = flashsale(
        *("plan", shop / "scenario.toml", "sell_through", "--against", "fixed_price"),
        *("--episodes", 50, "--out", tmp_path / "other", "--json"),
    ).json
    assert other["baseline"]["name"] == "fixed_price"
    assert other["agent"]["mean_profit"] == found["agent"]["mean_profit"]


def test_the_limits_repeat_what_the_calibration_warned_of(flashsale, shop, tmp_path):
    card = {
        "history": {"misses": {"ticket": 1.2}},
        "assumed": {"cost_share": 0.7, "visits": "assumed: 5.0% buy"},
        "elasticity": {},
        "warnings": [{"category": "tea", "warning": "the interval reaches 0.10"}],
    }
    (shop / "card.json").write_text(json.dumps(card))
    words = ["plan", shop / "scenario.toml", "fixed_price", "--episodes", 10, "--out", tmp_path / "plan", "--json"]
    said = " ".join(flashsale(*words).json["limits"])
    assert "at the same prices ticket sells 1.20 times its units" in said
    assert "tea: the interval reaches 0.10" in said
    assert "70% of the mean price" in said


def test_the_plan_is_made_for_the_shops_own_stock(flashsale, tmp_path, sale, customers):
    words = [SCENARIO, "fixed_price", "--stock", "ticket=4", "--episodes", 40, "--out", tmp_path / "plan", "--json"]
    found = flashsale("plan", *words).json
    assert found["stock"] == {"ticket": 4}
    written = fs.load_scenario(tmp_path / "plan" / "scenario.toml")
    assert written == with_stock(sale, ["ticket=4"])
    tuned = agents.make("fixed_price", written, **agents.tuned("fixed_price", SCENARIO))
    expected = agents.play(tuned, written, customers, seeds=split_seeds("test", 0, 40))["profit"].mean()
    assert found["agent"]["mean_profit"] == pytest.approx(expected, rel=1e-12)
    assert max(int(row["on_hand"]) for row in rows_of(tmp_path / "plan" / "states.csv")) == 4
    assert any("made for the scenario's own stock" in sentence for sentence in found["limits"])


def test_a_trained_policy_can_be_planned_with(flashsale, small_policy, tmp_path):
    answer = flashsale("plan", SCENARIO, small_policy, "--episodes", 20, "--out", tmp_path / "plan")
    assert answer.code == 0, answer.err
    assert {path.name for path in (tmp_path / "plan").iterdir()} == {
        *("plan.csv", "states.csv", "result.json", "index.html", "config.json", "manifest.txt")
    }
    again = flashsale("plan", SCENARIO, small_policy, "--episodes", 20, "--out", tmp_path / "plan")
    assert "pass --overwrite" in again.complaint


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sell_trough"], "Did you mean 'sell_through'?"),
        (["ppo"], "ppo has to be trained first"),
        (["fixed_price", "--stock", "tickets=4"], "Did you mean 'ticket'?"),
        (["fixed_price", "--stock", "ticket"], "--stock wants TITLE=UNITS"),
        (["fixed_price", "--stock", "ticket=1.5"], "--stock wants TITLE=UNITS"),
        (["fixed_price", "--stock", "ticket=4", "--stock", "ticket=5"], "--stock gives 'ticket' twice"),
        (["fixed_price", "--stock", "ticket=0"], "not all 0"),
        (["fixed_price", "--history", "{shop}/none.csv"], "no history at"),
        (["fixed_price", "--history", "{shop}/head.csv"], "has no column 'price'"),
        (["fixed_price", "--history", "{shop}/free.csv"], "line 2: want a price above 0, got '0'"),
        (["fixed_price", "--history", "{shop}/other.csv"], "unknown product 'ticket'"),
        (["fixed_price", "--history", "{shop}/history.csv", "--against", "random"], "give one of them"),
    ],
)
def test_a_mistake_is_refused_and_nothing_is_written(flashsale, tmp_path, shop, words, message):
    (shop / "head.csv").write_text("period,product\n0,ticket\n")
    (shop / "free.csv").write_text("period,product,price\n0,ticket,0\n")
    (shop / "other.csv").write_text("period,product,price\n0,poster,1\n")
    out = tmp_path / "plan"
    answer = flashsale("plan", SCENARIO, *(word.format(shop=shop) for word in words), "--out", out)
    assert message in answer.complaint
    assert not out.exists()
