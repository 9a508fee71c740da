"""A flash sale as a game of TextArena for one player.

    from flashsale_env.experiments.adapters.textarena import register
    register("gvr-periodic")
    env = textarena.make("FlashSale-gvr-periodic-v0")

An action is the text that a model writes; the JSON in it is played. The outcome is what the sale earned, over `scale`.
"""

from functools import partial
from typing import Any

from flashsale_env.agents.language import json_in
from flashsale_env.experiments.adapters.turns import Turns

try:
    import textarena as ta
    from textarena.envs.registration import register as register_game
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"this adapter needs the package {error.name!r}: pip install textarena", name=error.name
    ) from None


class FlashSaleGame(ta.Env):  # type: ignore[misc]  # a class without types
    """One sale.

    Args:
        scenario: name or path.
        scale: what earns an outcome of 1, currency.
        error_allowance: wrong answers in a row that are sent back; one more ends the game with what is earned so far.
        options: of `FlashSaleTextEnv`.
    """

    def __init__(
        self, scenario: str = "standard", scale: float = 1.0, error_allowance: int = 2, **options: Any
    ) -> None:
        super().__init__()
        self._turns = Turns(scenario, **options)
        self._scale, self._allowance, self._earned = scale, error_allowance, 0.0

    def reset(self, num_players: int, seed: int | None = None) -> None:
        """Open a sale; the first observation holds the instructions and the first report."""
        turn = self._turns.open(seed)
        self._earned = 0.0
        self.state = ta.SinglePlayerState(num_players=num_players, seed=seed, error_allowance=self._allowance)
        self.state.reset(game_state={}, player_prompt_function=lambda player_id, game_state: self._turns.instructions)
        self._say(turn.text)

    def step(self, action: str) -> Any:
        """Play the JSON in the action."""
        self.state.add_observation(
            from_id=self.state.current_player_id,
            to_id=-1,
            message=action,
            observation_type=ta.ObservationType.PLAYER_ACTION,
        )
        turn = self._turns.act(json_in(action))
        self._earned += turn.reward
        if turn.refused:
            self.state.set_invalid_move(reward=self._earned / self._scale, reason=turn.text)
        else:
            self._say(turn.text)
            if turn.closed:
                self.state.set_outcome(reward=self._earned / self._scale, reason="The sale is closed.")
        return self.state.step()

    def _say(self, text: str) -> None:
        self.state.add_observation(message=text, observation_type=ta.ObservationType.GAME_MESSAGE)


def register(scenario: str, **options: Any) -> str:
    """Enter a scenario among TextArena's games, and return the id.

    Args:
        scenario: name.
        options: of `FlashSaleGame`.
    """
    name = f"FlashSale-{scenario}-v0"
    register_game(id=name, entry_point=partial(FlashSaleGame, scenario), default_wrappers=None, **options)
    return name
