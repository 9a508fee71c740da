"""The network of the learners: an observation read the way a merchant reads it, and a policy that starts from advice.

Owns    features, actor, critic, and the noise with which the actor explores.
Axes    N sales, D numbers of an observation, C columns of an action, M products, F features.

What the network is shown is the observation followed by the action that a heuristic would take, the advice. The mean
of its action is the advice plus a correction, which is zero before the first update: learning starts from the
heuristic instead of from noise (residual policy learning: Silver et al. 2018, arXiv:1812.06298; Johannink et al. 2019,
arXiv:1812.03201).
"""

from collections.abc import Sequence
from typing import Any

import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn

from flashsale_env import ActionCodec, Layout, Scenario

EVERYTHING, CUSTOMERS = "everything", "customers"

# What the shop's own decisions hardly change: time, who comes, and what they write.
OF_CUSTOMERS = ("time_left", "sqrt_time_left", "customers_left", "traffic", "intent_mean", "intent_entropy")
# Below this share of customers come, or left, a quotient by it is noise.
_FEWEST = 0.05
# Standardised features beyond this many spreads are cut: a rare stock-out must not throw the policy off.
_WIDEST = 5.0
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
        observation_space: observation and advice, (D + C,).
        advice: C.
        columns: feature name -> (first, last + 1) of the observation.
        low, high: bounds of the observation.
        customers: expected customers of the sale over all units of each product, (M,).
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
        reacts_to: str,
    ) -> None:
        derived = 0
        if {"time_left", "on_hand"} <= set(columns):
            derived = 4 if {"conversion", "traffic"} <= set(columns) else 3
        size = len(low) + derived * len(customers)
        super().__init__(observation_space, features_dim=size + advice)
        self.advice = advice
        self.seen = list(range(size))
        if reacts_to == CUSTOMERS:
            self.seen = [i for name in OF_CUSTOMERS if name in columns for i in range(*columns[name])]
        self._columns, self._derived = columns, derived
        floor = torch.full((size,), _SMALLEST_SPREAD)
        floor[: len(low)] *= torch.tensor(high) - torch.tensor(low)
        self.register_buffer("floor", floor, persistent=False)
        self.register_buffer("customers", torch.tensor(customers), persistent=False)
        self.register_buffer("centre", torch.zeros(size))
        self.register_buffer("spread", torch.ones(size))

    @staticmethod
    def of_scenario(scenario: Scenario) -> dict[str, Any]:
        """The arguments that follow from the scenario: plain values, so that the policy can be saved."""
        layout = Layout(scenario)
        expected = scenario.arrivals.customers_per_minute * scenario.sale_minutes
        return {
            "advice": len(ActionCodec(scenario).names),
            "columns": {name: (layout[name].start, layout[name].stop) for name in layout},
            "low": layout.low.tolist(),
            "high": layout.high.tolist(),
            "customers": [expected / (p.initial_stock + p.reserve) for p in scenario.products],
        }

    def fit(self, shown: torch.Tensor) -> None:
        """Take mean and spread from observations with advice, (N, D + C)."""
        numbers = self._numbers(shown)
        self.centre.copy_(numbers.mean(dim=0))
        self.spread.copy_(torch.maximum(numbers.std(dim=0), self.floor))

    def forward(self, shown: torch.Tensor) -> torch.Tensor:
        """(N, D + C) -> (N, F)."""
        standardised = (self._numbers(shown) - self.centre) / self.spread
        return torch.cat([standardised.clamp(-_WIDEST, _WIDEST), shown[:, -self.advice :]], dim=1)

    def _numbers(self, shown: torch.Tensor) -> torch.Tensor:
        observations = shown[:, : -self.advice]
        if not self._derived:
            return observations
        get = {name: observations[:, first:end] for name, (first, end) in self._columns.items()}
        left = get.get("customers_left", get["time_left"])
        stock = get["on_hand"] + get.get("in_transit", 0.0)
        owned = 1.0 - get.get("reserve", torch.zeros_like(stock))
        gap = stock / owned.clamp(min=_FEWEST) - left
        shortage = (owned - stock) / (1.0 - left).clamp(min=_FEWEST) * left - stock
        derived = [gap, gap / left.clamp(min=_FEWEST).sqrt(), shortage]
        if self._derived == 4:
            wanted = get["conversion"].square() * get["traffic"] * self.customers * left
            derived.append((wanted - stock).clamp(-1.0, 1.0))
        return torch.cat([observations, *derived], dim=1)


class _Networks(nn.Module):
    """Actor and critic as Stable-Baselines3 calls them; what it takes for the actor's latent is the action's mean.

    Beside the hidden layers runs a linear shortcut, because good rules are nearly linear in these features.
    """

    def __init__(self, features: MerchantFeatures, widths: Sequence[int]) -> None:
        super().__init__()
        self._seen, self._advice = features.seen, features.advice
        self.actor = _layers(len(self._seen), widths)
        self.correction = nn.Linear(widths[-1] + len(self._seen), features.advice)
        self.critic = _layers(len(self._seen), widths)
        self.latent_dim_pi = features.advice
        self.latent_dim_vf = widths[-1] + len(self._seen)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, F) -> mean of the action (N, C), and what the value is linear in."""
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features: torch.Tensor) -> torch.Tensor:
        """(N, F) -> (N, C)."""
        seen = features[:, self._seen]
        return features[:, -self._advice :] + self.correction(torch.cat([self.actor(seen), seen], dim=1))

    def forward_critic(self, features: torch.Tensor) -> torch.Tensor:
        """(N, F) -> (N, hidden + F)."""
        seen = features[:, self._seen]
        return torch.cat([self.critic(seen), seen], dim=1)


def _layers(size: int, widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(size, width), nn.Tanh()]
        size = width
    return nn.Sequential(*layers)


class AdvisedPolicy(ActorCriticPolicy):
    """Stable-Baselines3's Gaussian actor and critic; before the first update its mode is the advice.

    Args:
        log_stds: logarithm of the first standard deviation of each column of the action.
        persistence: correlation of a column's exploration noise from one tick to the next. One tick's price hardly
            shows in the profit of a sale; a price held for long does (coloured noise: Hollenstein et al. 2024,
            arXiv:2312.11091). Each tick's noise keeps the law that the policy states.
    """

    def __init__(self, *args: Any, log_stds: Sequence[float], persistence: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._persistence = persistence
        self._noise: torch.Tensor | None = None
        with torch.no_grad():
            self.log_std.copy_(torch.tensor(log_stds))

    def begin_sales(self) -> None:
        """Forget the last noise; the next one is drawn afresh."""
        self._noise = None

    def forward(
        self, obs: torch.Tensor, deterministic: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Actions (N, C), values (N, 1) and log-probabilities (N,) while sales are played for learning."""
        actor, critic = self.mlp_extractor(self.extract_features(obs))
        distribution = self._get_action_dist_from_latent(actor)
        actions = distribution.mode()
        if not deterministic:
            actions = actions + distribution.distribution.stddev * self._next_noise(actions)
        return actions, self.value_net(critic), distribution.log_prob(actions)

    def _next_noise(self, like: torch.Tensor) -> torch.Tensor:
        fresh = torch.randn_like(like)
        if self._noise is not None:
            fresh = self._persistence * self._noise + (1.0 - self._persistence**2) ** 0.5 * fresh
        self._noise = fresh
        return fresh

    def _build_mlp_extractor(self) -> None:
        assert isinstance(self.features_extractor, MerchantFeatures)
        self.mlp_extractor = _Networks(self.features_extractor, self.net_arch).to(self.device)

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        self.action_net = nn.Identity()
        with torch.no_grad():
            for head in (self.mlp_extractor.correction, self.value_net):
                head.weight.zero_()
                head.bias.zero_()
        # Without the layer that the identity replaced.
        self.optimizer = self.optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)
