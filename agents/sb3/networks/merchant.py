"""What the networks of the learners read, and the network that knows every product by itself.

Owns    the merchant's features, actor and critic.
Leaves  advice, noise and Stable-Baselines3 to `sb3.policy`.
Axes    N sales, D numbers of an observation, C columns of a box action, M products, F features, R width of a memory,
        O outputs of the actor.
"""

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

import torch
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn

from flashsale_env import ActionCodec, Layout, Scenario, UnitReader
from flashsale_env.agents.sb3.presets import CUSTOMERS, EVERYTHING, OF_CUSTOMERS
from flashsale_env.spaces.actions import ENCODINGS

# Below this share of customers come, or left, a quotient by it is noise.
_FEWEST = 0.05
# Standardised features beyond this many spreads are cut: a rare stock-out must not throw the policy off.
WIDEST = 5.0
# A number that hardly moved when it was measured is not blown up beyond this share of its range.
SMALLEST_SPREAD = 0.05


class AdvisedFeatures(BaseFeaturesExtractor):
    """What a network reads: numbers computed from the observation, then the advice, which stands last.

    Attributes:
        advice: C.
    """

    advice: int

    @classmethod
    def of_scenario(cls, scenario: Scenario) -> dict[str, Any]:
        """The arguments that follow from the scenario: plain values, so that the policy can be saved."""
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
        """Take mean and spread of every number from observations with advice, (N, D + C)."""
        raise NotImplementedError


class MerchantFeatures(AdvisedFeatures):
    """The observation and, for every product, what a merchant computes from it, standardised; then the advice.

    | feature | of every product |
    |---|---|
    | gap | share of the owned units left, less the share of customers left |
    | urgent gap | the same over the square root of the share of customers left |
    | shortage | units that sales so far say will still be wanted, less the units there, as a share of all |
    | expected shortage | the same by recent conversion and traffic, where the scenario shows them |

    The first three are about a stock that can be sold out: they need a limited supply of which all is seen.

    Mean and spread of every number are measured once, by `fit`, and saved with the weights.

    Args:
        observation_space: observation and advice, (D + C,).
        advice: C.
        columns: feature name -> (first, last + 1) of the observation.
        low, high: bounds of the observation.
        customers: expected customers of the sale over all units of each product, (M,).
        derived: names of what is computed for every product, in the order of the table.
        reacts_to: what actor and critic see: "everything", or only time and "customers".
    """

    def __init__(
        self,
        observation_space: Any,
        advice: int,
        columns: dict[str, tuple[int, int]],
        low: Sequence[float],
        high: Sequence[float],
        customers: Sequence[float],
        derived: Sequence[str],
        reacts_to: str = EVERYTHING,
    ) -> None:
        size = len(low) + len(derived) * len(customers)
        super().__init__(observation_space, features_dim=size + advice)
        self.advice = advice
        self.seen = list(range(size))
        if reacts_to == CUSTOMERS:
            self.seen = [i for name in OF_CUSTOMERS if name in columns for i in range(*columns[name])]
        self._columns, self._derived = columns, tuple(derived)
        floor = torch.full((size,), SMALLEST_SPREAD)
        floor[: len(low)] *= torch.tensor(high) - torch.tensor(low)
        self.register_buffer("floor", floor, persistent=False)
        self.register_buffer("customers", torch.tensor(customers), persistent=False)
        self.register_buffer("centre", torch.zeros(size))
        self.register_buffer("spread", torch.ones(size))

    def fit(self, shown: torch.Tensor) -> None:
        numbers = self._numbers(shown)
        self.centre.copy_(numbers.mean(dim=0))
        self.spread.copy_(torch.maximum(numbers.std(dim=0), self.floor))

    def forward(self, shown: torch.Tensor) -> torch.Tensor:
        """(N, D + C) -> (N, F)."""
        standardised = (self._numbers(shown) - self.centre) / self.spread
        return torch.cat([standardised.clamp(-WIDEST, WIDEST), shown[:, -self.advice :]], dim=1)

    def _numbers(self, shown: torch.Tensor) -> torch.Tensor:
        observations = shown[:, : -self.advice]
        named = {name: observations[:, first:end] for name, (first, end) in self._columns.items()}
        return torch.cat([observations, *derive(named, self.customers, self._derived).values()], dim=1)


def derivable(scenario: Scenario) -> list[str]:
    """What `derive` makes of a scenario's observations: what these tell enough for."""
    units, shown = UnitReader(scenario), set(scenario.features)
    names = []
    if "tick" in units and "sold" in units:
        names += ["gap", "urgent_gap", "shortage"]
    if "tick" in units and "position" in units and {"conversion", "traffic"} <= shown:
        names.append("expected_shortage")
    return names


def derive(named: dict[str, torch.Tensor], customers: torch.Tensor, names: Collection[str]) -> dict[str, torch.Tensor]:
    """What a merchant computes for every product, see `MerchantFeatures`.

    Args:
        named: feature -> (N, its length).
        customers: expected customers of the sale over all units of each product, (M,).
        names: of what is wanted, from `derivable`.

    Returns:
        Name -> (N, M), in the order of `names`.
    """
    if not names:
        return {}
    left = named.get("customers_left", named["time_left"])
    stock = named["on_hand"]
    if "in_transit" in named:
        stock = stock + named["in_transit"]
    elif "pipeline" in named:
        stock = stock + named["pipeline"].unflatten(1, (len(customers), -1)).sum(dim=2)
    values = {}
    if "gap" in names:
        owned = 1.0 - named.get("reserve", torch.zeros_like(stock))
        gap = stock / owned.clamp(min=_FEWEST) - left
        values["gap"] = gap
        values["urgent_gap"] = gap / left.clamp(min=_FEWEST).sqrt()
        values["shortage"] = (owned - stock) / (1.0 - left).clamp(min=_FEWEST) * left - stock
    if "expected_shortage" in names:
        wanted = named["conversion"].square() * named["traffic"] * customers * left
        values["expected_shortage"] = (wanted - stock).clamp(-1.0, 1.0)
    return values


class MerchantNetworks(nn.Module):
    """Actor and critic that read the features through hidden layers and, beside them, a linear shortcut.

    Good rules are nearly linear in these features. A network of this table says what it reads, which encodings it can
    correct, whether it takes any number of products, and which columns share their noise.

    Args:
        features: what is read.
        memory: R, numbers that are remembered and stand before the features; 0 without memory.
        outputs: O.
        widths: of the hidden layers of each.

    Attributes:
        critic_width: length of what `value` returns.
    """

    reads: ClassVar[type[AdvisedFeatures]] = MerchantFeatures
    encodings: ClassVar[tuple[str, ...]] = ENCODINGS
    any_products: ClassVar[bool] = False

    @staticmethod
    def noise_kinds(codec: ActionCodec) -> list[int]:
        """(C,) number of the deviation, from 0, that each column of a box action explores with."""
        return list(range(len(codec.names)))

    def __init__(self, features: MerchantFeatures, memory: int, outputs: int, widths: Sequence[int]) -> None:
        super().__init__()
        self._seen = [*range(memory), *(memory + i for i in features.seen)]
        self.critic_width = widths[-1] + len(self._seen)
        self.actor = layers(len(self._seen), widths)
        self.correction = nn.Linear(self.critic_width, outputs)
        self.critic = layers(len(self._seen), widths)

    def correct_nothing(self) -> None:
        """Make the correction zero, whatever the features."""
        self.correction.weight.zero_()
        self.correction.bias.zero_()

    def correct(self, features: torch.Tensor) -> torch.Tensor:
        """(N, R + F) -> correction of the advice (N, O)."""
        seen = features[:, self._seen]
        return self.correction(torch.cat([self.actor(seen), seen], dim=1))  # type: ignore[no-any-return]

    def value(self, features: torch.Tensor) -> torch.Tensor:
        """(N, R + F) -> what the value is linear in (N, critic_width)."""
        seen = features[:, self._seen]
        return torch.cat([self.critic(seen), seen], dim=1)


def layers(size: int, widths: Sequence[int]) -> nn.Sequential:
    """Hidden layers of these widths, each followed by a hyperbolic tangent."""
    parts: list[nn.Module] = []
    for width in widths:
        parts += [nn.Linear(size, width), nn.Tanh()]
        size = width
    return nn.Sequential(*parts)
