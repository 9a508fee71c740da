"""Requests: how many servers answer them, and how strictly they are screened for bots.

Axes    N sales.
Units   requests a tick; waits in minutes; bots as shares of the requests.
"""

from collections.abc import Mapping

import numpy as np

from flashsale_env import ActionCodec, Scenario
from flashsale_env.agents.base import Space
from flashsale_env.agents.rules.levers.base import Lever, highest_level
from flashsale_env.agents.rules.view import Floats, Integers, View
from flashsale_env.market.bots import bots_per_tick


class Staffing(Lever):
    """Servers by forecast: the offered load R of the coming tick, in servers, and a safety for its randomness.

        servers = `servers_cover` · R + `servers_safety` · sqrt(R), rounded up

    R is requests over what one server can answer. The requests forecast are those in the queue and the expected
    customers times the recent traffic; where the scenario shows the load of the servers, the requests of the last tick
    replace the share `servers_recent` of the expected ones.

    Source:
        Halfin & Whitt (1981), Operations Research 29(3): the square-root safety.
    """

    def needs(self, scenario: Scenario) -> tuple[str, ...]:
        return ("tick",)

    def space(self, scenario: Scenario) -> Space:
        space: Space = {"servers_cover": (0.0, 2.0), "servers_safety": (-1.0, 3.0)}
        return space | ({"servers_recent": (0.0, 1.0)} if {"servers", "server_load"} <= set(scenario.features) else {})

    def defaults(self, scenario: Scenario) -> dict[str, float]:
        return {"servers_cover": 1.0, "servers_safety": 0.5, "servers_recent": 0.3}

    def levels(self, view: View, codec: ActionCodec, params: Mapping[str, float]) -> Integers:
        servers = np.asarray(codec.levels[codec.columns(self.decision)[0]])
        load = self._requests(view, params.get("servers_recent", 0.0)) / answers_per_tick(view.scenario)
        wanted = params["servers_cover"] * load + params["servers_safety"] * np.sqrt(load)
        return np.minimum(np.searchsorted(servers, wanted - 1e-6), len(servers) - 1)

    def _requests(self, view: View, recent: float) -> Floats:
        """(N, 1) requests to be answered in the coming tick."""
        requests = view.expected_customers * view.traffic
        shown = set(view.scenario.features)
        if {"servers", "server_load"} <= shown:
            # What the servers of the last tick could answer; none in the first tick.
            capacity = view.read("servers") * self._most(view.scenario) * answers_per_tick(view.scenario)
            last = view.read("server_load") * capacity
            requests = np.where(view.tick[:, None] > 0, (1.0 - recent) * requests + recent * last, requests)
            if "next_wait" in shown:
                requests = requests + np.expm1(view.read("next_wait")) / view.scenario.tick_minutes * capacity
        return np.asarray(requests)

    @staticmethod
    def _most(scenario: Scenario) -> int:
        assert scenario.service is not None
        return scenario.service.servers[-1]


def answers_per_tick(scenario: Scenario) -> float:
    """Requests that one busy server answers in a tick, on average."""
    assert scenario.service is not None
    return scenario.service.requests_per_minute * scenario.tick_minutes


class Screening(Lever):
    """Level `screening_level` while the share of bots among the requests is at least `screening_from`, else the lowest.

    The share is the larger of two: the one expected in the coming tick, from the schedule of bots and the intents of
    the messages, and the one of the requests recently caught, where the scenario shows it.
    """

    def needs(self, scenario: Scenario) -> tuple[str, ...]:
        return ("tick",)

    def space(self, scenario: Scenario) -> Space:
        return {"screening_level": (0, highest_level(scenario, self.decision)), "screening_from": (0.0, 1.0)}

    def defaults(self, scenario: Scenario) -> dict[str, float]:
        return {"screening_level": highest_level(scenario, self.decision), "screening_from": 0.5}

    def levels(self, view: View, codec: ActionCodec, params: Mapping[str, float]) -> Integers:
        share = expected_share(view)
        if "caught" in view.scenario.features:
            share = np.maximum(share, view.read("caught"))
        return np.where(share >= params["screening_from"], int(params["screening_level"]), 0)


def expected_share(view: View) -> Floats:
    """(N, 1) share of bots among the requests of the coming tick."""
    part = view.scenario.bots
    assert part is not None
    per_customer = view.mean_by_intent(part.share)
    bots = per_customer * bots_per_tick(view.scenario)[np.minimum(view.tick, view.scenario.horizon_ticks - 1), None]
    return np.asarray(bots / np.maximum(bots + view.expected_customers, 1e-12))
