"""The network with separate weights for every product: hidden layers and, beside them, a linear shortcut.

Owns    the merchant's features, actor and critic.
Leaves  the interface, and what a merchant computes, to `networks.base`; advice and noise to `sb3.policy`.
Axes    N sales, D numbers of an observation, C columns of a box action, M products, F features, R width of a memory,
        O outputs of the actor.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import nn

from flashsale_env import ActionCodec
from flashsale_env.agents.sb3.networks.base import (
    SMALLEST_SD,
    WIDEST,
    AdvisedFeatures,
    AdvisedNetworks,
    derive,
    layers,
)
from flashsale_env.agents.sb3.settings import CUSTOMERS, EVERYTHING, OF_CUSTOMERS


class MerchantFeatures(AdvisedFeatures):
    """The observation and what a merchant computes for every product (see `derive`), standardised; then the advice.

    Mean and standard deviation of every number are measured once, by `fit`, and saved with the weights.

    Args:
        observation_space: observation and advice, (D + C,).
        advice: C.
        columns: feature name -> (first, last + 1) of the observation.
        low, high: bounds of the observation.
        customers: expected customers of the sale / all units of each product, (M,).
        derived: names for `derive`.
        reacts_to: inputs of actor and critic: "everything", or only "customers" and time.
    """

    floor: torch.Tensor
    customers: torch.Tensor
    centre: torch.Tensor
    spread: torch.Tensor  # standard deviations; saved policies hold them under this name

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
        floor = torch.full((size,), SMALLEST_SD)
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


class MerchantNetworks(AdvisedNetworks):
    """Actor and critic with hidden layers and a linear shortcut: good rules are nearly linear in these features."""

    reads: ClassVar[type[AdvisedFeatures]] = MerchantFeatures

    @staticmethod
    def noise_kinds(codec: ActionCodec) -> list[int]:
        """Every column has a standard deviation of its own."""
        return list(range(len(codec.names)))

    def __init__(self, features: AdvisedFeatures, memory: int, outputs: int, widths: Sequence[int]) -> None:
        super().__init__(features, memory, outputs, widths)
        assert isinstance(features, MerchantFeatures)
        self._seen = [*range(memory), *(memory + i for i in features.seen)]
        self.critic_width = widths[-1] + len(self._seen)
        self.actor = layers(len(self._seen), widths)
        self.correction = nn.Linear(self.critic_width, outputs)
        self.critic = layers(len(self._seen), widths)

    def correct_nothing(self) -> None:
        self.correction.weight.zero_()
        self.correction.bias.zero_()

    def correct(self, features: torch.Tensor) -> torch.Tensor:
        seen = features[:, self._seen]
        correction: torch.Tensor = self.correction(torch.cat([self.actor(seen), seen], dim=1))
        return correction

    def value(self, features: torch.Tensor) -> torch.Tensor:
        seen = features[:, self._seen]
        return torch.cat([self.critic(seen), seen], dim=1)
