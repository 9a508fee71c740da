"""The policy of the learners: a network that corrects the advice of a heuristic.

Owns    the table of networks, how advice and correction become an action, and the exploration noise.
Leaves  features and layers to `sb3.networks`.
Axes    N sales, D numbers of an observation, C columns of a box action, F features, R width of a memory, O outputs
        of the actor: one a column of a box action, one a level of every column of a multidiscrete one, one a discrete
        action.

The input is the observation followed by the advice, the box action of a heuristic. The mean of the action is the advice
plus a correction, which is zero before the first update: learning starts from the heuristic instead of from noise
(residual policy learning: Silver et al. 2018, arXiv:1812.06298; Johannink et al. 2019, arXiv:1812.03201). On a grid the
logits start as the log density of the same normal distribution at the grid points, and the network corrects them.

A new network is one subclass of `networks.base.AdvisedNetworks` and one line in `NETWORKS`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from gymnasium import spaces
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3.common.distributions import DiagGaussianDistribution
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import nn

from flashsale_env import ActionCodec, Scenario
from flashsale_env.agents.sb3.networks.base import AdvisedFeatures, AdvisedNetworks
from flashsale_env.agents.sb3.networks.merchant import MerchantNetworks
from flashsale_env.agents.sb3.networks.shared import SharedNetworks

NETWORKS: dict[str, type[AdvisedNetworks]] = {
    "merchant": MerchantNetworks,
    "per_product": SharedNetworks,
}


def grid(scenario: Scenario, encoding: str) -> list[list[float]]:
    """The box action at the middle of the cell of every output, (O, C); nan in the columns that it leaves open.

    Empty for the box encoding.
    """
    codec, box = ActionCodec(scenario, encoding), ActionCodec(scenario)
    if encoding == "discrete":
        assert isinstance(codec.space, spaces.Discrete)
        actions = np.arange(codec.space.n)
        of_all: list[list[float]] = box.from_levels(codec.check(actions, len(actions)).astype(np.int64)).tolist()
        return of_all
    rows: list[list[float]] = []
    for column, levels in enumerate(codec.n_levels if encoding == "multidiscrete" else ()):
        at = np.zeros((levels, len(codec.names)), np.int64)
        at[:, column] = np.arange(levels)
        places = np.full(at.shape, np.nan)
        places[:, column] = box.from_levels(at)[:, column]
        rows += places.tolist()
    return rows


class _Heads(nn.Module):
    """Actor and critic as Stable-Baselines3 calls them; the latent vector of the actor is the mean action itself.

    Args:
        networks: actor and critic.
        advice: C.
        outputs: O.
        places: see `grid`.
        log_stds: as in `_Advised`.
    """

    _square: torch.Tensor
    _cross: torch.Tensor
    _constant: torch.Tensor

    def __init__(
        self,
        networks: AdvisedNetworks,
        advice: int,
        outputs: int,
        places: Sequence[Sequence[float]],
        log_stds: Sequence[float],
    ) -> None:
        super().__init__()
        self.networks = networks
        self.advice = advice
        self.latent_dim_pi, self.latent_dim_vf = outputs, networks.critic_width
        # Log density of N(advice, sd²) at the grid points y, up to a constant, with w = -1/(2 sd²):
        # w·(a - y)² = w·a² - 2·w·y·a + w·y². Expanded, it needs no array of (N, O, C). Open columns have w = 0.
        at = torch.tensor(places, dtype=torch.float32).reshape(-1, advice)
        weight = (-0.5 * torch.exp(-2.0 * torch.tensor(log_stds))).expand(at.shape) * ~at.isnan()
        at = at.nan_to_num()
        self.is_grid = len(places) > 0
        self.register_buffer("_square", weight.T.contiguous(), persistent=False)
        self.register_buffer("_cross", (-2.0 * weight * at).T.contiguous(), persistent=False)
        self.register_buffer("_constant", (weight * at.square()).sum(dim=1), persistent=False)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, R + F) -> means or logits of the actions (N, O), and the latent vector of the critic."""
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features: torch.Tensor) -> torch.Tensor:
        """(N, R + F) -> (N, O)."""
        start = features[:, -self.advice :]
        if self.is_grid:
            start = start.square() @ self._square + start @ self._cross + self._constant
        return start + self.networks.correct(features)

    def forward_critic(self, features: torch.Tensor) -> torch.Tensor:
        """(N, R + F) -> (N, critic_width)."""
        return self.networks.value(features)


class _PersistentGaussian(DiagGaussianDistribution):
    """Independent normal columns with noise that is correlated from one call to the next.

    Args:
        kinds: (C,) index of the standard deviation of each column.
        persistence: see `_Advised`.
    """

    def __init__(self, kinds: Sequence[int], persistence: float) -> None:
        super().__init__(len(kinds))
        self.kinds, self.persistence = list(kinds), persistence
        self.noise: torch.Tensor | None = None

    def proba_distribution(self, mean_actions: torch.Tensor, log_std: torch.Tensor) -> "_PersistentGaussian":
        """Means (N, C), and one log standard deviation a kind."""
        super().proba_distribution(mean_actions, log_std[self.kinds])
        return self

    def sample(self) -> torch.Tensor:
        """(N, C)."""
        mean: torch.Tensor = self.distribution.mean
        fresh = torch.randn_like(mean)
        if self.noise is not None and self.noise.shape == fresh.shape:
            # An AR(1) process with unit variance.
            fresh = self.persistence * self.noise + (1.0 - self.persistence**2) ** 0.5 * fresh
        self.noise = fresh
        return mean + self.distribution.stddev * fresh


if TYPE_CHECKING:
    _Base = ActorCriticPolicy  # whose attributes the three bases below share
else:
    _Base = object


class _Advised(_Base):
    """What the policies below share: they start from the advice.

    Args:
        network: a key of `NETWORKS`.
        log_stds: (C,) log standard deviation of each column of a box action at the start of the training.
        kinds: (C,) columns with the same number share their standard deviation.
        places: see `grid`.
        persistence: correlation of a box column's exploration noise from one tick to the next. The price of one tick
            hardly shows in the profit of a sale; a price held for long does (coloured noise: Hollenstein et al. 2024,
            arXiv:2312.11091). The marginal distribution in each tick is still the policy's.
    """

    _memory = 0

    def __init__(
        self,
        *args: Any,
        network: str,
        log_stds: Sequence[float],
        kinds: Sequence[int],
        places: Sequence[Sequence[float]],
        persistence: float = 0.0,
        **kwargs: Any,
    ) -> None:
        self._network, self._log_stds, self._kinds, self._places = network, log_stds, kinds, places
        super().__init__(*args, **kwargs)
        if isinstance(self.action_space, spaces.Box):
            self.action_dist = _PersistentGaussian(kinds, persistence)

    def fix_log_stds(self, log_stds: Sequence[float]) -> None:
        """Fix the exploration log standard deviations, (C,), and stop training them.

        Columns of one kind share the first value.
        """
        with torch.no_grad():
            self.log_std.requires_grad_(False).copy_(self._of_kinds(log_stds))

    def begin_sales(self) -> None:
        """Reset the noise: the next one is drawn independently."""
        if isinstance(self.action_dist, _PersistentGaussian):
            self.action_dist.noise = None

    def _build_mlp_extractor(self) -> None:
        assert isinstance(self.features_extractor, AdvisedFeatures)
        advice = self.features_extractor.advice
        outputs = len(self._places) or advice
        assert isinstance(self.net_arch, list)
        networks = NETWORKS[self._network](self.features_extractor, self._memory, outputs, self.net_arch)
        heads: Any = _Heads(networks, advice, outputs, self._places, self._log_stds)
        self.mlp_extractor = heads.to(self.device)

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        self.action_net = nn.Identity()
        with torch.no_grad():
            heads: Any = self.mlp_extractor
            heads.networks.correct_nothing()
            self.value_net.weight.zero_()
            self.value_net.bias.zero_()
        if isinstance(self.action_space, spaces.Box):
            self.log_std = nn.Parameter(self._of_kinds(self._log_stds))
        # Anew, without the parameters of the layer that the identity replaced.
        optimizer_class: Any = self.optimizer_class
        self.optimizer = optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)

    def _of_kinds(self, log_stds: Sequence[float]) -> torch.Tensor:
        first = [self._kinds.index(kind) for kind in range(max(self._kinds) + 1)]
        return torch.tensor([float(log_stds[column]) for column in first])


class AdvisedPolicy(_Advised, ActorCriticPolicy):
    """Stable-Baselines3's actor and critic; before the first update the mode is the advice."""


class AdvisedMaskablePolicy(_Advised, MaskableActorCriticPolicy):  # type: ignore[misc]  # `_Base` is not its base
    """The same on a grid with masks."""


class AdvisedRecurrentPolicy(_Advised, RecurrentActorCriticPolicy):
    """The same with the output of an LSTM beside the features."""

    def __init__(self, *args: Any, lstm_hidden_size: int, **kwargs: Any) -> None:
        self._memory = lstm_hidden_size
        super().__init__(*args, lstm_hidden_size=lstm_hidden_size, **kwargs)

    @staticmethod
    def _process_sequence(
        features: torch.Tensor, lstm_states: Any, episode_starts: torch.Tensor, lstm: nn.LSTM
    ) -> tuple[torch.Tensor, Any]:
        """The output of the LSTM (N, R) followed by the features themselves (N, F)."""
        remembered, states = RecurrentActorCriticPolicy._process_sequence(features, lstm_states, episode_starts, lstm)
        return torch.cat([remembered, features], dim=1), states
