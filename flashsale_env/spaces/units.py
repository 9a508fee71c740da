"""From the shares of an observation back to whole units.

Owns    the scale of every share in the observation; no other module multiplies shares back.
Axes    N sales, D numbers of an observation, M products, L ticks of lead time.
Units   stock and orders in units, ticks as indices, money in the scenario's currency.

Shares are single-precision numbers. They recover whole units exactly up to 2^23, which is the most that a scenario may
have of a product.

    units = UnitReader(scenario)
    if "sold" in units:
        units.sold(observations)  # (N, M)
"""

import numpy as np
import numpy.typing as npt

from flashsale_env.scenario import Scenario
from flashsale_env.spaces.observations import Layout

Observations = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_OF_A_RESERVE = {"reserve", "owned", "sold"}


class UnitReader:
    """Reads whole units from observations (N, D).

    `"owned" in reader` is whether a quantity can be read. It can if the scenario shows the features behind it, or if it
    is the same in every sale: for example, nothing is in transit when orders arrive at once. Reading any other quantity
    raises a ValueError that names the missing features.

    Args:
        scenario: of the observations.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._layout = Layout(scenario)
        products, supply = scenario.products, scenario.replenishment
        self._horizon, self._lead = scenario.horizon_ticks, scenario.lead_ticks
        self._scale = scenario.stock_scale * scenario.own
        self._unlimited = supply is not None and supply.unlimited
        self._can_order = np.array([supply is not None and p.can_be_ordered for p in products]) & scenario.own
        self._initial_reserve = np.array([product.reserve for product in products], np.int64) * scenario.own
        # Under limited supply, a storage with room for all units never cuts an order.
        storage = np.array([product.storage for product in products], np.int64)
        self._binds = self._can_order & (storage > 0) & (self._unlimited | (storage < self._scale))
        self._storage = storage
        self._unseen = self._features_not_shown()

    def __contains__(self, quantity: object) -> bool:
        return quantity in self._unseen and self.why_unread(str(quantity)) is None

    def why_unread(self, *quantities: str) -> str | None:
        """The reason why one of these quantities cannot be read, as a clause; None if all can."""
        if self._unlimited and not _OF_A_RESERVE.isdisjoint(quantities):
            return "the scenario's orders draw on no reserve"
        features = sorted({feature for quantity in quantities for feature in self._unseen[quantity]})
        return f"the agent reads {', '.join(features)}, which the scenario does not show" if features else None

    def tick(self, observations: Observations) -> Integers:
        """(N,) index of the coming tick, from 0; T at the close."""
        self._require("tick")
        left = self._shown("time_left", observations)[:, 0] * self._horizon
        return np.asarray(self._horizon - np.rint(left).astype(np.int64))

    def on_hand(self, observations: Observations) -> Integers:
        """(N, M) units free to sell."""
        self._require("on_hand")
        return self._units(self._shown("on_hand", observations), self._scale)

    def pipeline(self, observations: Observations) -> Integers:
        """(N, M, L) units that arrive in l ticks, l = 0..L-1."""
        self._require("pipeline")
        shape = (len(observations), len(self._scale), self._lead)
        if "pipeline" not in self._layout:
            return np.zeros(shape, np.int64)
        return self._units(self._shown("pipeline", observations).reshape(shape), self._scale[:, None])

    def in_transit(self, observations: Observations) -> Integers:
        """(N, M) units ordered and not yet arrived."""
        self._require("in_transit")
        if "in_transit" in self._layout:
            return self._units(self._shown("in_transit", observations), self._scale)
        return np.asarray(self.pipeline(observations).sum(axis=2))

    def reserved(self, observations: Observations) -> Integers:
        """(N, M) units in open carts, neither free nor sold."""
        self._require("reserved")
        if self._scenario.carts is None:
            return np.zeros((len(observations), len(self._scale)), np.int64)
        return self._units(self._shown("reserved", observations), self._scale)

    def position(self, observations: Observations) -> Integers:
        """(N, M) units that the shop has bought and not sold: on hand, in carts and in transit."""
        self._require("position")
        held = self.on_hand(observations) + self.reserved(observations)
        return np.asarray(held + self.in_transit(observations))

    def reserve(self, observations: Observations) -> Integers:
        """(N, M) units left in the reserve."""
        self._require("reserve")
        if "reserve" in self._layout:
            return self._units(self._shown("reserve", observations), self._scale)
        return np.tile(self._initial_reserve, (len(observations), 1))

    def owned(self, observations: Observations) -> Integers:
        """(N, M) units bought so far, opening stock included."""
        self._require("owned")
        return np.asarray(self._scale - self.reserve(observations))

    def sold(self, observations: Observations) -> Integers:
        """(N, M) units sold so far."""
        self._require("sold")
        return np.asarray(self.owned(observations) - self.position(observations))

    def to_order(self, observations: Observations) -> Integers:
        """(N, M) units that an order can bring now: those in the reserve, limited by the room in the storage."""
        self._require("to_order")
        if self._unlimited or not self._can_order.any():
            units = np.tile(self._storage, (len(observations), 1))
        else:
            units = self.reserve(observations)
        if self._binds.any():
            room = self._storage - self.position(observations)
            units = np.where(self._binds, np.minimum(units, room), units)
        return np.where(self._can_order, units, 0)

    def coupon_budget(self, observations: Observations) -> Floats:
        """(N,) currency left for coupons, to single precision."""
        self._require("coupon_budget")
        assert self._scenario.coupon is not None
        return np.asarray(self._shown("coupon_budget", observations)[:, 0] * self._scenario.coupon.budget)

    def _features_not_shown(self) -> dict[str, set[str]]:
        """Quantity -> the features that it needs and that the scenario does not show."""

        def unseen(feature: str, where: bool = True) -> set[str]:
            return {feature} if where and feature not in self._layout else set()

        arrives_later = self._lead > 0 and bool(self._can_order.any())
        draws_on_reserve = bool((self._can_order & (self._initial_reserve > 0)).any())
        on_hand = unseen("on_hand")
        in_transit = unseen("in_transit", arrives_later and "pipeline" not in self._layout)
        reserve = unseen("reserve", draws_on_reserve)
        reserved = unseen("reserved", self._scenario.carts is not None)
        position = on_hand | reserved | in_transit
        return {
            "tick": unseen("time_left"),
            "on_hand": on_hand,
            "pipeline": unseen("pipeline", arrives_later),
            "in_transit": in_transit,
            "reserved": reserved,
            "position": position,
            "reserve": reserve,
            "owned": reserve,
            "sold": reserve | position,
            "to_order": reserve | (position if self._binds.any() else set()),
            "coupon_budget": unseen("coupon_budget"),
        }

    def _require(self, quantity: str) -> None:
        if self.why_unread(quantity) is not None:
            name, features = self._scenario.name, sorted(self._unseen[quantity])
            reason = f"does not show {', '.join(features)}" if features else "has orders that draw on no reserve"
            raise ValueError(f"{quantity} cannot be read: scenario {name!r} {reason}.")

    def _shown(self, feature: str, observations: Observations) -> Floats:
        return observations[:, self._layout[feature]].astype(np.float64)

    @staticmethod
    def _units(shares: Floats, scale: Integers) -> Integers:
        return np.asarray(np.rint(shares * scale), np.int64)
