"""A language model at the till: it reads reports and answers with decisions as JSON.

Owns    the conversation of a sale.
Leaves  reports and the form of an answer to `flashsale_env.envs.text`, calls and their bounds to `calls`.
"""

from typing import Any

from flashsale_env import FlashSaleTextEnv
from flashsale_env.agents.language.calls import Caller
from flashsale_env.agents.language.models import Message
from flashsale_env.agents.language.replies import json_in


class LanguageAgent:
    """Plays the text environment.

    Each question holds the instructions, the last exchanges of the sale and the report of the moment, so its length is
    bounded. An answer that does not fit is sent back with the complaint. After `attempts` such answers the sale goes on
    for one tick as it is set, and that is counted.

    Args:
        caller: whom to ask.
        memory: earlier exchanges of the sale that a question repeats.
        attempts: answers asked for at one moment.
        guidance: added to the instructions.

    Raises:
        ValueError: a number is too small.
    """

    name = "language"

    def __init__(self, caller: Caller, *, memory: int = 2, attempts: int = 3, guidance: str = "") -> None:
        if memory < 0 or attempts < 1:
            raise ValueError(f"want memory of at least 0 and attempts of at least 1, got {memory} and {attempts}.")
        self.caller = caller
        self.memory, self.attempts, self.guidance = memory, attempts, guidance
        self.refused = self.passed = 0

    def play(self, env: FlashSaleTextEnv, seed: int) -> tuple[float, dict[str, Any]]:
        """Play the sale (seed, episode 0) to its close.

        Returns:
            The sum of its rewards, and the last info.

        Raises:
            OutOfBounds, NoAnswer: as `Caller.ask`; the sale is not finished.
        """
        report, info = env.reset(seed=seed)
        exchanges: list[Message] = []
        total, closed = 0.0, False
        while not closed:
            exchanges = exchanges[len(exchanges) - min(len(exchanges), 2 * self.memory) :]
            asked: Message = {"role": "user", "content": report}
            reply, (report, reward, closed, _, info) = self._decide(env, [self._instructions(env), *exchanges, asked])
            exchanges += [asked, {"role": "assistant", "content": reply}]
            total += reward
        return total, info

    def _instructions(self, env: FlashSaleTextEnv) -> Message:
        text = f"{env.instructions}\n\n{self.guidance}" if self.guidance else env.instructions
        return {"role": "system", "content": text}

    def _decide(self, env: FlashSaleTextEnv, messages: list[Message]) -> tuple[str, Any]:
        """Ask until an answer is played; the answer, and what the step returned."""
        for _ in range(self.attempts):
            text = self.caller.ask(messages)
            action = json_in(text)
            try:
                return action, env.step(action)
            except ValueError as error:
                self.refused += 1
                refusal = f"This was refused: {error} Answer with one JSON object."
                messages = [
                    *messages,
                    {"role": "assistant", "content": text},
                    {"role": "user", "content": refusal},
                ]
        self.passed += 1
        return "{}", env.step({})
