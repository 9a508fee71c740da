"""The journal of a model: every exchange as a line of JSON, and its replay without the model.

Owns    the lines {"number", "time", "model", "messages", "reply", "prompt_tokens", "completion_tokens", "seconds"} with
        "error" in place of the reply where there is none.

A line holds what was asked and answered and nothing about how the model was reached: no address and no key.
"""

import json
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flashsale_env.agents.language.models import Message, NoAnswer, Reply
from flashsale_env.files import note, sha256


class Journal:
    """Appends lines to a file; a killed process loses at most the line that it was writing.

    Args:
        path: of the file, which must not exist.

    Raises:
        FileExistsError: it exists.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        note(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.open("x").close()

    def write(self, line: Mapping[str, Any]) -> None:
        """Append one line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


class Recorded:
    """A model that answers from a journal: the same question gets the same answers in the same order.

    Args:
        path: of the journal.

    Raises:
        FileNotFoundError: there is none.
        ValueError: a line is not of a journal; the message gives its number.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._answers: dict[str, deque[Reply]] = defaultdict(deque)
        self.name = ""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            raise FileNotFoundError(f"no journal at {path}.") from None
        for number, text in enumerate(lines, start=1):
            try:
                line = json.loads(text)
                self.name = str(line["model"])
                if "error" not in line:
                    reply = Reply(str(line["reply"]), int(line["prompt_tokens"]), int(line["completion_tokens"]))
                    self._answers[_key(line["messages"])].append(reply)
            except (ValueError, KeyError, TypeError) as error:
                if number == len(lines):
                    continue  # a process that was killed left an unfinished line
                raise ValueError(f"{path}, line {number}: not a line of a journal: {error!r}.") from None

    def ask(self, messages: Sequence[Message]) -> Reply:
        """The next recorded answer to this question.

        Raises:
            NoAnswer: there is none.
        """
        answers = self._answers.get(_key(messages))
        if not answers:
            raise NoAnswer(
                f"{self.path} holds no further answer to the question {messages[-1]['content'][:80]!r}: it was made "
                f"with other sales, other settings or another version."
            )
        return answers.popleft()


def _key(messages: Sequence[Message]) -> str:
    return sha256(json.dumps(list(messages), sort_keys=True).encode())
