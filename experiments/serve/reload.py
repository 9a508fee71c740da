"""Reload: a new version takes the place of the old one between two batches, and no request is dropped.

Owns    the current version of a model, and when a new one is looked for and refused.
Leaves  reading a model to its kind.

The card of a model is written after everything else and holds the hashes of the other files, so a card that has changed
means a version that is complete. A version that cannot be read, or whose requests have another form, is refused: the
old one goes on, and the reason stands in the readiness report.
"""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from flashsale_env.experiments.serve.served import Kind, Served, Settings
from flashsale_env.files import sha256_of


class Holder:
    """The current version of one model.

    Args:
        kind: of the model.
        folder: that holds it.
        named: the same as the user named it.
        settings: of the service.

    Attributes:
        current: the version that answers.
        failure: why the last version that was found does not answer; "" where it does.
        reloads: how often a new version took over.

    Raises:
        ValueError, OSError: the model cannot be read.
    """

    def __init__(self, kind: Kind, folder: Path, named: str, settings: Settings) -> None:
        self.kind, self._folder, self._named, self._settings = kind, folder, named, settings
        self._card = folder / kind.card
        self._seen = sha256_of(self._card)
        self.current: Served = kind.load(folder, settings, named)
        self.failure = ""
        self.reloads = 0

    async def look(self) -> bool:
        """Load the version in the folder if it is another one than was last seen; whether it took over.

        It is read in a thread of its own while the old version goes on answering.
        """
        found = self._seen
        with contextlib.suppress(OSError):  # while the folder is being replaced
            found = sha256_of(self._card)
        if found == self._seen:
            return False
        self._seen = found
        try:
            new = await asyncio.to_thread(self.kind.load, self._folder, self._settings, self._named)
        except Exception as error:  # whatever is wrong with it, the old version goes on
            self.failure = f"the new {self.kind.name} cannot be read: {error}"
            return False
        reason = new.why_not_after(self.current)
        self.failure = "" if reason is None else f"the new {self.kind.name} is refused: {reason}"
        if reason is None:
            self.current = new
            self.reloads += 1
        return reason is None


async def watch(holder: Holder, seconds: float, note: Callable[[Holder, bool], None]) -> None:
    """Look for a new version every so many seconds, until cancelled.

    Args:
        holder: of the model.
        seconds: between two looks.
        note: called with the holder, and whether a version took over, after each look that found one.
    """
    while True:
        await asyncio.sleep(seconds)
        failure = holder.failure
        taken = await holder.look()
        if taken or holder.failure != failure:
            note(holder, taken)
