"""The base class of every agent: an object with Stable-Baselines3's `predict`.

Owns    the shape rules of `predict`, and the card of a saved agent: JSON with the game that it was made for and the
        hash of its weights.
Leaves  what a policy from outside must offer to `protocol`.
Axes    N sales, D numbers of an observation, C columns of an action.
"""

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from flashsale_env import ActionCodec, Layout, Population, Scenario, load_scenario
from flashsale_env.agents.fingerprints import differences, game, population_fingerprint, scenario_fingerprint
from flashsale_env.agents.tuned_values import UNTUNED
from flashsale_env.errors import unknown_name
from flashsale_env.files import sha256, write_atomically

if TYPE_CHECKING:
    from typing import Self

CARD = "agent.json"
FORMAT = 2

# name -> (low, high), both ends included. Two whole numbers make the parameter a whole number.
Space = dict[str, tuple[float, float]]


class Agent:
    """An agent of one scenario with named numbers as parameters.

    A subclass declares its parameters with the ranges that tuning searches, `space(scenario)`, and their untuned
    values, `defaults(scenario)`. It decides in `act`, and reads observations through `layout`, never by number.

    Args:
        scenario: name, path or object.
        seed: for agents that draw random numbers.
        params: value of any parameter; the others take their defaults.

    Attributes:
        params: value of every parameter.
        mark: shown in brackets after the name: `UNTUNED` if a parameter is at a default that was not tuned for the
            scenario, else "".

    Raises:
        ValueError: a parameter is unknown or out of its range.
    """

    name: ClassVar[str]
    encoding: str = "box"
    # Whether `defaults` are computed for the scenario, so that the agent needs no tuning.
    solves: ClassVar[bool] = False

    def __init__(self, scenario: str | Path | Scenario, *, seed: int = 0, **params: float) -> None:
        self.scenario = load_scenario(scenario)
        self.seed = seed
        self.layout = Layout(self.scenario)
        self.codec = ActionCodec(self.scenario, self.encoding)
        space = self.space(self.scenario)
        for name, value in params.items():
            if name not in space:
                raise ValueError(unknown_name(f"parameter of {self.name!r}", name, space))
            low, high = space[name]
            if not low <= value <= high:
                raise ValueError(f"{self.name}: {name} must lie in {low}..{high}, got {value}.")
            if isinstance(low, int) and value != int(value):
                raise ValueError(f"{self.name}: {name} must be a whole number, got {value}.")
        self.params = {**self.defaults(self.scenario), **params}
        self.mark = "" if self.solves or space.keys() <= params.keys() else UNTUNED

    @classmethod
    def space(cls, scenario: Scenario) -> Space:
        """Every parameter and the range that tuning searches; empty if there is nothing to tune."""
        return {}

    @classmethod
    def defaults(cls, scenario: Scenario) -> dict[str, float]:
        """Untuned values of the parameters."""
        return {}

    @classmethod
    def applies(cls, scenario: Scenario) -> str | None:
        """Why the agent cannot play this scenario, or None where it can."""
        return None

    def require_applies(self) -> None:
        """Called by agents that cannot be built for a scenario to which they do not apply.

        Raises:
            ValueError: the agent does not apply to its scenario; the message gives the reason.
        """
        reason = self.applies(self.scenario)
        if reason is not None:
            raise ValueError(f"agent {self.name!r} does not apply to scenario {self.scenario.name!r}: {reason}.")

    def act(
        self, observations: npt.NDArray[np.float32], state: Any, episode_start: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[Any], Any]:
        """Actions (N, C) for observations (N, D), and the state for the next call."""
        raise NotImplementedError

    def decide(
        self, observations: npt.NDArray[np.float32], state: Any, episode_start: npt.NDArray[np.bool_], mode: bool
    ) -> tuple[npt.NDArray[Any], Any]:
        """`act`, for stochastic policies: the mode of the action distribution if `mode`, else a draw from it."""
        return self.act(observations, state, episode_start)

    def predict(
        self,
        observation: npt.NDArray[np.float32],
        state: Any = None,
        episode_start: npt.NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[npt.NDArray[Any], Any]:
        """Actions for one observation (D,) or a batch (N, D), as Stable-Baselines3 gives them.

        Args:
            observation: from the environment.
            state: returned by the last call; None at the first.
            episode_start: (N,) whether a sale has just begun.
            deterministic: whether a stochastic policy plays its mode; heuristics are deterministic.

        Returns:
            actions (C,) or (N, C), and the state for the next call.

        Raises:
            ValueError: the observation does not have the scenario's length.
        """
        array = as_observation(self.name, self.scenario, self.layout.size, observation)
        batch = np.atleast_2d(array)
        start = np.zeros(len(batch), np.bool_) if episode_start is None else np.atleast_1d(episode_start)
        actions, state = self.decide(batch, state, start, deterministic)
        return (actions if array.ndim == 2 else actions[0]), state

    def save(self, folder: str | Path) -> Path:
        """Write `agent.json`; `load` reads it back."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        card = {**card_of(self.name, self.scenario), "seed": self.seed, "params": self.params, "mark": self.mark}
        write_atomically(folder / CARD, json.dumps(card, indent=2, ensure_ascii=False).encode())
        return folder

    @classmethod
    def load(cls, folder: str | Path, scenario: str | Path | Scenario, device: str = "auto") -> "Self":
        """Read an agent that `save` wrote; heuristics compute on the CPU whatever `device` says."""
        card = read_card(folder)
        if card["name"] != cls.name:
            raise ValueError(f"{folder} holds an agent {card['name']!r}, not {cls.name!r}: use agents.load.")
        agent = cls(scenario, seed=card["seed"], **card["params"])
        changed = warn_of_changes(folder, card, agent.scenario)
        agent.mark = UNTUNED if changed and cls.space(agent.scenario) and not cls.solves else card["mark"]
        return agent


def as_observation(name: str, scenario: Scenario, size: int, observation: Any) -> npt.NDArray[np.float32]:
    """The observation of the agent `name` as an array, (D,) or (N, D).

    Raises:
        ValueError: D is not the scenario's `size`.
    """
    array = np.asarray(observation, np.float32)
    if array.ndim not in (1, 2) or array.shape[-1] != size:
        raise ValueError(
            f"{name}: an observation of scenario {scenario.name!r} has shape ({size},) or (N, {size}), "
            f"got {array.shape}."
        )
    return array


def card_of(name: str, scenario: Scenario) -> dict[str, Any]:
    """The first fields of every `agent.json`: the agent, and the game that it was made for."""
    return {
        "format": FORMAT,
        "name": name,
        "scenario": scenario.name,
        "scenario_sha256": scenario_fingerprint(scenario),
        "game": game(scenario),
    }


def population_of(scenario: Scenario, population: Any, customers: Population) -> dict[str, str]:
    """The customers of a training, for its card: their name or folder, if given by one, and their hash.

    Args:
        scenario: what was played.
        population: the customers as they were given: name, folder, object, or None for the scenario's own.
        customers: the same, loaded.
    """
    if population is None:
        population = scenario.population
    named = str(population) if not isinstance(population, Population) else "given as an object"
    return {"population": named, "population_sha256": population_fingerprint(customers)}


def warn_of_changes(folder: str | Path, card: dict[str, Any], scenario: Scenario) -> bool:
    """Warn if an agent will play another game than the one on its card; whether it will."""
    differing = differences(card["game"], game(scenario))
    if differing:
        warnings.warn(
            f"the agent in {folder} was made for another sale than this {scenario.name!r}: {differing}. It is "
            f"played as it is; train or tune it here to see its best, or give it its own {card['scenario']!r}.",
            stacklevel=3,
        )
    return bool(differing)


def read_weights(path: Path, card: dict[str, Any]) -> bytes:
    """The content of the weights file that belongs to a card.

    Raises:
        FileNotFoundError: it is missing.
        ValueError: its hash is not the card's.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing: the agent was not saved to its end.") from None
    wanted, found = card.get("weights_sha256"), sha256(content)
    if wanted != found:
        raise ValueError(
            f"{path} is truncated, edited or another agent's: its sha256 should be {wanted}, is {found} "
            f"({len(content)} bytes). Restore the file that {CARD} was saved with, or train again."
        )
    return content


def read_card(folder: str | Path) -> dict[str, Any]:
    """The content of a saved agent's `agent.json`.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is truncated or has another format.
    """
    path = Path(folder) / CARD
    try:
        card = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise FileNotFoundError(
            f"no agent at {folder}: want a folder with {CARD}, as `save` writes it, or a name of `agents.REFERENCES`."
        ) from None
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}.") from error
    if not isinstance(card, dict) or card.get("format") != FORMAT or not {"name", "scenario", "game"} <= card.keys():
        found = card.get("format") if isinstance(card, dict) else None
        raise ValueError(
            f"{path} must say format {FORMAT}, a name, a scenario and its game, got format {found!r}: save the agent "
            f"with this version."
        )
    return card
