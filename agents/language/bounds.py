"""Bounds on what a language model may cost: calls, tokens, money and time.

Units   money in the currency of the prices, per million tokens; time in seconds.
"""

import math
import time
from dataclasses import dataclass, fields

from flashsale_env.agents.language.models import Reply


class OutOfBounds(ValueError):
    """A bound is reached. No further call is made."""


@dataclass(frozen=True)
class Bounds:
    """The most that all calls together may take. A bound is checked before each call, so the last one may exceed it.

    Args:
        calls: number of questions.
        tokens: of questions and answers.
        seconds: from the first call on.
        spend: money, at the two prices.
        prompt_price, completion_price: of a million tokens.

    Raises:
        ValueError: a number is below 0, or a spend is given without a price.
    """

    calls: float = math.inf
    tokens: float = math.inf
    seconds: float = math.inf
    spend: float = math.inf
    prompt_price: float = 0.0
    completion_price: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value >= 0:
                raise ValueError(f"bound {field.name} must be at least 0, got {value}.")
        if math.isfinite(self.spend) and not self.prompt_price + self.completion_price:
            raise ValueError("a bound on spend needs prompt_price and completion_price, per million tokens.")


class Account:
    """What was taken so far.

    Attributes:
        calls, prompt_tokens, completion_tokens, spend: totals.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.calls = self.prompt_tokens = self.completion_tokens = 0
        self.spend = 0.0
        self._began: float | None = None

    @property
    def seconds(self) -> float:
        """Since the first call."""
        return 0.0 if self._began is None else time.monotonic() - self._began

    def require_room(self) -> None:
        """Begin a call.

        Raises:
            OutOfBounds: a bound is reached; the message names it.
        """
        if self._began is None:
            self._began = time.monotonic()
        taken = {
            "calls": self.calls,
            "tokens": self.prompt_tokens + self.completion_tokens,
            "seconds": self.seconds,
            "spend": self.spend,
        }
        for name, value in taken.items():
            most = getattr(self.bounds, name)
            if value >= most:
                raise OutOfBounds(f"the bound of {most:,.10g} {name} is reached ({value:,.6g} taken).")
        self.calls += 1

    def book(self, reply: Reply) -> None:
        """Enter an answer."""
        self.prompt_tokens += reply.prompt_tokens
        self.completion_tokens += reply.completion_tokens
        bounds = self.bounds
        price = reply.prompt_tokens * bounds.prompt_price + reply.completion_tokens * bounds.completion_price
        self.spend += price / 1e6
