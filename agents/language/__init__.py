"""Agents that read and write text: a language model at the till, and one that writes strategies.

    caller = Caller(Endpoint("a-model", base_url="http://localhost:8000/v1"), Bounds(calls=1000))
    played = play_in_words(LanguageAgent(caller), "standard", seeds=split_seeds("test", 0, 10))
    played.table["profit"]     # the columns of `agents.play`, on the same customers

Importing this package loads neither a client nor torch.
"""

from flashsale_env.agents.language.agent import LanguageAgent
from flashsale_env.agents.language.bounds import Bounds, OutOfBounds
from flashsale_env.agents.language.calls import Caller
from flashsale_env.agents.language.endpoint import Endpoint
from flashsale_env.agents.language.journal import Journal, Recorded
from flashsale_env.agents.language.local import LocalModel
from flashsale_env.agents.language.models import Message, Model, NoAnswer, Reply
from flashsale_env.agents.language.playing import Played, play_in_words
from flashsale_env.agents.language.replies import json_in
from flashsale_env.agents.language.strategist import Draft, best_draft, write_strategies

__all__ = [
    "Bounds",
    "Caller",
    "Draft",
    "Endpoint",
    "Journal",
    "LanguageAgent",
    "LocalModel",
    "Message",
    "Model",
    "NoAnswer",
    "OutOfBounds",
    "Played",
    "Recorded",
    "Reply",
    "best_draft",
    "json_in",
    "play_in_words",
    "write_strategies",
]
