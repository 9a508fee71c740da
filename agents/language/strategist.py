"""A language model that writes strategies, is told what they earn, and writes better ones.

Owns    the conversation: the sale, the form of a strategy, drafts and their scores.
Leaves  the form to `agents.strategies`, the score to the caller.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flashsale_env import Levers, Scenario, load_scenario
from flashsale_env.agents.language.calls import Caller
from flashsale_env.agents.language.models import Message
from flashsale_env.agents.language.replies import json_in
from flashsale_env.agents.strategies import Strategy, StrategyAgent, read_strategy
from flashsale_env.views.report import briefing


@dataclass(frozen=True)
class Draft:
    """One answer: the strategy and its score, or the complaint about it."""

    strategy: Strategy | None
    score: float | None
    complaint: str = ""


def write_strategies(
    caller: Caller, scenario: str | Path | Scenario, score: Callable[[Strategy], float], *, rounds: int = 3
) -> list[Draft]:
    """Ask for a strategy, tell its score, and ask for a better one.

    Args:
        caller: whom to ask.
        scenario: name, path or object.
        score: the mean profit of a strategy on sales that the final comparison does not use.
        rounds: questions.

    Returns:
        A draft for each round, in order.

    Raises:
        ValueError: no round.
        OutOfBounds, NoAnswer: as `Caller.ask`.
    """
    if rounds < 1:
        raise ValueError(f"rounds must be at least 1, got {rounds}.")
    sale = load_scenario(scenario)
    messages: list[Message] = [
        {"role": "system", "content": strategy_instructions(sale)},
        {"role": "user", "content": "Write a strategy for the whole sale."},
    ]
    drafts: list[Draft] = []
    for _ in range(rounds):
        text = caller.ask(messages)
        try:
            strategy = read_strategy(json_in(text), sale)
            StrategyAgent.check(strategy, sale)
            draft = Draft(strategy, score(strategy))
            told = f"It earns {draft.score:,.6g} a sale on average. Write a better one."
        except (ValueError, FileNotFoundError) as error:
            draft = Draft(None, None, str(error))
            told = f"This was refused: {error} Answer with one JSON object."
        drafts.append(draft)
        messages += [{"role": "assistant", "content": text}, {"role": "user", "content": told}]
    return drafts


def best_draft(drafts: list[Draft]) -> Draft | None:
    """The draft with the highest score; None if none fitted."""
    scored = [draft for draft in drafts if draft.score is not None]
    return max(scored, key=lambda draft: draft.score or 0.0, default=None)


def strategy_instructions(scenario: Scenario) -> str:
    """The sale, its decisions and the form of a strategy."""
    levers = Levers(scenario)
    setting = json.loads(levers.example())
    half = scenario.horizon_ticks // 2
    example = {"name": "hold, then react", "phases": [{**setting, "ticks": max(half, 1)}, {**setting}]}
    if scenario.horizon_ticks < 2:
        example["phases"] = [setting]
    slow = {"sold_below": 0.4, **setting}
    return (
        f"{briefing(scenario, levers)}\n\n"
        f"You plan the whole sale beforehand. Answer with one JSON object and nothing else, e.g. "
        f"{json.dumps(example, ensure_ascii=False)}. The ticks of all phases add up to {scenario.horizon_ticks}; the "
        f"last phase may leave them out. A phase changes what it names, the rest stays. "
        f'A phase may hold "slow" and "fast", which replace decisions in every tick in which a share of the units is '
        f'sold below or above a limit, e.g. "slow": {json.dumps(slow, ensure_ascii=False)}; "fast" has "sold_above". '
        f"For a product the share is its own."
    )
