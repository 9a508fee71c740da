"""Policies from outside: what a policy has to be, how it is found, and the one adapter that checks it at the door.

Owns    the protocol, in words; `as_player`, which everything that plays sales calls; and how a policy of another
        package, module or file is found: by `module:Class`, by entry point, or as a zip of Stable-Baselines3.
Leaves  the agents of this package to `agents.AGENTS`, and the folders that `save` writes to `agents.load`.

A policy of your own is any object with

    predict(observation, state=None, episode_start=None, deterministic=True) -> (actions, state)

for a batch of N sales: `observation` (N, D) float32, `state` what the last call returned (None at the first),
`episode_start` (N,) bool; `actions` as the environment's encoding wants them: (N, C) for "box" and "multidiscrete",
(N,) for "discrete". It says which by an attribute `encoding`, or as a model of Stable-Baselines3 does, by its
`action_space`. A policy without memory returns the `state` that it was given.

Where it is named, as `module:Class` or as an entry point of the group `flashsale_env.agents`, the class (or function)
is called with the `Scenario`, with `seed=` where it takes one, and with the settings that a benchmark gives. A subclass
of `agents.base.Agent` is such a class; its `space` makes it tunable.
"""

import importlib
import importlib.metadata
import inspect
import json
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from flashsale_env import ENCODINGS, ActionCodec, Layout, Scenario
from flashsale_env.errors import unknown_name

if TYPE_CHECKING:
    from flashsale_env.agents.play import Plays

ENTRY_POINTS = "flashsale_env.agents"

_SPACES = {"box": spaces.Box, "multidiscrete": spaces.MultiDiscrete, "discrete": spaces.Discrete}
_WANTED = "predict(observation, state, episode_start, deterministic) -> (actions, state), as Stable-Baselines3's"


class Player:
    """A policy that passed the door: its encoding is known, and what it returns is held to the protocol."""

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
            ValueError: it returned something else than actions and a state.
        """
        answer = self.policy.predict(observation, state, episode_start, deterministic)
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise ValueError(
                f"{_called(self.policy)}.predict must return (actions, state), got {_described(answer)}; without a "
                f"memory return actions, state."
            )
        return answer


def as_player(policy: Any, scenario: Scenario) -> "Plays":
    """The policy behind the protocol, checked for this scenario before anything is played.

    Args:
        policy: anything that this module's text describes: an agent, a model of Stable-Baselines3, an object of yours.
        scenario: what it is to play.

    Raises:
        ValueError: something is missing, or was made for other observations or actions; the message says what.
    """
    if isinstance(policy, Player):
        return as_player(policy.policy, scenario)
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
    return Player(policy, encoding)


def _encoding(policy: Any, name: str) -> str:
    """What the policy says, or what the kind of its action space says."""
    said = getattr(policy, "encoding", None)
    if said is not None:
        if said not in ENCODINGS:
            raise ValueError(f"{name}: {unknown_name('action encoding', said, ENCODINGS)}")
        return str(said)
    space = getattr(policy, "action_space", None)
    for encoding, kind in _SPACES.items():
        if isinstance(space, kind):
            return encoding
    if space is None:
        raise ValueError(
            f"{name} says neither `encoding` ({', '.join(ENCODINGS)}) nor `action_space`: set one, e.g. "
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


# --- by name


def is_reference(name: str) -> bool:
    """Whether a name says where a class is: `module:Class`."""
    module, colon, attribute = name.partition(":")
    parts = [*module.split("."), *attribute.split(".")]
    return bool(colon) and all(part.isidentifier() for part in parts)


def entry_points() -> dict[str, importlib.metadata.EntryPoint]:
    """What installed packages offer under `ENTRY_POINTS`, by name; nothing of them is imported."""
    return {point.name: point for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}


def import_reference(reference: str) -> Any:
    """The class, function or object at `module:Class`, from the working folder or from what is installed.

    Raises:
        ValueError: there is no such module, or no such name in it.
    """
    module, _, attribute = reference.partition(":")
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module == error.name or module.startswith(f"{error.name}.")):
            raise  # the module is there and misses something itself
        raise ValueError(
            f"no module {module!r} for the agent {reference!r}: it is neither in {here} nor installed."
        ) from None
    finally:
        if added:
            sys.path.remove(here)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ValueError(f"agent {reference!r}: {unknown_name(f'name in {module}', part, _public(found))}")
        found = getattr(found, part)
    return found


def build(factory: Any, scenario: Scenario, *, seed: int, settings: dict[str, Any], called: str) -> Any:
    """A policy of a class or function, called with the scenario, `seed` where it takes one, and the settings.

    An object that already has `predict` is taken as it is.

    Raises:
        ValueError: it cannot be called so.
    """
    if not isinstance(factory, type) and hasattr(factory, "predict"):
        if settings:
            raise ValueError(f"agent {called!r} is an object and takes no settings, got {', '.join(settings)}.")
        return factory
    if not callable(factory):
        raise ValueError(f"agent {called!r} must be a class, a function or an object with predict, got {factory!r}.")
    signature = inspect.signature(factory)
    any_keyword = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in signature.parameters.values())
    options = dict(settings)
    if "seed" in signature.parameters or any_keyword:
        options = {"seed": seed, **options}
    try:
        signature.bind(scenario, **options)
    except TypeError as error:
        raise ValueError(
            f"agent {called!r} is called as {getattr(factory, '__name__', called)}(scenario"
            f"{''.join(f', {name}=...' for name in options)}), which it does not take: {error}."
        ) from None
    return factory(scenario, **options)


def source_file(factory: Any) -> Path | None:
    """The file that holds a class or function, as far as there is one."""
    try:
        found = inspect.getsourcefile(factory if callable(factory) else type(factory))
    except TypeError:
        return None
    return None if found is None else Path(found)


def _public(found: Any) -> list[str]:
    return [name for name in vars(found) if not name.startswith("_")] if hasattr(found, "__dict__") else []


# --- zips of Stable-Baselines3

_ZIP_DATA = "data"
# Part of the module of the policy's class -> algorithm. DDPG is TD3 with settings of its own.
_BY_POLICY = {
    ".maskable.": ("sb3_contrib", "MaskablePPO"),
    ".recurrent.": ("sb3_contrib", "RecurrentPPO"),
    ".tqc.": ("sb3_contrib", "TQC"),
    ".crossq.": ("sb3_contrib", "CrossQ"),
    ".qrdqn.": ("sb3_contrib", "QRDQN"),
    ".ars.": ("sb3_contrib", "ARS"),
    ".dqn.": ("stable_baselines3", "DQN"),
    ".sac.": ("stable_baselines3", "SAC"),
    ".td3.": ("stable_baselines3", "TD3"),
}
# Algorithms that share a policy's class, or have one of the user's: told by settings that are in the zip.
_BY_SETTING = {
    "cg_max_steps": ("sb3_contrib", "TRPO"),
    "clip_range": ("stable_baselines3", "PPO"),
    "gae_lambda": ("stable_baselines3", "A2C"),
    "top_quantiles_to_drop_per_net": ("sb3_contrib", "TQC"),
    "n_quantiles": ("sb3_contrib", "QRDQN"),
    "target_entropy": ("stable_baselines3", "SAC"),
    "target_policy_noise": ("stable_baselines3", "TD3"),
    "exploration_initial_eps": ("stable_baselines3", "DQN"),
}
# State of the training, which playing does not need; what is replaced is not unpickled.
_NOT_PLAYED = {
    "learning_rate": 0.0,
    "lr_schedule": lambda _: 0.0,
    "clip_range": lambda _: 0.0,
    "clip_range_vf": None,
    "exploration_schedule": lambda _: 0.0,
    "ep_info_buffer": None,
    "ep_success_buffer": None,
    "action_noise": None,
    "_last_obs": None,
    "_last_original_obs": None,
    "_last_episode_starts": None,
}


def load_zip(path: str | Path, device: str = "auto") -> Any:
    """A model that Stable-Baselines3 or sb3-contrib saved, of whichever algorithm.

    Such a zip holds pickled Python objects, which its own `load` executes: open only files that you trust. A zip is
    read only where a user names its path.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no zip of Stable-Baselines3, or of an unknown algorithm.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            data = json.loads(archive.read(_ZIP_DATA))
    except FileNotFoundError:
        raise FileNotFoundError(f"no file at {path}: want a zip that a model of Stable-Baselines3 saved.") from None
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ValueError(f"{path} is no zip of Stable-Baselines3: {error}.") from None
    if (path.parent / "agent.json").exists():
        raise ValueError(f"{path} is a part of the agent in {path.parent}: give the folder.")
    module, name = _algorithm(data, path)
    algorithm = getattr(importlib.import_module(module), name)
    try:
        return algorithm.load(path, device=device, custom_objects=_NOT_PLAYED)
    except Exception as error:  # whatever a pickled object of another version raises
        raise ValueError(f"{path}: {name} of Stable-Baselines3 cannot load it: {error}.") from error


def _algorithm(data: dict[str, Any], path: Path) -> tuple[str, str]:
    policy = data.get("policy_class")
    module = str(policy.get("__module__", "")) if isinstance(policy, dict) else ""
    for part, algorithm in _BY_POLICY.items():
        if part in module:
            return algorithm
    for setting, algorithm in _BY_SETTING.items():
        if setting in data:
            return algorithm
    known = ", ".join(sorted({name for _, name in (*_BY_POLICY.values(), *_BY_SETTING.values())}))
    raise ValueError(f"{path} is of none of the algorithms {known}: load it yourself and give it to agents.play.")
