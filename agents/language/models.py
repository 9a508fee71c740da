"""What a language model must offer: an answer to a conversation.

Leaves  the models to `endpoint`, `local` and `journal`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

# {"role": "system" | "user" | "assistant", "content": text}
Message = dict[str, str]


@dataclass(frozen=True)
class Reply:
    """An answer, and the tokens that it cost as the model counts them."""

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


class NoAnswer(ConnectionError):
    """A model has no answer."""


class Model(Protocol):
    """A language model."""

    @property
    def name(self) -> str:
        """Its name in journals and tables."""
        ...

    def ask(self, messages: Sequence[Message]) -> Reply:
        """The answer to a conversation.

        Raises:
            NoAnswer: there is none; the message gives the reason.
        """
        ...
