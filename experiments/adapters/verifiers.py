"""A flash sale as an environment of verifiers 0.1: evaluation and training of language models over many turns.

    import verifiers as vf
    env = vf.load_environment("flashsale_env.experiments.adapters.verifiers", scenario="gvr-periodic")

Each row of the data sets is one sale: the instructions, its first report and its seed. A sale in training shares no
customers with one in evaluation or in the test sales of this project. The reward is what the sale earned, times
`reward_scale`.
"""

from typing import Any

from flashsale_env.agents import split_seeds
from flashsale_env.agents.language import json_in
from flashsale_env.experiments.adapters.turns import Turns

try:
    import verifiers as vf
    from datasets import Dataset
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"this adapter needs the package {error.name!r}: pip install 'verifiers<0.2'", name=error.name
    ) from None

# Answers that may be refused in one sale, for each tick of it.
_ATTEMPTS = 3


class SaleOfManyTurns(vf.MultiTurnEnv):  # type: ignore[misc]  # a class without types
    """One sale a rollout.

    Args:
        scenario: name or path.
        options: of `FlashSaleTextEnv`.
        arguments: of `MultiTurnEnv`.
    """

    def __init__(self, scenario: str, options: dict[str, Any], **arguments: Any) -> None:
        super().__init__(**arguments)
        self._scenario, self._options = scenario, options

    async def setup_state(self, state: Any) -> Any:
        """Open the sale of the row."""
        turns = Turns(self._scenario, **self._options)
        turns.open(int(state["info"]["seed"]))
        state["turns"], state["earned"], state["refused"], state["closed"] = turns, 0.0, 0, False
        return state

    async def env_response(self, messages: Any, state: Any, **kwargs: Any) -> list[dict[str, str]]:
        """Play the JSON in the last answer; the report, or the complaint."""
        turn = state["turns"].act(json_in(str(messages[-1]["content"] or "")))
        state["earned"] += turn.reward
        state["refused"] += turn.refused
        state["closed"] = turn.closed
        answer = [{"role": "user", "content": turn.text}]
        if turn.closed:
            state["final_env_response"] = answer
        return answer


async def earned(state: Any) -> float:
    """What the sale earned, currency."""
    return float(state["earned"])


async def refused(state: Any) -> float:
    """Answers that did not fit."""
    return float(state["refused"])


def load_environment(
    scenario: str = "standard",
    sales: int = 256,
    eval_sales: int = 32,
    reward_scale: float = 1.0,
    **options: Any,
) -> Any:
    """The environment, as verifiers loads it.

    Args:
        scenario: name or path.
        sales, eval_sales: rows of the data sets for training and evaluation.
        reward_scale: factor on the reward.
        options: of `FlashSaleTextEnv`: `most_ticks`, `messages`, `message_characters`.
    """
    turns = Turns(scenario, **options)
    rubric = vf.Rubric(funcs=[earned], weights=[reward_scale])
    rubric.add_metric(refused)
    return SaleOfManyTurns(
        scenario,
        options,
        dataset=_rows(turns, "train", sales),
        eval_dataset=_rows(turns, "validation", eval_sales),
        rubric=rubric,
        max_turns=_ATTEMPTS * turns.env.scenario.horizon_ticks,
    )


def _rows(turns: Turns, split: str, sales: int) -> Any:
    rows = []
    for seed in split_seeds(split, 0, sales).tolist():
        prompt = [
            {"role": "system", "content": turns.instructions},
            {"role": "user", "content": turns.open(seed).text},
        ]
        # As text: data sets hold no whole numbers above 2^63.
        rows.append({"prompt": prompt, "info": {"seed": str(seed)}, "answer": ""})
    return Dataset.from_list(rows)
