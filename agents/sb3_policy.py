"""The network of the learners: an observation read the way a merchant reads it, and a policy that starts from advice.

Axes    N sales, D numbers of an observation, C columns of an action, M products, F features.

What the policy is shown is the observation followed by the action that a heuristic would take, the advice. The mean of
its action is the advice plus a correction, which is zero before the first update: learning starts from the heuristic
instead of from noise (residual policy learning: Silver et al. 2018, arXiv:1812.06298; Johannink et al. 2019).
"""

from typing import Any

import torch
from torch import nn
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

from flashsale_env import ActionCodec, Layout, Scenario

# Below this share of customers come, or left, a quotient by it is noise.
_FEWEST = 0.05
# Standardised features beyond this many spreads are cut: a rare stock-out must not throw the policy off.
_WIDEST = 5.0
# What the shop's own decisions hardly change: time, who comes, and what they write.
_EXOGENOUS = ("time_left", "sqrt_time_left", "customers_left", "traffic", "intent_mean", "intent_entropy")
# A number that hardly moved when it was measured is not blown up beyond this share of its range.
_SMALLEST_SPREAD = 0.05


class MerchantFeatures(BaseFeaturesExtractor):
    """The observation and, for every product, what a merchant computes from it, standardised; then the advice.

    | feature | of every product |
    |---|---|
    | gap | share of the owned units left, less the share of customers left |
    | urgent gap | the same over the square root of the share of customers left |
    | shortage | units that sales so far say will still be wanted, less the units there, as a share of all |
    | expected shortage | the same by recent conversion and traffic, where the scenario shows them |

    Mean and spread of every number are measured once, by `fit`, and saved with the weights.

    Args:
        observation_space: observation and advice.
        advice: numbers of advice (C).
        columns: feature name -> (first, last + 1) of the observation.
        low, high: bounds of the observation.
        customers: expected customers of the sale over all units of each product, (M,).
    """

    def __init__(
        self,
        observation_space: Any,
        advice: int,
        columns: dict[str, tuple[int, int]],
        low: tuple[float, ...],
        high: tuple[float, ...],
        customers: tuple[float, ...],
        reacts_to: str,
    ) -> None:
        derived = 4 if {"conversion", "traffic"} <= set(columns) else 3
        derived *= {"time_left", "on_hand"} <= set(columns)
        size = len(low) + derived * len(customers)
        super().__init__(observation_space, features_dim=size + advice)
        self.advice = advice
        self._columns, self._derived = columns, derived
        seen = range(size) if reacts_to == "everything" else [
            i for name in _EXOGENOUS if name in columns for i in range(*columns[name])
        ]
        self.actor_columns = list(seen)
        floor = torch.full((size,), _SMALLEST_SPREAD)
        floor[: len(low)] *= torch.tensor(high) - torch.tensor(low)
        self.register_buffer("floor", floor, persistent=False)
        self.register_buffer("customers", torch.tensor(customers), persistent=False)
        self.register_buffer("centre", torch.zeros(size))
        self.register_buffer("spread", torch.ones(size))

    @staticmethod
    def settings(scenario: Scenario) -> dict[str, Any]:
        """Plain values that `__init__` takes, for a scenario."""
        layout = Layout(scenario)
        expected = scenario.arrivals.customers_per_minute * scenario.sale_minutes
        return {
            "advice": len(ActionCodec(scenario).names),
            "columns": {name: (layout[name].start, layout[name].stop) for name in layout},
            "low": tuple(layout.low.tolist()),
            "high": tuple(layout.high.tolist()),
            "customers": tuple(expected / (p.initial_stock + p.reserve) for p in scenario.products),
        }

    def fit(self, shown: torch.Tensor) -> None:
        """Take mean and spread from observations with advice, (N, D + C)."""
        numbers = self._numbers(shown)
        self.centre.copy_(numbers.mean(dim=0))
        self.spread.copy_(torch.maximum(numbers.std(dim=0), self.floor))

    def forward(self, shown: torch.Tensor) -> torch.Tensor:
        """(N, D + C) -> (N, F)."""
        standardised = (self._numbers(shown) - self.centre) / self.spread
        return torch.cat([standardised.clamp(-_WIDEST, _WIDEST), shown[:, shown.shape[1] - self.advice :]], dim=1)

    def _numbers(self, shown: torch.Tensor) -> torch.Tensor:
        observations = shown[:, : shown.shape[1] - self.advice]
        if not self._derived:
            return observations
        get = {name: observations[:, a:b] for name, (a, b) in self._columns.items()}
        left = get.get("customers_left", get["time_left"])
        stock = get["on_hand"] + get.get("in_transit", 0.0)
        owned = 1.0 - get.get("reserve", torch.zeros_like(stock))
        gap = stock / owned.clamp(min=_FEWEST) - left
        sold = owned - stock
        shortage = sold / (1.0 - left).clamp(min=_FEWEST) * left - stock
        derived = [gap, gap / left.clamp(min=_FEWEST).sqrt(), shortage]
        if self._derived == 4:
            wanted = get["conversion"].square() * get["traffic"] * self.customers * left
            derived.append((wanted - stock).clamp(-1.0, 1.0))
        return torch.cat([observations, *derived], dim=1)


class _Networks(nn.Module):
    """Actor and critic as Stable-Baselines3 calls them; the actor's latent is the mean of the action itself.

    Beside the hidden layers runs a linear shortcut, because good rules are nearly linear.
    """

    def __init__(self, features: MerchantFeatures, widths: list[int]) -> None:
        super().__init__()
        self._seen = features.actor_columns
        self._advice = features.advice
        self.actor = _layers(len(self._seen), widths)
        self.correction = nn.Linear(widths[-1] + len(self._seen), features.advice)
        self.critic = _layers(features.features_dim, widths)
        self.latent_dim_pi = features.advice
        self.latent_dim_vf = widths[-1] + features.features_dim

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, F) -> what the actor and the critic make of them."""
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features: torch.Tensor) -> torch.Tensor:
        """(N, F) -> (N, C) mean of the action."""
        seen = features[:, self._seen]
        advice = features[:, features.shape[1] - self._advice :]
        return advice + self.correction(torch.cat([self.actor(seen), seen], dim=1))

    def forward_critic(self, features: torch.Tensor) -> torch.Tensor:
        """(N, F) -> (N, hidden + F)."""
        return torch.cat([self.critic(features), features], dim=1)


def _layers(size: int, widths: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(size, width), nn.Tanh()]
        size = width
    return nn.Sequential(*layers)


class AdvisedPolicy(ActorCriticPolicy):
    """Stable-Baselines3's Gaussian actor and critic; before the first update its mode is the advice."""

    def _build_mlp_extractor(self) -> None:
        self.mlp_extractor = _Networks(self.features_extractor, self.net_arch).to(self.device)

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        self.action_net = nn.Identity()
        with torch.no_grad():
            for head in (self.mlp_extractor.correction, self.value_net):
                head.weight.zero_()
                head.bias.zero_()
        self.optimizer = self.optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)

    persistence = 0.0
    _noise: torch.Tensor | None = None

    def forward(
        self, obs: torch.Tensor, deterministic: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Actions, values and log-probabilities while sales are played for learning."""
        actor, critic = self.mlp_extractor(self.extract_features(obs))
        distribution = self._get_action_dist_from_latent(actor)
        mean, deviation = distribution.distribution.mean, distribution.distribution.stddev
        fresh = torch.randn_like(mean)
        if self._noise is None or self._noise.shape != fresh.shape:
            self._noise = fresh
        else:
            self._noise = self.persistence * self._noise + (1 - self.persistence**2) ** 0.5 * fresh
        actions = mean if deterministic else mean + deviation * self._noise
        return actions, self.value_net(critic), distribution.log_prob(actions)
