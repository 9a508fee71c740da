"""Shocks: what differs from sale to sale and is never observed.

Owns    the draws of a sale's traffic, of the appeal of its products and of its mix of intents.
Units   appeal in logits; traffic a factor with mean 1.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from flashsale_env.core import streams
from flashsale_env.core.compiler import scalar
from flashsale_env.market.mechanism import Mechanism, ScenarioLike
from flashsale_env.market.parts import MOST_SD, Part, require_range


@dataclass(frozen=True)
class Shocks(Part):
    """What differs from sale to sale and is never observed.

    Args:
        appeal_sd: standard deviation of each product's own appeal, logits.
        common_appeal_sd: standard deviation of the appeal all products share, logits.
        traffic_sd: standard deviation of log traffic (its mean factor is 1).
        mix_sd: standard deviation of the log weight of each intent around the population's.
    """

    appeal_sd: float = 0.0
    common_appeal_sd: float = 0.0
    traffic_sd: float = 0.0
    mix_sd: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "appeal_sd", "common_appeal_sd", "traffic_sd", "mix_sd", most=MOST_SD)

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """Shocks of appeal where a product has no appeal; whether intents differ, the population knows."""
        for name in ("appeal_sd", "common_appeal_sd"):
            if getattr(self, name) and not scenario.choice.knows_tastes:
                yield (
                    f"shocks.{name} {getattr(self, name):g} does nothing under choice.model {scenario.choice.model!r}, "
                    f"in which customers differ in willingness to pay alone. Set it to 0, or take another choice.model."
                )

    def idle_among(self, scenario: ScenarioLike, customers: Any) -> Iterator[str]:
        """A mix that varies where all customers are of one intent."""
        if self.mix_sd and len(np.unique(customers.latent_class)) == 1:
            yield (
                f"shocks.mix_sd {self.mix_sd:g} of scenario {scenario.name!r} does nothing among these customers: all "
                f"are of one intent, so there is no mix to vary."
            )


@scalar
def shock(sd, key, number):
    """A normal draw with mean 0; nothing is drawn where the standard deviation is 0."""
    return sd * streams.standard_normal(key, number) if sd > 0.0 else 0.0


@scalar
def open_sale(rules, sale, grids):
    """Traffic log-normal with mean 1; appeal normal; mix logistic-normal around the population's (Aitchison 1980)."""
    traffic = shock(rules.traffic_sd, sale.key, streams.TRAFFIC)
    sale.traffic = math.exp(traffic - 0.5 * rules.traffic_sd * rules.traffic_sd)
    common = shock(rules.common_appeal_sd, sale.key, streams.COMMON_APPEAL)
    for j in range(rules.n_products):
        sale.appeal[j] = np.float32(common + shock(rules.appeal_sd, sale.key, streams.APPEAL + j))
    total = 0.0
    for c in range(rules.n_classes):
        total += rules.class_share[c] * math.exp(shock(rules.mix_sd, sale.key, streams.MIX + c))
        sale.mix[c] = total
    for c in range(rules.n_classes):
        sale.mix[c] /= total


MECHANISM = Mechanism(
    settings=Shocks,
    state=lambda sizes: (
        # * all of them
        ("traffic", "f8"),
        ("appeal", "f4", (sizes.products,)),
        ("mix", "f8", (sizes.intents,)),  # cumulative over latent classes
    ),
    rules=lambda sizes: (("traffic_sd", "f8"), ("mix_sd", "f8"), ("appeal_sd", "f8"), ("common_appeal_sd", "f8")),
    lay_out=lambda scenario: {
        name: getattr(scenario.shocks, name) for name in ("traffic_sd", "mix_sd", "appeal_sd", "common_appeal_sd")
    },
    bounded=dict.fromkeys(
        ("appeal_sd", "common_appeal_sd", "traffic_sd", "mix_sd"), "the bound knows the shocks of each sale"
    ),
    open=open_sale,
)
