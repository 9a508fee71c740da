"""Asking a model within bounds, with a journal.

Owns    the order of a call: bound, question, account, journal.
"""

import time
from collections.abc import Sequence
from datetime import datetime, timezone

from flashsale_env.agents.language.bounds import Account, Bounds
from flashsale_env.agents.language.journal import Journal
from flashsale_env.agents.language.models import Message, Model, NoAnswer


class Caller:
    """Asks a model.

    Args:
        model: whom to ask.
        bounds: the most that all calls may take; without bounds by default.
        journal: where every exchange is written; nowhere by default.

    Attributes:
        account: what was taken so far.
    """

    def __init__(self, model: Model, bounds: Bounds | None = None, journal: Journal | None = None) -> None:
        self.model, self.journal = model, journal
        self.account = Account(bounds or Bounds())

    def ask(self, messages: Sequence[Message]) -> str:
        """The text of the answer.

        Raises:
            OutOfBounds: a bound is reached; nothing was asked.
            NoAnswer: the model has none.
        """
        self.account.require_room()
        began = time.monotonic()
        line = {
            "number": self.account.calls,
            "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "model": self.model.name,
            "messages": list(messages),
        }
        try:
            reply = self.model.ask(messages)
        except NoAnswer as error:
            self._write({**line, "error": str(error), "seconds": round(time.monotonic() - began, 3)})
            raise
        self.account.book(reply)
        tokens = {"prompt_tokens": reply.prompt_tokens, "completion_tokens": reply.completion_tokens}
        self._write({**line, "reply": reply.text, **tokens, "seconds": round(time.monotonic() - began, 3)})
        return reply.text

    def _write(self, line: dict[str, object]) -> None:
        if self.journal is not None:
            self.journal.write(line)
