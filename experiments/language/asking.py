"""Whom a command asks, and sales played by a language model against another agent.

Owns    how a name becomes a model: the name of one at an endpoint, a folder, or a journal.
Leaves  models, calls and their bounds to `agents.language`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flashsale_env import Scenario
from flashsale_env.agents import play, split_seeds
from flashsale_env.agents.language import (
    Bounds,
    Caller,
    Endpoint,
    Journal,
    LanguageAgent,
    LocalModel,
    Model,
    OutOfBounds,
    Recorded,
    play_in_words,
)
from flashsale_env.experiments.evaluate import difference, figures
from flashsale_env.experiments.runs import RESULT, write_json

JOURNAL = "journal.jsonl"


def find_model(name: str, base_url: str | None = None, key_variable: str = "OPENAI_API_KEY") -> Model:
    """The model that a name stands for.

    Args:
        name: of a model at an endpoint; the folder of one; or a journal, NAME.jsonl, that is replayed.
        base_url, key_variable: as for `Endpoint`.

    Raises:
        ValueError: an address is given for a folder or journal, or there is no key.
        FileNotFoundError: no such journal.
    """
    is_journal = Path(name).suffix == ".jsonl"
    if base_url is not None and (is_journal or Path(name).is_dir()):
        raise ValueError(f"--base-url is for a model at an endpoint, and {name} is a file or folder: leave it out.")
    if is_journal:
        return Recorded(name)
    return LocalModel(name) if Path(name).is_dir() else Endpoint(name, base_url=base_url, key_variable=key_variable)


def bounds_of(
    calls: int | None, minutes: float | None, spend: float | None = None, prices: tuple[float, float] = (0.0, 0.0)
) -> Bounds:
    """The bounds of a command's options, None for no limit.

    Raises:
        ValueError: a spend without prices.
    """
    limits = {"calls": calls, "seconds": minutes and 60 * minutes, "spend": spend}
    given = {name: float(value) for name, value in limits.items() if value is not None}
    return Bounds(**given, prompt_price=prices[0], completion_price=prices[1])


def play_against(
    model: Model,
    scenario: Scenario,
    sales: int,
    bounds: Bounds,
    most_ticks: int | None,
    against: Any,
    out: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Test sales played by a language model, and by another agent on the same customers.

    Args:
        model: who plays.
        scenario: what is played, with its own customers.
        sales: test sales, at least 2.
        bounds: on all calls.
        most_ticks: that one answer may play; the whole sale by default.
        against: an agent with `predict`.
        out: folder of the journal and of the figures.
        progress: called after each sale with (done, total).

    Returns:
        "agent" and "against": figures; "difference"; "sales" finished; "stopped", the bound that ended it or "";
        "refused", "passed", "calls", "prompt_tokens", "completion_tokens", "spend", "seconds".

    Raises:
        OutOfBounds: a bound is reached before two sales are finished.
        NoAnswer: the model has none.
    """
    caller = Caller(model, bounds, None if out is None else Journal(out / JOURNAL))
    seeds = split_seeds("test", 0, sales)
    played = play_in_words(LanguageAgent(caller), scenario, seeds=seeds, progress=progress, most_ticks=most_ticks)
    if len(played.table.seeds) < 2:
        raise OutOfBounds(f"one sale was finished, and an interval needs two: {played.stopped}")
    other = play(against, scenario, seeds=played.table.seeds)
    account = caller.account
    found = {
        "sales": len(played.table.seeds),
        "agent": {"name": model.name, **figures(played.table)},
        "against": figures(other),
        "difference": difference(played.table, other),
        "stopped": played.stopped,
        "refused": played.refused,
        "passed": played.passed,
        "calls": account.calls,
        "prompt_tokens": account.prompt_tokens,
        "completion_tokens": account.completion_tokens,
        "spend": account.spend,
        "seconds": round(account.seconds, 3),
    }
    if out is not None:
        write_json(out / RESULT, found)
    return found
