"""Shocks: unobserved differences between sales.

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
from flashsale_env.market.mechanism import Between, Mechanism, ScenarioLike
from flashsale_env.market.parts import MOST_SD, Part, require_range


@dataclass(frozen=True)
class Shocks(Part):
    """Standard deviations of the unobserved differences between sales; 0 for none.

    Args:
        appeal_sd: standard deviation of each product's own appeal, logits.
        common_appeal_sd: standard deviation of the appeal common to all products, logits.
        traffic_sd: standard deviation of log traffic; the factor has mean 1.
        mix_sd: standard deviation of the log weight of each intent around that of the population.

    Raises:
        ValueError: a value is out of range; the message names it.
    """

    appeal_sd: float = 0.0
    common_appeal_sd: float = 0.0
    traffic_sd: float = 0.0
    mix_sd: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range(self, "appeal_sd", "common_appeal_sd", "traffic_sd", "mix_sd", most=MOST_SD)

    def idle(self, scenario: ScenarioLike) -> Iterator[str]:
        """Appeal shocks under a choice model without appeal. `idle_among` checks whether intents differ."""
        for name in ("appeal_sd", "common_appeal_sd"):
            if getattr(self, name) and not scenario.choice.has_utilities:
                yield (
                    f"shocks.{name} {getattr(self, name):g} does nothing under choice.model {scenario.choice.model!r}, "
                    f"in which customers differ in willingness to pay alone. Set it to 0, or take another choice.model."
                )

    def idle_among(self, scenario: ScenarioLike, customers: Any) -> Iterator[str]:
        """A shock to the mix, if all customers have the same intent."""
        if self.mix_sd and len(np.unique(customers.latent_class)) == 1:
            yield (
                f"shocks.mix_sd {self.mix_sd:g} of scenario {scenario.name!r} does nothing among these customers: all "
                f"are of one intent, so there is no mix to vary."
            )


@scalar
def shock(sd, key, number):
    """A normal draw with mean 0; without a draw if the standard deviation is 0."""
    return sd * streams.standard_normal(key, number) if sd > 0.0 else 0.0


@scalar
def open_sale(rules, sale, grids):
    """Traffic log-normal with mean 1; appeal normal; mix logistic-normal around the population's (Aitchison 1980)."""
    traffic = shock(rules.traffic_sd, sale.key, streams.TRAFFIC)
    # E[exp(s·z)] = exp(s²/2)
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
        ("appeal_sd", "common_appeal_sd", "traffic_sd", "mix_sd"), "the bounds are given the shocks of each sale"
    ),
    ranges={
        "appeal_sd": Between(0.0, 0.5),
        "common_appeal_sd": Between(0.0, 0.5),
        "traffic_sd": Between(0.0, 0.4),
        "mix_sd": Between(0.0, 1.5),
    },
    open=open_sale,
)
