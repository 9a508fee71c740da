"""A flash sale as an environment of OpenEnv (`openenv-core`): a server for reinforcement learning of language models.

    uvicorn --factory flashsale_env.experiments.adapters.openenv:app       # FLASHSALE_SCENARIO names the scenario

An action is the text that a model writes; the JSON in it is played. An observation holds the report, and the
instructions at the start.
"""

import os
from typing import Any
from uuid import uuid4

from flashsale_env.agents.language import json_in
from flashsale_env.experiments.adapters.turns import Turn, Turns

try:
    from openenv.core.env_server import Environment, create_app
    from openenv.core.env_server.types import Action, Observation, State
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"this adapter needs the package {error.name!r}: pip install openenv-core", name=error.name
    ) from None

SCENARIO_VARIABLE = "FLASHSALE_SCENARIO"
MOST_SESSIONS = 64


class SaleAction(Action):  # type: ignore[misc]  # a class without types
    """What a model writes."""

    text: str


class SaleObservation(Observation):  # type: ignore[misc]
    """What a model reads, and the profit so far, currency."""

    text: str
    profit: float = 0.0
    refused: bool = False


class FlashSaleEnvironment(Environment):  # type: ignore[misc]
    """One sale after the other; each session has an environment of its own.

    Args:
        scenario: name or path.
        options: further arguments of `FlashSaleTextEnv`.
    """

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self, scenario: str = "standard", **options: Any) -> None:
        super().__init__()
        self._turns = Turns(scenario, **options)
        self._state = State(episode_id=str(uuid4()), step_count=0)

    def reset(self, seed: int | None = None, episode_id: str | None = None, **kwargs: Any) -> SaleObservation:
        """Open a sale; the observation holds the instructions and the first report."""
        self._state = State(episode_id=episode_id or str(uuid4()), step_count=0)
        turn = self._turns.open(seed)
        return _observation(turn, f"{self._turns.instructions}\n\n{turn.text}")

    def step(self, action: SaleAction, timeout_s: float | None = None, **kwargs: Any) -> SaleObservation:
        """Play the JSON in the action; a wrong one is refused in words and plays nothing."""
        turn = self._turns.act(json_in(action.text))
        self._state.step_count += 1
        return _observation(turn, turn.text)

    @property
    def state(self) -> State:
        """Number of steps in this sale."""
        return self._state


def _observation(turn: Turn, text: str) -> SaleObservation:
    return SaleObservation(
        text=text, profit=turn.profit, refused=turn.refused, reward=turn.reward, done=turn.closed, metadata={}
    )


def app() -> Any:
    """The server, a FastAPI application, of the scenario that the environment variable names."""
    scenario = os.environ.get(SCENARIO_VARIABLE, "standard")
    return create_app(
        lambda: FlashSaleEnvironment(scenario),
        SaleAction,
        SaleObservation,
        env_name="flashsale",
        max_concurrent_envs=MOST_SESSIONS,
    )
