"""`flashsale log` and `flashsale evaluate-offline`: what is written, read back, estimated and refused."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

import flashsale_env as fs
from flashsale_env import agents
from flashsale_env.agents.exact import evaluate_exactly
from flashsale_env.agents.play import play
from flashsale_env.agents.seeding import split_seeds
from flashsale_env.experiments.offline import recording
from flashsale_env.experiments.offline.logs import read_log
from flashsale_env.experiments.offline.running import evaluate
from flashsale_env.experiments.offline.target import on_log
from flashsale_env.experiments.toml_writer import scenario_toml


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """A file: `gvr-periodic` with three decisions a sale and three prices."""
    sale = fs.load_scenario("gvr-periodic")
    (ticket,) = sale.products
    fewer = sale.replace(
        name="short", horizon_ticks=3, products=(type(ticket)(**{**vars(ticket), "price_levels": (2.0, 1.25, 0.5)}),)
    )
    path = tmp_path_factory.mktemp("short") / "short.toml"
    path.write_text(scenario_toml(fewer))
    return path


@pytest.fixture(scope="module")
def log(short, tmp_path_factory):
    """4,000 sales at random prices, of which every third price is the other policy's."""
    from tests.experiments.conftest import ask

    folder = tmp_path_factory.mktemp("log") / "out"
    answer = ask("log", short, "--agent", "random", "--sales", 4000, "--out", folder, "--json")
    assert answer.code == 0, answer.err
    assert answer.json["sales"] == 4000
    return folder


def test_a_log_holds_every_tick_as_the_simulator_played_it(log, short):
    """The logged levels, played again with the logged seeds, give the logged observations and rewards."""
    found = read_log(log)
    table = pq.read_table(log / "ticks-0000.parquet").to_pydict()
    seeds = np.array(table["seed"], np.uint64).reshape(4000, 3)[:50, 0]
    simulator = fs.Simulator(short, sales=50, actions="multidiscrete")
    seen = simulator.open(seeds, np.zeros(50, np.int64))
    for tick in range(3):
        assert np.array_equal(seen, found.observations[:50, tick])
        seen, rewards, terms = simulator.advance(found.levels[:50, tick])
        assert np.array_equal(rewards, found.rewards[:50, tick])
        rows = [table["reward_terms"][3 * i + tick] for i in range(50)]
        assert np.array_equal(np.array(rows), terms)
    assert np.allclose(found.propensities, 1 / 3)
    assert [found.card["decisions"], found.card["agent"]] == [{"price[ticket]": [2.0, 1.25, 0.5]}, "random"]


def test_a_log_holds_every_visit_with_what_was_paid(log):
    visits = pq.read_table(log / "visits-0000.parquet").to_pydict()
    ticks = pq.read_table(log / "ticks-0000.parquet", columns=["sale", "tick", "reward"]).to_pydict()
    paid = np.zeros((4000, 3))
    for sale, tick, bought, price in zip(*(visits[c] for c in ("sale", "tick", "bought", "price")), strict=True):
        paid[sale, tick] += price[0] if bought == "ticket" else 0.0
    assert set(visits["bought"]) == {"ticket", None}
    assert np.allclose(paid.ravel(), ticks["reward"]), "nothing but purchases earns money here"
    assert len(visits["message"]) == len(visits["language"]) == read_log(log).card["visits"]


def test_propensities_are_the_frequencies_of_the_levels(short, tmp_path, flashsale):
    """With a share of .3 redrawn, 12,000 prices: each level within 4.5 standard errors, a false alarm in 10^5."""
    folder = tmp_path / "log"
    assert (
        flashsale("log", short, "--agent", "fixed_price", "--sales", 4000, "--explore", 0.3, "--out", folder).code == 0
    )
    found = read_log(folder)
    levels, counts = np.unique(found.levels, return_counts=True)
    for level, count in zip(levels, counts, strict=True):
        (share,) = np.unique(found.propensities[found.levels[:, :, 0] == level])
        assert share == pytest.approx(0.7 + 0.1 if level == 1 else 0.1)
        assert abs(count - 12_000 * share) < 4.5 * np.sqrt(12_000 * share * (1 - share))


def test_all_estimates_agree_with_the_exact_value_of_the_other_policy(log, short):
    """Each within 1.7 half widths of the exact value: 3.4 standard errors, a false alarm in 1,500."""
    found = read_log(log)
    agent = agents.make("fixed_price", found.scenario, **{"price_level[ticket]": 0})
    exact = evaluate_exactly(agent, found.scenario)
    estimates = evaluate(found, on_log(agent, found, 0.0))
    assert exact < 0.9 * evaluate_exactly(agents.make("fixed_price", found.scenario), found.scenario), "a policy apart"
    for name, estimate in estimates.items():
        value = estimate.value
        assert value is not None, (name, estimate.refused)
        assert abs(value.mean - exact) < 1.7 * (value.high - value.mean), (name, value, exact)
        assert 0.02 < value.high - value.low < 3.0, (name, value)
    widths = {name: e.value.high - e.value.low for name, e in estimates.items()}
    assert widths["doubly_robust"] < widths["ips"]
    assert widths["fitted_q"] < widths["snips"]


def test_the_policy_that_sold_is_estimated_at_what_it_earned(log):
    found = read_log(log)
    estimates = evaluate(found, on_log(agents.make("random", found.scenario), found, 1.0))
    mean = found.rewards.sum(axis=1).mean()
    assert [estimates[name].value.mean for name in ("ips", "snips")] == pytest.approx([mean, mean])
    assert estimates["ips"].effective_sales == pytest.approx(4000)
    assert estimates["fitted_q"].value.mean == pytest.approx(mean, rel=0.02)


def test_the_truth_beside_the_estimates_is_what_the_policy_earns(log, flashsale):
    answer = flashsale("evaluate-offline", log, "--agent", "fixed_price", "--truth", "--episodes", 400, "--json")
    assert answer.code == 0
    found = read_log(log)
    table = play(agents.make("fixed_price", found.scenario), found.scenario, seeds=split_seeds("test", 0, 400))
    assert answer.json["truth"]["mean"] == pytest.approx(table["ret"].mean())
    shown = flashsale("evaluate-offline", log, "--agent", "fixed_price")
    assert all(name in shown.out for name in ("as logged", "doubly_robust", "effective sales"))


def test_a_log_that_does_not_cover_the_other_policy_is_refused(short, tmp_path, flashsale):
    folder = tmp_path / "log"
    flashsale("log", short, "--agent", "fixed_price", "--sales", 500, "--explore", 0.0, "--out", folder)
    answer = flashsale("evaluate-offline", folder, "--agent", "random", "--json")
    assert answer.code == 1
    found = answer.json["estimates"]
    assert [row["value"] for row in found.values()] == [None] * 4
    assert (
        "0.0 effective sales of 500, 30 are needed: log more sales, or more exploration" in found["fitted_q"]["refused"]
    )
    for name in ("ips", "snips", "doubly_robust"):
        assert found[name]["effective_sales"] == pytest.approx(500), "the weights are even, and all too small"
        assert "the weights' mean is 0.333, not 1" in found[name]["refused"]


def test_a_log_in_several_parts_is_the_same_sales(short, monkeypatch):
    sale = fs.load_scenario(short)
    customers = fs.load_population(sale.population, sale.titles)
    agent = agents.make("fixed_price", sale)
    options = {"sales": 7, "explore": 0.0, "seed": 3}
    (whole,) = recording.played(agent, sale, customers, **options)
    monkeypatch.setattr(recording, "_VISITS_AT_ONCE", 3 * 240)
    parts = list(recording.played(agent, sale, customers, **options))
    assert len(parts) > 1
    assert np.array_equal(np.concatenate([part.rewards for part in parts]), whole.rewards)
    assert [part.first for part in parts] == [0, *np.cumsum([len(part.seeds) for part in parts])[:-1]]


@pytest.mark.parametrize("name", ["ticks-0000.parquet", "scenario.toml"])
def test_a_damaged_log_is_refused(log, tmp_path, flashsale, name):
    for path in log.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).write_bytes((log / name).read_bytes()[:-10])
    complaint = flashsale("evaluate-offline", tmp_path, "--agent", "random").complaint
    assert f"{name} is truncated or edited" in complaint


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["log", "gallego-van-ryzin", "--agent", "random"], "has continuous prices"),
        (["log", "gvr-periodic", "--agent", "rando"], "unknown agent 'rando'. Did you mean 'random'"),
        (["log", "gvr-periodic", "--agent", "random", "--minari", "a b"], "--minari must be a name such as"),
        (["log", "gvr-periodic", "--agent", "random", "--explore", "2"], "--explore"),
    ],
)
def test_what_cannot_be_logged_is_refused_before_anything_is_written(flashsale, tmp_path, words, message):
    out = tmp_path / "out"
    assert message in flashsale(*words, "--out", out).complaint
    assert not out.exists()


def test_a_folder_without_a_log_is_refused(flashsale, tmp_path):
    assert "no log at" in flashsale("evaluate-offline", tmp_path, "--agent", "random").complaint


def test_a_minari_dataset_holds_the_same_sales(short, tmp_path, flashsale, monkeypatch):
    minari = pytest.importorskip("minari")
    folder = tmp_path / "log"
    words = ("log", short, "--agent", "random", "--sales", 5, "--out", folder, "--minari", "flashsale/short-v0")
    assert flashsale(*words).code == 0
    assert flashsale(*words, "--overwrite").code == 0, "the manifest knows the files of the dataset"
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(folder / "minari"))
    episodes = list(minari.load_dataset("flashsale/short-v0").iterate_episodes())
    found = read_log(folder)
    for i, episode in enumerate(episodes):
        assert np.array_equal(episode.observations[:-1], found.observations[i])
        assert np.array_equal(episode.actions, found.levels[i])
        assert np.allclose(episode.rewards, found.rewards[i])
        assert episode.terminations.tolist() == [False, False, True]
    assert json.loads((folder / "log.json").read_text())["sales"] == len(episodes) == 5
