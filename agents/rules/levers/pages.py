"""What the page of each product shows.

Axes    N sales, C disclosure columns.
Units   units left as shares of all units of the product.
"""

from collections.abc import Mapping

import numpy as np

from flashsale_env import ActionCodec, Scenario
from flashsale_env.agents.base import Space
from flashsale_env.agents.rules.levers.base import Lever
from flashsale_env.agents.rules.view import Integers, View


class ShowScarcity(Lever):
    """The page shows its figures while at most the share `disclosure_share` of all units of the product is on hand.

    The default is the number of units from which on the page tells that they are few.
    """

    def needs(self, scenario: Scenario) -> tuple[str, ...]:
        return ("on_hand",)

    def space(self, scenario: Scenario) -> Space:
        return {"disclosure_share": (0.0, 1.0)}

    def defaults(self, scenario: Scenario) -> dict[str, float]:
        assert scenario.disclosure is not None
        few = sum(logits > 0 for logits in scenario.disclosure.units_left)
        return {"disclosure_share": min(1.0, few / float(scenario.stock_scale.mean())) if few else 0.2}

    def levels(self, view: View, codec: ActionCodec, params: Mapping[str, float]) -> Integers:
        products = codec.numbers_of(codec.columns(self.decision))
        share = view.on_hand / np.maximum(view.scenario.stock_scale, 1)
        return np.asarray(share[:, products] <= params["disclosure_share"], np.int64)
