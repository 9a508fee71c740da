"""What is served: the form that a policy, an encoder and every later model fills in.

Owns    the settings of a service, a model with its version, and a kind of model with its routes.
Leaves  the kinds to `policy` and `encoder`, their table to `application`.

A new kind is one file with a `Kind`, and one line in `application.KINDS`.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fastapi import APIRouter


@dataclass(frozen=True)
class Settings:
    """Options of a service; plain values, so that they can be sent to another machine.

    Args:
        folders: trained runs and encoders, or names of shipped ones.
        scenario: that the policy plays; None for the one it was trained on.
        device: where networks compute.
        precision: number format of the encoder, see `encoders.text.inference`.
        token: that a client must send; "" for none.
        local: whether only this machine can reach the service.
        most_bytes: of a request's body.
        most_rows: of a request, and of a batch.
        most_waiting: rows that may wait for a model; further requests are refused.
        most_at_once: requests in hand; further ones are refused before they are read.
        rate: requests a second from one address.
        reload_seconds: between two looks for a new version; 0 looks only when asked.
    """

    folders: tuple[str, ...]
    scenario: str | None = None
    device: str = "auto"
    precision: str = "fp32"
    token: str = ""
    local: bool = True
    most_bytes: int = 1 << 20
    most_rows: int = 256
    most_waiting: int = 1024
    most_at_once: int = 512
    rate: float = 1000.0
    reload_seconds: float = 2.0


class Served(Protocol):
    """A model in memory, of one version."""

    @property
    def version(self) -> str:
        """Hash of the card that the model was saved with."""
        ...

    def answer(self, rows: Sequence[Any]) -> list[Any]:
        """One answer a row. Called in a thread of its own, with rows that were checked."""
        ...

    def describe(self) -> dict[str, Any]:
        """What a client needs to know, as JSON."""
        ...

    def why_not_after(self, before: Any) -> str | None:
        """Why this version cannot take the place of another one, whose requests it would refuse; None if it can."""
        ...


# Asks the model of a kind: rows -> (answers, the version that gave them).
Ask = Callable[[Sequence[Any]], Awaitable[tuple[list[Any], Any]]]


@dataclass(frozen=True)
class Kind:
    """One kind of model.

    Args:
        name: of the kind, and the first part of its routes.
        find: (folder or shipped name) -> the folder of the model, None where it holds none.
        load: (that folder, settings, folder as it was named) -> the model.
        card: name of the file that is written last when a model is saved.
        routes: (asks the model, the current version, most rows of a request) -> its endpoints.
    """

    name: str
    find: Callable[[str], Path | None]
    load: Callable[[Path, Settings, str], Served]
    card: str
    routes: Callable[[Ask, Callable[[], Any], int], APIRouter]
