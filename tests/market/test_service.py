"""Requests wait for servers: the queue, what it costs, and what customers make of it."""

import dataclasses

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.agents.registry import AGENTS
from flashsale_env.theory import bounds

pytestmark = pytest.mark.uncompiled

TICKS, SALES = 12, 16
ENDLESS = 1e12
SERVERS = (1, 2, 4, 16)
TERM = list(fs.REWARD_TERMS).index("service")


def sale(service, **changes):
    """A short sale of one product with ample stock, about 30 customers in each five-minute tick, many at the start."""
    return fs.Scenario(
        name="queue",
        tick_minutes=5.0,
        products=(fs.Product("ticket", (2.0, 1.0, 0.5), 5000),),
        **{
            "horizon_ticks": TICKS,
            "arrivals": fs.Arrivals(6.0, burst_share=0.5, burst_scale=0.1),
            "choice": fs.Choice("exponential"),
            "service": service,
            **changes,
        },
    )


def slow(**changes):
    """Servers that answer a request in a minute, on average, and customers who wait two."""
    return fs.Service(
        **{"servers": SERVERS, "requests_per_minute": 1.0, "patience_minutes": 2.0, "cost_per_server_hour": 6.0}
        | changes
    )


def played(scenario, servers=None, n=SALES, price=1, **options):
    """The closed simulator, its observations (T + 1, N, D) and terms (T, N, K); one server level a tick, or random."""
    simulator = fs.Simulator(scenario, sales=n, actions="multidiscrete", **options)
    codec, rng = simulator.codec, np.random.default_rng(3)
    observations = [simulator.open(np.arange(n, dtype=np.uint64), np.zeros(n, np.int64))]
    terms = []
    for tick in range(scenario.horizon_ticks):
        levels = np.full((n, len(codec.n_levels)), price, np.int64)
        if scenario.service is not None:
            levels[:, codec.columns("servers")] = (
                rng.integers(0, len(scenario.service.servers)) if servers is None else servers[tick]
            )
        found = simulator.advance(levels)
        observations.append(found[0])
        terms.append(found[2])
    return simulator, np.array(observations), np.array(terms)


def metric(simulator, name):
    return simulator.measure()[:, list(fs.METRICS).index(name)]


def test_servers_that_answer_at_once_leave_the_sale_as_it_is_without_them():
    """To the bit: the same customers, purchases, messages and money."""
    instant = slow(requests_per_minute=1e15, cost_per_server_hour=0.0)
    with_queue, _, terms = played(sale(instant))
    without, _, plain = played(sale(None))
    for name in without.sales.dtype.names:
        assert np.array_equal(without.sales[name], with_queue.sales[name]), name
    assert np.array_equal(plain, terms)
    assert (metric(with_queue, "gave_up") == 0).all()
    assert (metric(with_queue, "requests") == with_queue.sales["customers"]).all()


def test_the_same_customers_come_whatever_the_number_of_servers():
    few, *_ = played(sale(slow()), servers=[0] * TICKS)
    many, *_ = played(sale(slow()), servers=[3] * TICKS)
    assert np.array_equal(few.sales["customers"], many.sales["customers"])
    assert metric(few, "gave_up").mean() > 0.3 > 0.1 > metric(many, "gave_up").mean()
    assert metric(few, "mean_wait").mean() > metric(many, "mean_wait").mean()
    assert metric(few, "revenue").sum() < metric(many, "revenue").sum()


def test_with_endless_patience_all_are_served_and_buy_as_without_a_queue():
    simulator, *_ = played(sale(slow(patience_minutes=ENDLESS)), servers=[0] * TICKS)
    without, *_ = played(sale(None))
    assert (metric(simulator, "gave_up") == 0).all()
    assert np.array_equal(simulator.sales["sold"], without.sales["sold"])


def test_nobody_waits_without_patience():
    simulator, *_ = played(sale(slow(patience_minutes=0.0)))
    assert (metric(simulator, "mean_wait") == 0).all()
    assert np.array_equal(metric(simulator, "gave_up"), metric(simulator, "delayed"))
    assert metric(simulator, "gave_up").min() > 0


def test_patience_is_that_of_the_true_intent():
    """Comparers leave a queue at once and buyers of gifts never: it grows, and only the latter see the shop."""
    intents = np.eye(len(fs.INTENTS))[[3, 4]]
    population = fs.Population(
        ("ticket",), ("which one?", "for my sister"), ("en", "en"), intents, np.array([3, 4]),
        np.zeros((2, 1)), np.ones(2), np.zeros(2), np.ones(2),
    )  # fmt: skip
    service = slow(patience_minutes={"comparison": 0.0, "default": ENDLESS})
    simulator, *_ = played(sale(service), servers=[0] * TICKS, population=population, log_rows=2000)
    voices = np.bincount(simulator.choice_log()["voice"], minlength=2)
    assert voices[0] < 0.1 * voices[1]


def test_who_gives_up_is_a_customer_but_no_visit_of_the_choice_log():
    """They have not seen the offer, so their leaving says nothing about it."""
    simulator, *_ = played(sale(slow()), servers=[0] * TICKS, log_rows=2000)
    gave_up = np.rint(metric(simulator, "gave_up") * metric(simulator, "requests"))
    assert (simulator.sales["visits"] + gave_up == simulator.sales["customers"]).all()
    assert len(simulator.choice_log()) == simulator.sales["visits"].sum()
    log = simulator.choice_log()
    assert (log["bought"] == 0).sum() == simulator.sales["sold"].sum()


@pytest.mark.filterwarnings("ignore:.messages. of scenario 'queue' carry no information")
def test_who_gives_up_leaves_no_message():
    scenario = sale(slow(), horizon_ticks=1, arrivals=fs.Arrivals(6.0), messages=fs.Messages(1.0))
    simulator, *_ = played(scenario, servers=[0])
    assert np.array_equal(simulator.sales["messages"]["recent"], simulator.sales["visits"])
    assert (simulator.sales["visits"] < simulator.sales["customers"]).all()


def test_latency_costs_sales_only_where_somebody_waited():
    """With one product and ample stock, each buyer in spite of the wait would have bought without it."""
    for latency, least, most in ((0.5, 0.05, 0.95), (1000.0, 0.0, 0.6)):
        with_latency, *_ = played(sale(slow(latency_logits=latency)), servers=[0] * TICKS, log_rows=2000)
        without, *_ = played(sale(slow()), servers=[0] * TICKS, log_rows=2000)
        bought, could = (simulator.choice_log()["bought"] == 0 for simulator in (with_latency, without))
        assert len(bought) == len(could)
        assert not (bought & ~could).any()
        assert least < bought.sum() / could.sum() < most
    # At 1,000 logits a minute nobody buys who waited: what remains is the share of requests that found a free server.
    free = 1 - metric(with_latency, "delayed").mean()
    served = 1 - metric(with_latency, "gave_up").mean()
    # 16 sales of about 360 requests, 3,000 of them served: the standard error of the ratio is at most .011, and five of
    # them are a false alarm in 10^6.
    assert bought.sum() / could.sum() == pytest.approx(free / served, abs=0.055)


def test_latency_counts_by_the_minute():
    """All lanes busy for two ticks of five minutes: whoever comes at u in the first one waits 5·(2 - u) minutes.

    Willingness to pay is exponential, so at a quarter of its mean P(buy | wait) = exp(-e^(latency·wait) / 4). The
    tolerance is five standard errors: a false alarm in 10^6.
    """
    scenario = sale(slow(requests_per_minute=1e15, patience_minutes=ENDLESS, latency_logits=0.1))
    simulator = fs.Simulator(scenario, sales=SALES, actions="multidiscrete")
    simulator.open(np.arange(SALES, dtype=np.uint64), np.zeros(SALES, np.int64))
    simulator.sales["service"]["free_at"] = 2.0
    simulator.advance(np.tile([2, 0], (SALES, 1)))
    came, bought = simulator.sales["customers"].sum(), simulator.sales["sold"].sum()
    u = (np.arange(1000) + 0.5) / 1000
    probability = np.exp(-0.25 * np.exp(0.1 * 5 * (2 - u))).mean()
    assert bought / came == pytest.approx(probability, abs=5 * (probability * (1 - probability) / came) ** 0.5)
    assert metric(simulator, "mean_wait").mean() == pytest.approx(7.5, abs=5 * 5 / (12 * came) ** 0.5)


def test_latency_is_the_same_in_logits_in_a_logit():
    """An appetite smaller by latency times wait: a bit of the wait can only lower what is bought."""
    logit = {"choice": fs.Choice("mnl")}
    some, *_ = played(sale(slow(latency_logits=0.5), **logit), servers=[1] * TICKS, log_rows=2000)
    none, *_ = played(sale(slow(), **logit), servers=[1] * TICKS, log_rows=2000)
    bought, could = (simulator.choice_log()["bought"] == 0 for simulator in (some, none))
    assert not (bought & ~could).any()
    assert bought.sum() < could.sum()


def test_servers_are_paid_while_on_and_until_they_have_answered():
    """One server with endless patience is paid for the sale and, after the close, for what it has promised."""
    simulator, _, terms = played(sale(slow(patience_minutes=ENDLESS)), servers=[0] * TICKS)
    last = simulator.sales["service"]["free_at"].max(axis=1)
    paid = (TICKS + np.maximum(last - TICKS, 0.0)) * 5.0 / 60.0
    assert (last > TICKS).any()
    assert metric(simulator, "server_hours") == pytest.approx(paid, rel=1e-12)
    assert terms[:, :, TERM].sum(axis=0) == pytest.approx(-6.0 * paid, rel=1e-12)
    assert metric(simulator, "profit") == pytest.approx(metric(simulator, "revenue") - 6.0 * paid, rel=1e-12)


def test_a_burst_is_not_answered_for_the_price_of_one_tick():
    """Sixteen servers for the burst, then one: those switched off are paid until they have answered what they took."""
    service = slow(patience_minutes=ENDLESS, requests_per_minute=0.2)
    early, *_ = played(sale(service), servers=[3] + [0] * (TICKS - 1))
    steady, *_ = played(sale(service), servers=[0] * TICKS)
    # All requests are answered either way, by the same work; one that is on and idle is paid as well.
    work = metric(steady, "server_hours")
    assert (metric(early, "server_hours") > 0.999 * work).all()


def test_a_server_switched_off_finishes_and_takes_nothing_more():
    simulator = fs.Simulator(sale(slow(patience_minutes=ENDLESS)), sales=SALES, actions="multidiscrete")
    simulator.open(np.arange(SALES, dtype=np.uint64), np.zeros(SALES, np.int64))
    simulator.advance(np.tile([0, 3], (SALES, 1)))
    before = simulator.sales["service"]["free_at"].copy()
    simulator.advance(np.tile([0, 1], (SALES, 1)))
    after = simulator.sales["service"]["free_at"]
    assert np.array_equal(before[:, 2:], after[:, 2:])
    assert (after[:, :2] >= before[:, :2]).all()
    assert (after[:, :2] > before[:, :2]).any()
    paid = 2 + np.clip(before[:, 2:] - 1.0, 0.0, 1.0).sum(axis=1)
    assert simulator.sales["service"]["tick_servers"] == pytest.approx(paid, rel=1e-12)


def test_a_server_switched_on_takes_requests_at_once():
    quiet = sale(slow(patience_minutes=ENDLESS, requests_per_minute=0.05), arrivals=fs.Arrivals(0.8))
    simulator = fs.Simulator(quiet, sales=SALES, actions="multidiscrete")
    simulator.open(np.arange(SALES, dtype=np.uint64), np.zeros(SALES, np.int64))
    for _ in range(6):
        simulator.advance(np.tile([0, 0], (SALES, 1)))
    assert (simulator.sales["service"]["tick_wait"] > 0).mean() > 0.9  # a long queue
    simulator.advance(np.tile([0, 3], (SALES, 1)))
    fits = simulator.sales["service"]["tick_requests"] <= SERVERS[-1] - 1
    assert fits.all()
    assert (simulator.sales["service"]["tick_wait"] == 0).all()


def test_bots_queue_as_customers_do_and_screening_relieves_the_servers():
    """A bot that is not caught takes its turn and never gives up, so customers wait longer."""
    bots = {"bots": fs.Bots(1.0, speed=1.0, screening=(0.0, 1.0))}
    let_in, caught = (played(sale(slow(), **bots), servers=[2] * TICKS, price=level)[0] for level in (0, 1))
    alone, *_ = played(sale(slow()), servers=[2] * TICKS)
    assert (metric(caught, "requests") == caught.sales["customers"]).all()
    assert (metric(let_in, "requests") > let_in.sales["customers"]).all()
    gave_up = [(metric(found, "gave_up") * metric(found, "requests")).sum() for found in (let_in, caught)]
    assert gave_up[0] > 1.5 * gave_up[1]  # customers, since bots never do
    assert metric(caught, "mean_wait").mean() == pytest.approx(metric(alone, "mean_wait").mean(), rel=0.3)


def test_customers_who_come_back_queue_again():
    again = {"waiting": fs.Waiting(0.9, look_minutes=5.0, most_waiting=1024)}
    simulator, *_ = played(sale(slow(), **again), servers=[2] * TICKS)
    came = simulator.sales["customers"] + metric(simulator, "return_visits")
    assert np.array_equal(metric(simulator, "requests"), came)


def test_one_sale_is_a_slice_of_many():
    many, observations, _ = played(sale(slow()), servers=[1] * TICKS)
    one = fs.Simulator(sale(slow()), sales=1, actions="multidiscrete")
    one.open(np.array([5], np.uint64), np.zeros(1, np.int64))
    for tick in range(TICKS):
        seen, *_ = one.advance(np.array([[1, 1]]))
        assert np.array_equal(seen[0], observations[tick + 1, 5])
    assert one.sales[0].tobytes() == many.sales[5].tobytes()


def test_features_are_those_of_the_last_tick():
    scenario = sale(slow())
    simulator = fs.Simulator(scenario, sales=SALES, actions="multidiscrete")
    layout = simulator.layout
    first = simulator.open(np.arange(SALES, dtype=np.uint64), np.zeros(SALES, np.int64))
    for name in ("servers", "server_load", "mean_wait", "next_wait", "gave_up"):
        assert (first[:, layout[name]] == 0).all(), name
    for level in (2, 0, 1):
        seen, *_ = simulator.advance(np.tile([0, level], (SALES, 1)))
        state = simulator.sales["service"]
        came, servers = np.maximum(state["tick_requests"], 1), SERVERS[level]
        ahead = np.maximum(state["free_at"][:, :servers].min(axis=1) - simulator.sales["tick"], 0.0)
        for name, value in {
            "servers": np.full(SALES, servers / SERVERS[-1]),
            "server_load": np.minimum(state["tick_requests"] / (5.0 * servers), 4.0),
            "mean_wait": np.log1p(5.0 * state["tick_wait"] / came),
            "next_wait": np.log1p(5.0 * ahead),
            "gave_up": state["tick_gave_up"] / came,
        }.items():
            assert seen[:, layout[name].start] == pytest.approx(value, rel=1e-6), name
    assert metric(simulator, "mean_wait") == pytest.approx(5.0 * state["wait"] / state["requests"])


def test_one_number_of_servers_is_no_decision():
    scenario = sale(slow(servers=(4,)))
    assert fs.Simulator(scenario).codec.names == ("price[ticket]",)
    assert "servers" not in scenario.features
    assert "mean_wait" not in sale(slow(patience_minutes=0.0)).features


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"servers": ()}, r"servers must rise from at least 1, got \[\]"),
        ({"servers": (0, 2)}, r"servers must rise from at least 1, got \[0, 2\]"),
        ({"servers": (4, 2)}, r"must rise from at least 1, got \[4, 2\]; e.g. \[2, 4, 8, 16\]"),
        ({"servers": (2, 4096)}, "servers must be at most 1,024, got 4,096"),
        ({"servers": (1.5,)}, r"servers\[0\] must be a whole number"),
        ({"requests_per_minute": 0.0}, "requests_per_minute must be above 0, got 0"),
        ({"patience_minutes": -1.0}, "patience_minutes must be at least 0, got -1"),
        ({"patience_minutes": {"gift": 2.0}}, "patience_minutes needs a number for bargain_hunting"),
        ({"latency_logits": -0.1}, "latency_logits must be at least 0, got -0.1"),
        ({"cost_per_server_hour": -2.0}, "cost_per_server_hour must be at least 0"),
    ],
)
def test_a_setting_out_of_range_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        slow(**changes)


def test_latency_of_customers_who_never_wait_is_refused():
    with pytest.raises(ValueError, match="latency_logits does nothing: patience_minutes is 0"):
        sale(slow(patience_minutes=0.0, latency_logits=1.0))
    with pytest.raises(ValueError, match="latency_logits does nothing"):
        sale(slow(patience_minutes={"gift": 1.0, "default": 0.0}, latency_logits={"gift": 0.0, "default": 1.0}))


def test_bounds_and_exact_solvers_refuse_a_queue():
    """Their customers are served at once."""
    scenario = sale(slow(), messages=None)
    for scope in (bounds.HINDSIGHT_SCOPE, bounds.DUAL_SCOPE):
        assert "service" in scope.why_not(scenario)
    assert "service" in AGENTS["dp"].applies(scenario)
    without = dataclasses.replace(scenario, service=None)
    assert bounds.HINDSIGHT_SCOPE.why_not(without) is None


@pytest.mark.slow
def test_the_queue_agrees_with_ciw():
    """The share who give up in an hour that starts empty, against the simulation library of Palmer et al. (2019)."""
    ciw = pytest.importorskip("ciw")
    sales, minutes = 400, 60.0
    shares = []
    for seed in range(sales):
        ciw.seed(seed)
        network = ciw.create_network(
            arrival_distributions=[ciw.dists.Exponential(6.0)],
            service_distributions=[ciw.dists.Exponential(1.0)],
            reneging_time_distributions=[ciw.dists.Exponential(0.5)],
            number_of_servers=[4],
        )
        simulation = ciw.Simulation(network)
        simulation.simulate_until_max_time(minutes + 30.0)
        came = [record for record in simulation.get_all_records() if record.arrival_date < minutes]
        shares.append((sum(record.record_type == "renege" for record in came), len(came)))
    left, came = np.array(shares).T
    ours, *_ = played(sale(slow(), arrivals=fs.Arrivals(6.0)), servers=[2] * TICKS, n=4 * sales)
    theirs, mine = left.sum() / came.sum(), np.average(metric(ours, "gave_up"), weights=metric(ours, "requests"))
    error = (left - theirs * came).std() / came.mean() / sales**0.5 * (1 + 1 / 4) ** 0.5
    assert mine == pytest.approx(theirs, abs=4 * error)  # a false alarm in 16,000
