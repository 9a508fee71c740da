"""Queues: requests in front of a fixed number of servers, with and without patience.

Owns    the scenario of a queue, and what is known of it: the chain of the number of requests that wait or are answered.
Units   minutes; rates per minute.

A sale opens with an empty queue, so the exact values are those of the first hour, over all requests that come in it;
the limit is the stationary value. An arrival finds the state of the chain (Wolff 1982), and from there the fate of the
request is a sum over those in front.
"""

import math

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import expm_multiply

from flashsale_env import Arrivals, Choice, Product, Scenario, Service
from flashsale_env.experiments.verify.case import validation_case
from flashsale_env.experiments.verify.measurement import Floats, Measurement, described, mean_of, ratio_of
from flashsale_env.experiments.verify.simulating import MINUTES, ConstantPrices, ample, simulate
from flashsale_env.intents import ByIntent

# Probability of a longer queue than the chain holds.
_CUT = 1e-15
_LONGEST = 10_000
# Each sale is an average over many requests already, so a share of the sales is enough.
_SHARE, _FEWEST = 20, 200
# Mean patience of customers who never give up, minutes.
_ENDLESS = 1e12


@validation_case(
    "erlang-a",
    "Palm (1957); Garnett, Mandelbaum & Reiman (2002), MSOM 4(3); transient chain",
    "customers with exponential patience: share who give up, and number waiting",
    variants=({}, {"servers": 1, "rate": 1.2}),
    servers=10,
    rate=12.0,
    answers=1.0,
    impatience=0.5,
)
def erlang_a(sales: int, servers: int, rate: float, answers: float, impatience: float) -> list[Measurement]:
    law, stationary = occupation(servers, rate, answers, impatience)
    ahead = np.maximum(np.arange(len(law)) - servers + 1, 0)  # place in the queue of an arrival that finds n requests
    gives_up = ahead * impatience / (servers * answers + ahead * impatience)
    waits = waiting_times(servers * answers, impatience, int(ahead[-1]))[ahead]
    found = play_queue(servers, answers, 1 / impatience, rate, sales)
    label = described(servers=servers, rate=rate, impatience=impatience)
    total = found["mean_wait"] * found["requests"] / MINUTES
    return [
        ratio_of(
            f"share who give up, {label}", float(law @ gives_up), found["gave_up"] * found["requests"],
            found["requests"], reach=1.0, limit=float(stationary @ gives_up),
        ),
        mean_of(
            f"requests waiting, {label}", float(rate * law @ waits), total, reach=longest_wait(rate, answers * servers),
            limit=float(rate * stationary @ waits),
        ),
    ]  # fmt: skip


@validation_case(
    "erlang-b",
    "Erlang (1917); transient chain",
    "customers without patience: share who find every server busy and leave",
    variants=({}, {"servers": 1, "load": 0.8}),
    servers=10,
    load=8.0,
)
def erlang_b(sales: int, servers: int, load: float) -> list[Measurement]:
    law, stationary = occupation(servers, load, 1.0, math.inf)
    found = play_queue(servers, 1.0, 0.0, load, sales)
    return [
        ratio_of(
            f"share who leave, {described(servers=servers, load=load)}", float(law[-1]),
            found["gave_up"] * found["requests"], found["requests"], reach=1.0, limit=float(stationary[-1]),
        )
    ]  # fmt: skip


@validation_case(
    "erlang-c",
    "Erlang (1917); transient chain",
    "customers with endless patience: share who wait, and number waiting",
    variants=({}, {"servers": 1, "load": 0.5}),
    servers=10,
    load=8.0,
)
def erlang_c(sales: int, servers: int, load: float) -> list[Measurement]:
    if load >= servers:
        raise ValueError(f"erlang-c: load must be below servers, or the queue grows for ever, got {load:g}.")
    law, stationary = occupation(servers, load, 1.0, 0.0)
    ahead = np.maximum(np.arange(len(law)) - servers + 1, 0)
    waits = ahead / servers
    found = play_queue(servers, 1.0, _ENDLESS, load, sales)
    label = described(servers=servers, load=load)
    total = found["mean_wait"] * found["requests"] / MINUTES
    return [
        ratio_of(
            f"share who wait, {label}", float(law[ahead > 0].sum()), found["delayed"] * found["requests"],
            found["requests"], reach=1.0, limit=float(stationary[ahead > 0].sum()),
        ),
        mean_of(
            f"requests waiting, {label}", float(load * law @ waits), total, reach=longest_wait(load, servers),
            limit=float(load * stationary @ waits),
        ),
    ]  # fmt: skip


def occupation(servers: int, rate: float, answers: float, impatience: float) -> tuple[Floats, Floats]:
    """Law of the number of requests n, waiting or being answered: (n,) mean over the first hour, and (n,) stationary.

    Births at `rate`, deaths at min(n, servers)·answers + max(n - servers, 0)·impatience; no more than `servers` if the
    impatience is infinite.

    Raises:
        ValueError: the queue is longer than the table.
    """
    weights = [1.0]
    while weights[-1] > _CUT * sum(weights) or len(weights) <= servers:
        n = len(weights)
        if n > servers and math.isinf(impatience):
            break
        if n > _LONGEST:
            raise ValueError(f"a queue of more than {_LONGEST:,} requests is too long to solve; take a lower rate.")
        weights.append(weights[-1] * rate / _deaths(n, servers, answers, impatience))
    stationary = np.array(weights) / sum(weights)
    size = len(stationary)
    deaths = [_deaths(n, servers, answers, impatience) for n in range(1, size)]
    flows = sparse.diags([[rate] * (size - 1), deaths], [-1, 1])
    generator = flows - sparse.diags(np.asarray(flows.sum(axis=0)).ravel())  # columns sum to 0
    # The integral of the law is a further state of the same linear system.
    both = sparse.bmat([[generator, None], [sparse.identity(size), sparse.csr_matrix((size, size))]], format="csr")
    empty = np.zeros(2 * size)
    empty[0] = 1.0
    return expm_multiply(both * MINUTES, empty)[size:] / MINUTES, stationary


def _deaths(n: int, servers: int, answers: float, impatience: float) -> float:
    waiting = n - servers
    return min(n, servers) * answers + (waiting * impatience if waiting > 0 else 0.0)


def waiting_times(answers: float, impatience: float, most: int) -> Floats:
    """(most + 1,) mean time in the queue of a request at place k, until it is answered or gives up; 0 at place 0."""
    waits = np.zeros(most + 1)
    for k in range(1, most + 1):
        # The next event moves it up, or is its own end of patience.
        moves = answers + (k - 1) * impatience
        waits[k] = (1.0 + moves * waits[k - 1]) / (moves + impatience)
    return waits


def longest_wait(rate: float, answers: float) -> float:
    """More than the number waiting can be on average over a sale, up to a probability of about 1e-12."""
    most = ample(rate * MINUTES)
    return most * most / answers / MINUTES


def play_queue(servers: int, answers: float, patience: float, rate: float, sales: int) -> dict[str, Floats]:
    """Metrics (S,) of sales in which a fixed number of servers answers requests at `rate` per minute."""
    scenario = Scenario(
        name="verification",
        horizon_ticks=int(MINUTES),
        tick_minutes=1.0,
        products=(Product("ticket", (2.0, 1.0), ample(rate * MINUTES)),),
        arrivals=Arrivals(rate),
        choice=Choice("exponential"),
        service=Service((servers,), answers, ByIntent.read(patience, "")),
        observe=("time_left",),
    )
    table = simulate(ConstantPrices(scenario, [1.0]), scenario, max(sales // _SHARE, _FEWEST))
    return {name: table[name] for name in ("requests", "delayed", "gave_up", "mean_wait")}
