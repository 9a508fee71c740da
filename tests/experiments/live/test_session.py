"""A person and an agent on the same customers, and what the debrief says."""

import numpy as np
import pytest

from flashsale_env import METRICS, SCENARIOS, Simulator, agents, load_population, load_scenario
from flashsale_env.agents.protocol import as_policy
from flashsale_env.experiments.live.decisions import Translation, controls
from flashsale_env.experiments.live.opening import RULES, check_port, default_agent
from flashsale_env.experiments.live.reasons import Explainer
from flashsale_env.experiments.live.session import Session, reference_profit
from flashsale_env.experiments.watch.alerts import course_of
from flashsale_env.spaces.actions import ENCODINGS, ActionCodec

PROFIT = list(METRICS).index("profit")
SEED = int(agents.split_seeds("test", 0, 1)[0])


@pytest.fixture(scope="module")
def gvr():
    return load_scenario("gvr-periodic")


@pytest.fixture(scope="module")
def customers(gvr):
    return load_population(gvr.population, gvr.titles)


def held(gvr, customers, choose, agent="dp"):
    """A finished session in which the person takes `choose(session)`."""
    session = Session(gvr, customers, agents.make(agent, gvr), SEED)
    while not session.over:
        session.advance(choose(session))
    return session


def constant(level):
    return lambda session: session.translation.box.from_levels(np.array([[level]]))[0]


def test_whoever_follows_the_agent_earns_what_it_earns(gvr, customers):
    session = held(gvr, customers, lambda session: session.advice)
    assert session.person.profit == session.agent.profit
    assert session.person.stock == session.agent.stock
    found = session.debrief()
    assert found.person == found.agent
    assert found.costs == ()


def test_the_agents_sale_is_the_one_of_every_evaluation(gvr, customers):
    session = held(gvr, customers, constant(0))
    assert session.agent.profit[-1] == reference_profit(session)


def test_a_decision_is_judged_by_the_same_customers_with_the_agents_decision_in_that_tick(gvr, customers):
    session = held(gvr, customers, constant(0))
    lost = session.costs()
    assert np.ptp(lost) > 0
    for tick in (0, gvr.horizon_ticks - 1):
        alone = Simulator(gvr, customers, sales=1)
        alone.open(np.array([SEED], np.uint64), np.zeros(1, np.int64))
        for now, action in enumerate(session.played):
            alone.advance((session._advice[now] if now == tick else action)[None])
        assert alone.measure()[0, PROFIT] - session.person.profit[-1] == lost[tick]
    found = session.debrief()
    assert [cost.lost for cost in found.costs] == sorted((lost[lost > 0]).tolist(), reverse=True)[:3]
    assert all(cost.lost == lost[cost.tick] for cost in found.costs)


def test_no_bound_is_below_a_profit(gvr, customers):
    found = held(gvr, customers, constant(1)).debrief()
    assert found.bound >= max(found.person, found.agent)
    assert "hindsight" in found.bound_name


def test_a_sale_that_is_over_takes_no_tick_and_one_that_is_not_has_no_debrief(gvr, customers):
    session = Session(gvr, customers, agents.make("dp", gvr), SEED)
    with pytest.raises(RuntimeError, match="not over"):
        session.debrief()
    over = held(gvr, customers, constant(0))
    with pytest.raises(RuntimeError, match="the sale is over"):
        over.advance(constant(0)(over))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_action_of_any_encoding_plays_the_same_decisions_as_its_box_action(gvr, encoding):
    rng = np.random.default_rng(1)
    translation, codec = Translation(gvr, encoding), ActionCodec(gvr, encoding)
    codec.space.seed(3)
    closed = {}
    for kind in (encoding, "box"):
        simulator = Simulator(gvr, sales=4, actions=kind)
        simulator.open(np.arange(4, dtype=np.uint64), np.zeros(4, np.int64))
        rng = np.random.default_rng(1)
        for _ in range(gvr.horizon_ticks):
            if encoding == "box":
                actions = rng.uniform(-1, 1, (4, 1)).astype(np.float32)
            elif encoding == "multidiscrete":
                actions = rng.integers(0, codec.n_levels, (4, 1))
            else:
                actions = rng.integers(0, codec.space.n, 4)
            simulator.advance(translation.to_box(actions) if kind == "box" else actions)
        closed[kind] = simulator.sales.copy()
    assert closed[encoding]["price"].tobytes() == closed["box"]["price"].tobytes()
    assert closed[encoding]["sold"].tobytes() == closed["box"]["sold"].tobytes()


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_decision_of_a_scenario_has_a_control_with_its_levels(name):
    scenario = load_scenario(name)
    codec, found = ActionCodec(scenario), controls(scenario)
    assert [control.column for control in found] == list(range(len(codec.names)))
    for control, title, levels in zip(found, codec.names, codec.levels, strict=True):
        assert control.levels == levels
        assert len(control.texts) == len(set(control.texts)) == len(levels)
        assert title == (f"{control.decision}[{control.label}]" if control.label else control.decision)
    translation = Translation(scenario, "box")
    for level in (np.zeros_like(codec.n_levels), codec.n_levels - 1):
        boxed = codec.from_levels(level[None])
        assert (translation.box.to_levels(boxed)[0] == level).all()
        values = [of_column[at] for of_column, at in zip(codec.levels, level, strict=True)]
        assert translation.box.to_values(boxed)[0] == pytest.approx(values)


def test_the_parts_of_a_decision_sum_to_it(gvr, customers):
    session = held(gvr, customers, constant(0), agent="sell_through")
    explainer = Explainer(session.policy, gvr, customers)
    assert not explainer.remembers
    fresh = Session(gvr, customers, agents.make("sell_through", gvr), SEED)
    for _ in range(3):
        fresh.advance(fresh.advice)
    found = explainer.explain(fresh.person.observation[0], fresh.tick)
    assert found.usual + found.parts.sum(axis=0) == pytest.approx(found.decided)
    advised = fresh.translation.by_kind(fresh.advice[None])[0]
    assert found.decided == pytest.approx(advised)
    assert {name for name, _ in found.strongest("price")} <= set(explainer.groups)


def test_what_an_agent_does_not_look_at_has_no_part(gvr, customers):
    class Clock:
        """Its price follows the time alone."""

        encoding = "box"

        def predict(self, observation, state=None, episode_start=None, deterministic=True):
            return np.clip(2 * observation[:, :1] - 1, -1, 1), state

    layout_first = next(iter(Explainer(as_policy(Clock(), gvr), gvr, customers).groups))
    explainer = Explainer(as_policy(Clock(), gvr), gvr, customers)
    session = Session(gvr, customers, Clock(), SEED)
    found = explainer.explain(np.full_like(session.person.observation[0], 0.9), 0)
    named = dict(zip(found.groups, found.parts[:, 0], strict=True))
    assert [name for name, part in named.items() if part != 0] == [layout_first]


def test_an_agent_with_a_memory_is_not_taken_apart(gvr, customers):
    policy = as_policy(agents.make("random", gvr), gvr)
    explainer = Explainer(policy, gvr, customers)
    assert explainer.remembers
    assert explainer.explain(np.zeros(1, np.float32), 0) is None


def test_the_shipped_policy_plays_its_own_scenario_and_a_rule_the_others(gvr):
    assert default_agent(load_scenario("standard")) == "standard-ppo"
    assert default_agent(gvr) == "dp"
    assert all(default_agent(load_scenario(name)) in (*agents.REFERENCES, *RULES) for name in SCENARIOS)


def test_a_persons_sale_is_watched_as_the_agents_are(gvr, customers):
    """Whoever follows the agent leaves the course that the alerts are calibrated on."""
    policy = as_policy(agents.make("dp", gvr), gvr)
    session = held(gvr, customers, lambda session: session.advice)
    theirs = course_of(policy, gvr, customers, np.array([SEED], np.uint64))
    for name in ("customers", "sold", "on_hand"):
        assert (getattr(session.course, name) == getattr(theirs, name)).all(), name


def test_a_port_in_use_is_refused_by_its_number():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"^--port {port} cannot be used: address already in use"):
            check_port(port)
