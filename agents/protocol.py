"""What a policy must offer to play sales, and the one place that checks it.

Owns    the protocol, in words and as the type `Policy`, and `as_policy`, through which every policy passes before it
        plays.
Leaves  the agents of this package to `registry`, and agents by the name of a module or package to `discovery`.

A policy of your own is any object with

    predict(observation, state=None, episode_start=None, deterministic=True) -> (actions, state)

for a batch of N sales: `observation` (N, D) float32, `state` the one returned by the last call (None at the first),
`episode_start` (N,) bool. `actions` follow the environment's encoding: (N, C) for "box" and "multidiscrete", (N,) for
"discrete". The policy declares the encoding by an attribute `encoding` or, like a model of Stable-Baselines3, by its
`action_space`. A policy without memory returns the `state` that it received.
"""

import inspect
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from flashsale_env import ENCODINGS, ActionCodec, Layout, Scenario
from flashsale_env.errors import unknown_name

_SPACES: dict[str, type[spaces.Space[Any]]] = {
    "box": spaces.Box,
    "multidiscrete": spaces.MultiDiscrete,
    "discrete": spaces.Discrete,
}
_WANTED = "predict(observation, state, episode_start, deterministic) -> (actions, state), as Stable-Baselines3's"


class Policy(Protocol):
    """Stable-Baselines3's `predict`, and the encoding of its actions."""

    @property
    def encoding(self) -> str:
        """A key of `flashsale_env.ENCODINGS`."""
        ...

    def predict(
        self,
        observation: npt.NDArray[np.float32],
        state: Any = None,
        episode_start: npt.NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[npt.NDArray[Any], Any]:
        """Actions for these observations, and the state for the next call."""
        ...


class CheckedPolicy:
    """A policy of known encoding, whose every answer is checked to be actions and a state."""

    def __init__(self, policy: Any, encoding: str) -> None:
        self.policy, self.encoding = policy, encoding
        self.mark: str = getattr(policy, "mark", "")

    def predict(
        self,
        observation: npt.NDArray[np.float32],
        state: Any = None,
        episode_start: npt.NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[npt.NDArray[Any], Any]:
        """As the policy's own.

        Raises:
            ValueError: it returned something other than actions and a state.
        """
        answer = self.policy.predict(observation, state, episode_start, deterministic)
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise ValueError(
                f"{_called(self.policy)}.predict must return (actions, state), got {_described(answer)}; without a "
                f"memory return actions, state."
            )
        return answer


def as_policy(policy: Any, scenario: Scenario) -> CheckedPolicy:
    """The policy, checked for this scenario before anything is played.

    Args:
        policy: anything that this module describes: an agent, a model of Stable-Baselines3, an object of yours.
        scenario: what it will play.

    Raises:
        ValueError: something is missing, or was made for other observations or actions; the message names it.
    """
    if isinstance(policy, CheckedPolicy):
        return as_policy(policy.policy, scenario)
    name = _called(policy)
    if isinstance(policy, type):
        raise ValueError(f"{name} is a class: give an object of it, e.g. {name}(scenario).")
    predict = getattr(policy, "predict", None)
    if not callable(predict):
        raise ValueError(f"{name} has no predict: a policy needs {_WANTED}.")
    try:
        inspect.signature(predict).bind(None, None, None, True)
    except TypeError as error:
        raise ValueError(f"{name}.predict cannot be called as {_WANTED}: {error}.") from None
    encoding = _encoding(policy, name)
    wanted = ActionCodec(scenario, encoding).space
    space = getattr(policy, "action_space", None)
    if space is not None and not _same_space(space, wanted):
        raise ValueError(
            f"{name} was made for the actions {space}, scenario {scenario.name!r} has {wanted} (encoding {encoding!r})."
        )
    seen = getattr(policy, "observation_space", None)
    size = Layout(scenario).size
    if seen is not None and getattr(seen, "shape", None) != (size,):
        raise ValueError(
            f"{name} was made for the observations {_short(seen)}, scenario {scenario.name!r} shows {size} numbers: "
            f"({size},)."
        )
    return CheckedPolicy(policy, encoding)


def _encoding(policy: Any, name: str) -> str:
    """The declared encoding, else the one of the policy's action space."""
    declared = getattr(policy, "encoding", None)
    if declared is not None:
        if declared not in ENCODINGS:
            raise ValueError(f"{name}: {unknown_name('action encoding', declared, ENCODINGS)}")
        return str(declared)
    space = getattr(policy, "action_space", None)
    for encoding, kind in _SPACES.items():
        if isinstance(space, kind):
            return encoding
    if space is None:
        raise ValueError(
            f"{name} has neither `encoding` ({', '.join(ENCODINGS)}) nor `action_space`: set one, e.g. "
            f'encoding = "box" for actions in [-1, 1].'
        )
    raise ValueError(f"{name} has the action space {space}; a sale takes Box, MultiDiscrete or Discrete actions.")


def _same_space(space: Any, wanted: Any) -> bool:
    if isinstance(wanted, spaces.Discrete):
        return isinstance(space, spaces.Discrete) and int(space.n) == int(wanted.n)
    if isinstance(wanted, spaces.MultiDiscrete):
        return isinstance(space, spaces.MultiDiscrete) and np.array_equal(space.nvec, wanted.nvec)
    return isinstance(space, spaces.Box) and space.shape == wanted.shape


def _called(policy: Any) -> str:
    return policy.__name__ if isinstance(policy, type) else type(policy).__name__


def _described(answer: Any) -> str:
    if isinstance(answer, tuple):
        return f"a tuple of {len(answer)}"
    shape = getattr(answer, "shape", None)
    return f"one {type(answer).__name__}" + (f" of shape {shape}" if shape is not None else "")


def _short(space: Any) -> str:
    shape = getattr(space, "shape", None)
    return f"of shape {shape}" if shape is not None else str(space)
