"""Service: requests queue for the shop's servers, and whoever is out of patience leaves.

Owns    the number of servers in a tick, the queue in front of them, and their cost.
Axes    lane c is server c; the first `servers` of them take new requests.
Units   time in ticks since the start of the sale; settings and metrics in minutes.

Every visit passes the queue before it sees the shop, whatever brought it, and so does every bot; those whom screening
turns away do not. It is an M/M/c+M queue, first come first served (Palm 1957; Garnett, Mandelbaum & Reiman 2002), kept
as Kiefer & Wolfowitz's vector (1955): a lane holds the time at which its server has answered all that it has taken. The
wait is thus known on arrival, from one look at each lane at most, without a list of events. Whoever is less patient
than that gives up. It makes no difference that the patience is spent only later, since nobody behind in the queue can
change the wait of those in front.

A request is played when it comes: it sees prices and shelves of that moment, and the wait is taken off its utility.

A server that is switched off first answers what it has taken, and is paid until then. One that is switched on takes new
requests at once; customers who wait already keep the wait that was announced to them. After the close every server is
paid until it has answered everything. No choice of servers can therefore answer a request for less than the time that
it takes.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flashsale_env.core import streams
from flashsale_env.core.compiler import scalar
from flashsale_env.core.levels import chosen
from flashsale_env.core.records import put
from flashsale_env.intents import ByIntent
from flashsale_env.market.mechanism import (
    Between,
    Decision,
    Feature,
    Mechanism,
    OneOf,
    ScenarioLike,
    Term,
    room_for,
)
from flashsale_env.market.parts import MOST_MONEY, Part, require_range
from flashsale_env.tables import example

PATIENCE, ANSWER = streams.purpose("service.patience"), streams.purpose("service.answer")

NOTHING = ByIntent.read(0.0, "")
ENDLESS = 1e300  # mean patience of those who never give up; the core knows no infinity
GAVE_UP = -1.0  # in place of the wait

# Every request looks at every lane: with so many, about a microsecond.
MOST_SERVERS = 1024


@dataclass(frozen=True)
class Service(Part):
    """Servers that answer requests, and customers who wait for them.

    Args:
        servers: the numbers of servers to choose from, rising from at least 1.
        requests_per_minute: answered by one busy server, on average; times to answer are exponential.
        patience_minutes: mean of the exponential time that a customer is willing to wait, minutes; a number, or by
            intent. With 0 nobody waits.
        latency_logits: utility of all products lost per minute of waiting, logits; a number, or by intent. Conversion
            2.4 % lower for 100 ms on a desktop, and 7.1 % lower on a phone, are 14.6 and 44 (Akamai 2017): right for
            seconds of loading, far too much for minutes in a waiting room.
        cost_per_server_hour: of a server that is on, busy or not, currency.

    Raises:
        ValueError: a value is out of range; the message names it.
    """

    servers: tuple[int, ...] = field(metadata=example([2, 4, 8, 16]))
    requests_per_minute: float = field(metadata=example(30.0))
    patience_minutes: ByIntent = field(metadata=example(2.0))
    latency_logits: ByIntent = NOTHING
    cost_per_server_hour: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.servers, default=0) < 1 or list(self.servers) != sorted(set(self.servers)):
            raise ValueError(
                f"service.servers must rise from at least 1, got {list(self.servers)}; e.g. [2, 4, 8, 16]."
            )
        if self.servers[-1] > MOST_SERVERS:
            raise ValueError(
                f"service.servers must be at most {MOST_SERVERS:,}, got {self.servers[-1]:,}: every request looks at "
                f"every server. Count racks of several servers as one, with as many requests_per_minute together."
            )
        if self.requests_per_minute <= 0:
            raise ValueError(f"service.requests_per_minute must be above 0, got {self.requests_per_minute:g}.")
        require_range(self, "patience_minutes", "latency_logits")
        require_range(self, "cost_per_server_hour", most=MOST_MONEY)

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """Latency of customers who never wait."""
        waiting = [
            latency for latency, patience in zip(self.latency_logits, self.patience_minutes, strict=True) if patience
        ]
        if any(self.latency_logits) and not any(waiting):
            yield (
                "service.latency_logits does nothing: patience_minutes is 0 wherever it is above 0, and who does not "
                "wait loses nothing by waiting. Give these customers patience, or leave latency_logits out."
            )


@scalar
def decide(rules, sale, grids, encoding, action):
    """The number of servers; lanes beyond it take no more requests and finish those that they have."""
    sale.service.servers = int(chosen(rules, grids, encoding, action, rules.row.servers))


@scalar
def begin_tick(rules, sale):
    """No request has come yet."""
    sale.service.tick_requests = 0
    sale.service.tick_gave_up = 0
    sale.service.tick_wait = 0.0


@scalar
def first_free(service, now):
    """The lane that is free first, of those that take requests; of several that are free now, the one of lowest number.

    So the servers with the highest numbers, which are switched off first, are the least busy.
    """
    lane = 0
    for c in range(service.servers):
        if service.free_at[c] <= now:
            return c
        if service.free_at[c] < service.free_at[lane]:
            lane = c
    return lane


@scalar
def wait_for_answer(rules, service, voice, key, now):
    """The wait of a request that comes at `now`, ticks; `GAVE_UP` if it is too long for this customer.

    Both records are None in a sale without a queue. Patience and time to answer belong to the customer: the same under
    any number of servers, and at every visit.
    """
    if rules is None or service is None:
        return 0.0
    return queue(rules, service, rules.patience[voice.latent], key, now)


@scalar
def answer_bot(rules, service, key, now):
    """A bot takes its turn, however long it waits; both records are None in a sale without a queue."""
    if rules is None or service is None:
        return
    queue(rules, service, ENDLESS, key, now)


@scalar
def queue(rules, service, mean_patience, key, now):
    """Join the queue at `now`, with a mean patience in ticks; the wait, or `GAVE_UP`."""
    lane = first_free(service, now)
    wait = max(0.0, service.free_at[lane] - now)
    service.tick_requests += 1
    if wait > 0.0:
        service.delayed += 1
        u = streams.uniform(streams.subkey(key, PATIENCE))
        # -ln(u) >= 1 - u, so most of those who stay need no logarithm.
        if (1.0 - u) * mean_patience < wait:
            patience = -math.log(u) * mean_patience
            if patience < wait:
                service.tick_gave_up += 1
                service.tick_wait += patience
                return GAVE_UP
        service.tick_wait += wait
    # In single precision, which takes half the time: seven digits of a random duration are enough.
    answer = -math.log(np.float32(streams.uniform(streams.subkey(key, ANSWER))))
    service.free_at[lane] = now + wait + answer / rules.answers
    return wait


@scalar
def mood(rules, voice, wait):
    """Logits that this wait adds to the utility of every product; `rules` is None in a sale without a queue."""
    if rules is None:
        return 0.0
    return -rules.latency[voice.latent] * wait


@scalar
def end_tick(rules, sale, closes):
    """Servers are paid while they are on, and beyond that until they have answered what they took."""
    service = sale.service
    paid = float(service.servers)
    for c in range(len(service.free_at)):
        busy = max(0.0, service.free_at[c] - sale.tick)  # from the start of this tick
        if c >= service.servers:
            paid += min(busy, 1.0)
        if closes:
            paid += max(0.0, busy - 1.0)
    service.tick_servers = paid
    service.server_ticks += paid
    service.requests += service.tick_requests
    service.gave_up += service.tick_gave_up
    service.wait += service.tick_wait


@scalar
def settle(rules, sale, closes, terms):
    """The cost of the servers."""
    terms[rules.term.service] = -rules.service.cost * sale.service.tick_servers


@scalar
def observe(rules, sale, schedule, out):
    """The queue of the last tick, and the wait in front of a request that came now."""
    service = sale.service
    came = max(service.tick_requests, 1)
    answers = max(service.servers, 1) * rules.service.answers
    ahead = max(0.0, service.free_at[first_free(service, sale.tick)] - sale.tick)
    put(out, rules.at.servers, service.servers / rules.service.most, 0.0, 1.0)
    put(out, rules.at.server_load, service.tick_requests / answers, 0.0, 4.0)
    put(out, rules.at.mean_wait, math.log1p(service.tick_wait / came * rules.service.minutes), 0.0, 4.0)
    put(out, rules.at.next_wait, math.log1p(ahead * rules.service.minutes), 0.0, 4.0)
    put(out, rules.at.gave_up, service.tick_gave_up / came, 0.0, 1.0)


@scalar
def measure(rules, sale, out):
    """Requests, what became of them, and what the servers worked."""
    service = sale.service
    came = max(service.requests, 1)
    out[rules.metric.requests] = service.requests
    out[rules.metric.delayed] = service.delayed / came
    out[rules.metric.gave_up] = service.gave_up / came
    out[rules.metric.mean_wait] = service.wait / came * rules.service.minutes
    out[rules.metric.server_hours] = service.server_ticks * rules.service.minutes / 60.0


def _lay_out(scenario: ScenarioLike) -> dict[str, Any]:
    service, minutes = scenario.service, scenario.tick_minutes
    return {
        "answers": service.requests_per_minute * minutes,
        "patience": [patience / minutes for patience in service.patience_minutes],
        "latency": [latency * minutes for latency in service.latency_logits],
        "cost": service.cost_per_server_hour * minutes / 60.0,
        "minutes": minutes,
        "most": service.servers[-1],
    }


MECHANISM = Mechanism(
    settings=Service,
    size=lambda scenario: room_for(scenario.service.servers[-1]),
    state=lambda sizes: (
        ("free_at", "f8", (sizes.own,)),  # * when each lane has answered all requests that it took
        ("servers", "i8"),
        ("tick_requests", "i8"),
        ("tick_gave_up", "i8"),
        ("tick_wait", "f8"),  # of all requests, those that gave up included
        ("tick_servers", "f8"),  # server-ticks paid
        # since the start of the sale
        ("requests", "i8"),
        ("delayed", "i8"),  # that found every server busy
        ("gave_up", "i8"),
        ("wait", "f8"),
        ("server_ticks", "f8"),
    ),
    rules=lambda sizes: (
        ("answers", "f8"),  # of one busy server in a tick
        ("patience", "f8", (sizes.intents,)),  # ticks
        ("latency", "f8", (sizes.intents,)),  # logits per tick
        ("cost", "f8"),  # of a server and tick
        ("minutes", "f8"),  # of a tick
        ("most", "f8"),
    ),
    lay_out=_lay_out,
    decisions={
        "servers": Decision(
            labels=lambda scenario: ("",),
            levels=lambda scenario: [tuple(map(float, scenario.service.servers))],
            discrete_steps=None,
            meaning=lambda scenario: (
                f"servers that answer requests, {scenario.service.requests_per_minute:,.6g} a minute each; one costs "
                f"{scenario.service.cost_per_server_hour:,.10g} an hour"
            ),
            unit="servers",
        )
    },
    features={
        "servers": Feature(
            "sale",
            0.0,
            1.0,
            "share of the most servers",
            "servers in the last tick",
            "demand",
            applies=lambda scenario: len(scenario.service.servers) > 1,
        ),
        "server_load": Feature(
            "sale", 0.0, 4.0, "ratio", "requests of the last tick over those that its servers can answer", "demand"
        ),
        "mean_wait": Feature(
            "sale",
            0.0,
            4.0,
            "log(1 + minutes)",
            "mean wait of the last tick's requests",
            "demand",
            applies=lambda scenario: any(scenario.service.patience_minutes),
        ),
        "next_wait": Feature(
            "sale", 0.0, 4.0, "log(1 + minutes)", "wait of a request that came now, with the same servers", "demand"
        ),
        "gave_up": Feature("sale", 0.0, 1.0, "share", "requests of the last tick that gave up waiting", "demand"),
    },
    terms={
        "service": Term("cost of the servers that are on, and of those switched off until they have answered"),
    },
    metrics={
        "requests": "requests for an answer: visits, those of customers who come back included, and bots not caught",
        "delayed": "share of requests that found every server busy",
        "gave_up": "share of requests that left before they were answered",
        "mean_wait": "mean time that a request waited, until it was answered or left; minutes",
        "server_hours": "hours of servers paid",
    },
    ranges={
        "servers": OneOf(((1, 2, 4), (1, 2, 4, 8), (2, 4, 8, 16))),
        "requests_per_minute": Between(0.5, 8.0),
        "patience_minutes": Between(0.0, 5.0),
        "latency_logits": Between(0.0, 2.0),
        "cost_per_server_hour": Between(0.0, 100.0),
    },
    begin_tick=begin_tick,
    decide=decide,
    end_tick=end_tick,
    settle=settle,
    observe=observe,
    measure=measure,
)
