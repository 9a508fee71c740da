"""Which list of products is shown.

Axes    N sales.
Units   time as a share of the sale.
"""

from collections.abc import Mapping

import numpy as np

from flashsale_env import ActionCodec, Scenario
from flashsale_env.agents.base import Space
from flashsale_env.agents.rules.levers.base import Lever, highest_level
from flashsale_env.agents.rules.view import Integers, View


class TwoLists(Lever):
    """List `display_first`, and from the share `display_from` of the sale's time on list `display_then`.

    What pays while all shelves are full need not pay when some are empty and others have to be cleared. Untuned, the
    first list is shown throughout.
    """

    def needs(self, scenario: Scenario) -> tuple[str, ...]:
        return ("tick",)

    def space(self, scenario: Scenario) -> Space:
        last = highest_level(scenario, self.decision)
        return {"display_first": (0, last), "display_then": (0, last), "display_from": (0.0, 1.0)}

    def defaults(self, scenario: Scenario) -> dict[str, float]:
        return {"display_first": 0, "display_then": 0, "display_from": 0.5}

    def levels(self, view: View, codec: ActionCodec, params: Mapping[str, float]) -> Integers:
        later = view.elapsed >= params["display_from"]
        return np.where(later, int(params["display_then"]), int(params["display_first"]))
