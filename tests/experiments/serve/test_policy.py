"""A policy over HTTP: the same actions as the policy itself, and clear complaints."""

import json

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env import agents
from flashsale_env.experiments.serve import policy as serving
from flashsale_env.experiments.serve.served import Settings


@pytest.fixture(scope="module")
def sale():
    """The observations of one sale at random prices, (10, 4)."""
    simulator = fs.Simulator("gvr-periodic", sales=1)
    seen = [simulator.open(np.zeros(1, np.uint64), np.zeros(1, np.int64))[0]]
    rng = np.random.default_rng(0)
    for _ in range(9):
        seen.append(simulator.advance(rng.uniform(-1, 1, (1, 1)))[0][0])
    return np.array(seen)


def test_the_service_gives_the_policys_own_actions_as_arrays_and_by_name(serve, table_policy, sale):
    folder = table_policy(1)
    ask, agent = serve(folder), agents.load(folder, "gvr-periodic")
    actions, _ = agent.predict(sale)
    prices = agent.codec.to_values(actions)
    assert len(set(prices[:, 0])) > 3, "the policy prices differently from tick to tick"
    names = [entry.name for entry in agent.layout.entries]
    by_name = [dict(zip(names, row.tolist(), strict=True)) for row in sale]
    for observations in (sale.tolist(), by_name):
        reply = ask("POST", "/policy/actions", {"observations": observations})
        assert reply.status == 200, reply.text
        assert np.allclose(reply.json["actions"], actions)
        assert [row["price[ticket]"] for row in reply.json["decisions"]] == prices[:, 0].tolist()


def test_the_description_names_every_number_with_its_bounds(serve, table_policy):
    described = serve(table_policy(1))("GET", "/policy").json
    layout = fs.Layout(fs.load_scenario("gvr-periodic"))
    assert [row["name"] for row in described["observation"]] == [entry.name for entry in layout.entries]
    assert [row["high"] for row in described["observation"]] == layout.high.tolist()
    (price,) = described["decisions"]
    assert price["levels"] == [3.0, 2.75, 2.5, 2.25, 2.0, 1.75, 1.5, 1.25, 1.0, 0.75, 0.5]


GOOD = [1.0, 1.0, 1.0, 0.5]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"observations": [GOOD, [1.0, 1.0]]},
            "observations[1] must hold 4 numbers in the order of GET /policy, got 2",
        ),
        ({"observations": [[1.0, 1.0, 1.5, 0.5]]}, "observations[0]: on_hand[ticket] (number 2, share of all units"),
        ({"observations": [{"time_left": 1.0}]}, "observations[0] lacks sqrt_time_left, on_hand[ticket]"),
        ({"observations": [{"time_lft": 1.0}]}, "unknown number 'time_lft'. Did you mean 'time_left'"),
        ({"observations": []}, "body.observations"),
        ({"observation": [GOOD]}, "body.observation: Extra inputs are not permitted"),
        ({"observations": [GOOD] * 9}, "a request may hold 8 observations, got 9"),
        ({"observations": [GOOD], "memories": [None, None]}, "memories must have one entry an observation, 1, got 2"),
        ({"observations": [GOOD], "memories": [[[1.0]]]}, "memories[0]: this policy has no memory"),
        (b'{"observations": [[1.0, NaN, 1.0, 0.5]]}', "sqrt_time_left (number 1"),
        (b"not json", "JSON decode error"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(serve, table_policy, body, message):
    reply = serve(table_policy(1), most_rows=8)("POST", "/policy/actions", body)
    assert reply.status == 422
    assert message in reply.json["detail"]


def test_rounding_beyond_a_bound_is_no_mistake(serve, table_policy):
    ask = serve(table_policy(1))
    exact = ask("POST", "/policy/actions", {"observations": [GOOD]}).json
    rounded = ask("POST", "/policy/actions", {"observations": [[1.0, 1.000001, 1.0, 0.5]]}).json
    assert rounded == exact


class Counting:
    """A policy with an LSTM's kind of memory: it counts the ticks of each sale, and prices by the count."""

    encoding = "multidiscrete"

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        n = len(observation)
        (count,) = state or (np.zeros((1, n, 1), np.float32),)
        count = np.where(episode_start[None, :, None], 0.0, count) + 1.0
        return count[0].astype(np.int64), (count.astype(np.float32),)


class Forgetting(Counting):
    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return np.zeros((len(observation), 1), np.int64), 7


def test_each_sale_carries_its_own_memory_through_the_client(serve, table_policy, monkeypatch):
    monkeypatch.setattr(agents, "load", lambda *args, **options: Counting())
    ask = serve(table_policy(1))
    first = ask("POST", "/policy/actions", {"observations": [GOOD]}).json
    assert first["actions"] == [[1]]
    second = ask("POST", "/policy/actions", {"observations": [GOOD], "memories": first["memories"]}).json
    mixed = {"observations": [GOOD, GOOD], "memories": [None, second["memories"][0]]}
    assert ask("POST", "/policy/actions", mixed).json["actions"] == [[1], [3]]
    bad = ask("POST", "/policy/actions", {"observations": [GOOD], "memories": [[[[1.0, 2.0]]]]})
    assert "memories[0] must be null or finite arrays of shapes [[1, 1]]" in bad.json["detail"]


def test_a_policy_whose_memory_is_of_the_whole_batch_is_not_served(table_policy, monkeypatch):
    monkeypatch.setattr(agents, "load", lambda *args, **options: Forgetting())
    folder = table_policy(1)
    with pytest.raises(ValueError, match="keeps a memory of the whole batch"):
        serving.load(folder, Settings((str(folder),)), str(folder))


def test_a_policy_of_a_scenario_that_is_gone_asks_for_it(table_policy):
    folder = table_policy(1)
    card = json.loads((folder / "agent.json").read_text())
    (folder / "agent.json").write_text(json.dumps({**card, "scenario": "mine"}))
    with pytest.raises(ValueError, match=r"the scenario that the policy was trained on is not here.*Give --scenario"):
        serving.load(folder, Settings((str(folder),)), str(folder))
    assert serving.load(folder, Settings((str(folder),), scenario="gvr-periodic"), str(folder)).version


def test_a_trained_run_of_stable_baselines3_is_served(serve, small_policy, sale):
    agent = agents.load(small_policy / "policy", "gvr-periodic", device="cpu")
    reply = serve(small_policy)("POST", "/policy/actions", {"observations": sale.tolist()})
    assert np.allclose(reply.json["actions"], agent.predict(sale)[0], atol=1e-6)
