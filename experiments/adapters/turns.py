"""Sales in words, turn by turn: what every adapter stands on.

A wrong action is no exception here but a turn whose text is the complaint: the programs behind adapters pass it on to
the model, which may try again.
"""

from dataclasses import dataclass
from typing import Any

from flashsale_env import FlashSaleTextEnv, Scenario


@dataclass(frozen=True)
class Turn:
    """What a player gets back.

    Args:
        text: the report, or the complaint about the action.
        reward: of the ticks played, currency.
        closed: whether the sale is over.
        refused: whether the action did not fit, so that nothing was played.
        profit: of the sale so far, currency.
    """

    text: str
    reward: float
    closed: bool
    refused: bool
    profit: float


class Turns:
    """One sale after the other.

    Args:
        scenario: name, path or object.
        options: further arguments of `FlashSaleTextEnv`.
    """

    def __init__(self, scenario: str | Scenario, **options: Any) -> None:
        self.env = FlashSaleTextEnv(scenario, **options)
        self._closed = True
        self._profit = 0.0

    @property
    def instructions(self) -> str:
        """What a player has to know before the first report."""
        return self.env.instructions

    def open(self, seed: int | None = None) -> Turn:
        """The first report of the sale (seed, episode 0); without a seed, of the next episode.

        Raises:
            ValueError: as `reset`.
        """
        text, info = self.env.reset(seed=seed)
        self._closed, self._profit = False, float(info["profit"])
        return Turn(text, 0.0, False, False, self._profit)

    def act(self, action: Any) -> Turn:
        """Play an action, given as JSON text or as the object that it stands for."""
        if self._closed:
            return Turn("The sale is closed or was never opened: open one first.", 0.0, True, True, self._profit)
        try:
            text, reward, self._closed, _, info = self.env.step(action)
        except ValueError as error:
            return Turn(f"This was refused: {error}", 0.0, False, True, self._profit)
        self._profit = float(info["profit"])
        return Turn(text, reward, self._closed, False, self._profit)
