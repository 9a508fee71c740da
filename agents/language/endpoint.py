"""A model behind an endpoint of OpenAI's form: OpenAI itself, and vLLM, llama.cpp, Ollama and others that speak it.

The key comes from an environment variable, and is written nowhere: not in settings, messages, journals or errors.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flashsale_env.agents.language.models import Message, NoAnswer, Reply

# What a server without keys gets, since the client insists on one.
_NO_KEY = "no-key"


@dataclass(frozen=True)
class Endpoint:
    """A model at an endpoint.

    Args:
        model: its name there.
        base_url: of the endpoint, e.g. "http://localhost:8000/v1"; OpenAI's by default.
        key_variable: environment variable that holds the key. An endpoint given by `base_url` may have none.
        temperature: of sampling.
        answer_tokens: the longest answer.
        timeout: of one attempt, seconds.
        retries: further attempts after a timeout, a lost connection, a full queue or an error of the server, after
            growing pauses.
        options: further arguments of `chat.completions.create`, e.g. {"seed": 1}.

    Raises:
        ModuleNotFoundError: the package `openai` is not installed.
        ValueError: the environment holds no key.
    """

    model: str
    base_url: str | None = None
    key_variable: str = "OPENAI_API_KEY"
    temperature: float = 0.0
    answer_tokens: int = 1024
    timeout: float = 60.0
    retries: int = 4
    options: Mapping[str, Any] = field(default_factory=dict)
    _client: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            import openai
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                "an endpoint needs the package 'openai', which is not installed: pip install 'flashsale-env[language]'",
                name="openai",
            ) from None
        key = os.environ.get(self.key_variable)
        if not key and self.base_url is None:
            raise ValueError(
                f"the environment variable {self.key_variable} is not set: it holds the endpoint's key. An endpoint "
                f"without keys is given by its base URL, e.g. http://localhost:8000/v1."
            )
        client = openai.OpenAI(
            base_url=self.base_url, api_key=key or _NO_KEY, timeout=self.timeout, max_retries=self.retries
        )
        object.__setattr__(self, "_client", client)

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.model

    def ask(self, messages: Sequence[Message]) -> Reply:
        """The answer to a conversation.

        Raises:
            NoAnswer: the endpoint refuses, or does not answer after all retries.
        """
        import openai

        options: dict[str, Any] = {"temperature": self.temperature, "max_tokens": self.answer_tokens, **self.options}
        if "max_completion_tokens" in self.options:
            del options["max_tokens"]
        try:
            answer = self._client.chat.completions.create(model=self.model, messages=list(messages), **options)
        except openai.OpenAIError as error:
            raise NoAnswer(f"model {self.model!r} has not answered: {self._without_key(str(error))}") from None
        if not answer.choices:
            raise NoAnswer(f"model {self.model!r} answered without a choice.")
        usage = answer.usage
        return Reply(
            answer.choices[0].message.content or "",
            0 if usage is None else usage.prompt_tokens,
            0 if usage is None else usage.completion_tokens,
        )

    def _without_key(self, text: str) -> str:
        """A server may quote the key that it refuses."""
        return text.replace(self._client.api_key, "***")
