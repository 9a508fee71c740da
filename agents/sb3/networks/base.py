"""What the policy asks of a network: which features it reads, and how it corrects advice and estimates values.

Owns    the interface of features and networks, what a merchant computes from an observation, and the limits of
        standardised numbers.
Leaves  the networks to `merchant` and `shared`, advice, noise and Stable-Baselines3 to `sb3.policy`.
Axes    N sales, D numbers of an observation, C columns of a box action, M products, F features, R width of a memory,
        O outputs of the actor.
"""

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

import torch
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn

from flashsale_env import ActionCodec, Layout, Scenario, UnitReader
from flashsale_env.spaces.actions import ENCODINGS

# Standardised features are clipped at this many standard deviations: a rare stock-out must not derail the policy.
WIDEST = 5.0
# Least standard deviation, as a share of a feature's range: a feature that hardly varied when measured is not blown up.
SMALLEST_SD = 0.05
# Least share of customers in a denominator; below it the quotient is noise.
_FEWEST = 0.05


class AdvisedFeatures(BaseFeaturesExtractor):
    """The inputs of a network: numbers computed from the observation, followed by the advice.

    Attributes:
        advice: C.
    """

    advice: int

    @classmethod
    def of_scenario(cls, scenario: Scenario) -> dict[str, Any]:
        """The arguments that follow from the scenario, as plain values, so that the policy can be saved."""
        layout = Layout(scenario)
        expected = scenario.arrivals.customers_per_minute * scenario.sale_minutes
        return {
            "advice": len(ActionCodec(scenario).names),
            "columns": {name: (layout[name].start, layout[name].stop) for name in layout},
            "low": layout.low.tolist(),
            "high": layout.high.tolist(),
            "customers": (expected / scenario.stock_scale).tolist(),
            "derived": derivable(scenario),
        }

    def fit(self, shown: torch.Tensor) -> None:
        """Measure mean and standard deviation of every number on observations with advice, (N, D + C)."""
        raise NotImplementedError


class AdvisedNetworks(nn.Module):
    """Actor and critic over the features; the actor's output is a correction of the advice.

    Args:
        features: the inputs.
        memory: R, width of a memory whose output stands before the features; 0 without memory.
        outputs: O.
        widths: of the hidden layers of each.

    Attributes:
        critic_width: length of the vector that `value` returns.
    """

    # Which features it reads, which action encodings it can correct, whether it takes any number of products.
    reads: ClassVar[type[AdvisedFeatures]] = AdvisedFeatures
    encodings: ClassVar[tuple[str, ...]] = ENCODINGS
    any_products: ClassVar[bool] = False

    critic_width: int

    def __init__(self, features: AdvisedFeatures, memory: int, outputs: int, widths: Sequence[int]) -> None:
        super().__init__()

    @staticmethod
    def noise_kinds(codec: ActionCodec) -> list[int]:
        """(C,) for each column of a box action, the index of the standard deviation that it explores with."""
        raise NotImplementedError

    def correct_nothing(self) -> None:
        """Make the correction zero for all features."""
        raise NotImplementedError

    def correct(self, features: torch.Tensor) -> torch.Tensor:
        """(N, R + F) -> correction of the advice (N, O)."""
        raise NotImplementedError

    def value(self, features: torch.Tensor) -> torch.Tensor:
        """(N, R + F) -> (N, critic_width), in which the value is linear."""
        raise NotImplementedError


def layers(size: int, widths: Sequence[int]) -> nn.Sequential:
    """Hidden layers of these widths, each followed by a hyperbolic tangent."""
    parts: list[nn.Module] = []
    for width in widths:
        parts += [nn.Linear(size, width), nn.Tanh()]
        size = width
    return nn.Sequential(*parts)


def derivable(scenario: Scenario) -> list[str]:
    """The names that `derive` can compute from a scenario's observations."""
    units, shown = UnitReader(scenario), set(scenario.features)
    names = []
    if "tick" in units and "sold" in units:
        names += ["gap", "urgent_gap", "shortage"]
    if "tick" in units and "position" in units and {"conversion", "traffic"} <= shown:
        names.append("expected_shortage")
    return names


def derive(named: dict[str, torch.Tensor], customers: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
    """What a merchant computes for every product.

    | feature | of every product |
    |---|---|
    | gap | share of the owned units left, minus the share of customers left |
    | urgent_gap | gap / sqrt(share of customers left) |
    | shortage | forecast from the sales so far minus the stock, as a share of all units |
    | expected_shortage | forecast from recent conversion and traffic minus the stock |

    The first three need a limited supply that is fully observed, the last one the two features it names.

    Args:
        named: feature -> (N, its length).
        customers: expected customers of the sale / all units of each product, (M,).
        names: those wanted, from `derivable`.

    Returns:
        Name -> (N, M), in the order of `names`.
    """
    if not names:
        return {}
    left = named.get("customers_left", named["time_left"])
    stock = named["on_hand"]
    if "reserved" in named:  # units in carts are not sold yet
        stock = stock + named["reserved"]
    if "in_transit" in named:
        stock = stock + named["in_transit"]
    elif "pipeline" in named:
        pipeline = named["pipeline"]
        stock = stock + pipeline.reshape(len(pipeline), len(customers), -1).sum(dim=2)
    values = {}
    if "gap" in names:
        owned = 1.0 - named.get("reserve", torch.zeros_like(stock))
        gap = stock / owned.clamp(min=_FEWEST) - left
        values["gap"] = gap
        values["urgent_gap"] = gap / left.clamp(min=_FEWEST).sqrt()
        # Sold so far / share of customers so far · share of customers left: sales go on at the average pace.
        values["shortage"] = (owned - stock) / (1.0 - left).clamp(min=_FEWEST) * left - stock
    if "expected_shortage" in names:
        # The observation holds the square root of the conversion rate.
        wanted = named["conversion"].square() * named["traffic"] * customers * left
        values["expected_shortage"] = (wanted - stock).clamp(-1.0, 1.0)
    return values
