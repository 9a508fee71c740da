"""An intent encoder as a service: texts in, intents with their probabilities out.

Owns    the encoder's version, the check of texts, and its endpoints.
Leaves  reading to `encoders.text`, batching to `batching`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from flashsale_env.encoders.corpus.phrases import SENTIMENTS
from flashsale_env.encoders.text import storage
from flashsale_env.encoders.text.inference import Reader
from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.encoders.world.building import DEMAND_FOLDER
from flashsale_env.experiments.encode import ENCODER
from flashsale_env.experiments.serve.served import Ask, Kind, Settings
from flashsale_env.files import sha256_of
from flashsale_env.intents import INTENTS

SHIPPED = {DEMAND_FOLDER.name: DEMAND_FOLDER}
# The encoder reads 128 tokens; nothing sensible is longer than this.
MOST_CHARACTERS = 4000


class Reading(BaseModel):
    """What the encoder reads in one text."""

    intent: str
    probabilities: dict[str, float]
    sentiment: dict[str, float] | None = Field(None, description="Absent without a sentiment head.")
    in_scope: bool | None = Field(None, description="Whether it has one of the intents; absent without that score.")


class ServedEncoder:
    """An encoder of one version at one number format."""

    def __init__(self, encoder: IntentEncoder, precision: str, version: str) -> None:
        self._encoder, self.version = encoder, version
        self.precision = Reader(encoder.backbone, precision).precision
        self.answer(["how long does delivery take?"])  # builds the reader, so that the first request does not

    def answer(self, rows: Sequence[str]) -> list[Reading]:
        """The reading of each text."""
        found = self._encoder.encode(rows, precision=self.precision)
        readings = []
        for i, intent in enumerate(found.intents):
            mood = None if found.sentiment is None else dict(zip(SENTIMENTS, found.sentiment[i].tolist(), strict=True))
            scope = None if found.in_scope is None else bool(found.in_scope[i])
            shares = dict(zip(INTENTS, found.probabilities[i].tolist(), strict=True))
            readings.append(Reading(intent=intent, probabilities=shares, sentiment=mood, in_scope=scope))
        return readings

    def describe(self) -> dict[str, Any]:
        """Version, number format, and what the encoder was trained for."""
        card = self._encoder.card
        return {
            "version": self.version,
            "precision": self.precision,
            "intents": list(INTENTS),
            "languages": card.get("languages", []),
            "backbone": card["backbone"]["name"],
            "method": card["method"],
        }

    def why_not_after(self, before: "ServedEncoder") -> str | None:
        return None  # every encoder takes texts and gives the nine intents


def find(folder: str) -> Path | None:
    """The folder of the encoder: a shipped one, one that was saved, or the one inside a run."""
    if folder in SHIPPED:
        return SHIPPED[folder]
    for path in (Path(folder), Path(folder) / ENCODER):
        if (path / storage.HEAD_FILE).is_file() and (path / storage.CARD_FILE).is_file():
            return path
    return None


def load(folder: Path, settings: Settings, named: str) -> ServedEncoder:
    """The encoder of a folder that `find` found.

    Raises:
        ValueError: it is damaged, or the hardware lacks the number format.
    """
    version = sha256_of(folder / storage.CARD_FILE)
    return ServedEncoder(IntentEncoder.load(folder, device=settings.device), settings.precision, version)


class Texts(BaseModel):
    """Messages of customers."""

    model_config = ConfigDict(extra="forbid")

    texts: list[str] = Field(min_length=1)


class Readings(BaseModel):
    """The encoder's answer, one entry a text."""

    readings: list[Reading]
    version: str = Field(description="Of the encoder that answered.")


def routes(ask: Ask, current: Callable[[], ServedEncoder], most_rows: int) -> APIRouter:
    """`GET /encoder` and `POST /encoder/intents`."""
    router = APIRouter(tags=["encoder"])

    @router.get("/encoder", summary="Which encoder reads, and its intents")
    async def description() -> dict[str, Any]:
        return current().describe()

    @router.post("/encoder/intents", summary="Texts in, intents out")
    async def intents(body: Texts) -> Readings:
        if len(body.texts) > most_rows:
            raise HTTPException(422, f"a request may hold {most_rows} texts, got {len(body.texts)}: send several.")
        for i, text in enumerate(body.texts):
            if not text.strip() or len(text) > MOST_CHARACTERS:
                got = f"{len(text):,} characters" if text.strip() else repr(text)
                raise HTTPException(422, f"texts[{i}] must have 1 to {MOST_CHARACTERS:,} characters, got {got}.")
        answers, answered = await ask(body.texts)
        return Readings(readings=answers, version=answered.version)

    return router


ENCODERS = Kind("encoder", find, load, storage.CARD_FILE, routes)
