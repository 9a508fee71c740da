"""The encoder over HTTP: the same probabilities as the encoder itself."""

import numpy as np
import pytest

from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.intents import INTENTS

TEXTS = ["where is my parcel?", "I need it before tonight", "what is the cheapest one you have"]


@pytest.fixture(scope="module")
def own():
    return IntentEncoder.default(device="cpu").encode(TEXTS)


def test_the_service_reads_as_the_encoder_does(serve, own):
    ask = serve("default")
    reply = ask("POST", "/encoder/intents", {"texts": TEXTS})
    assert reply.status == 200, reply.text
    readings = reply.json["readings"]
    assert [reading["intent"] for reading in readings] == own.intents
    found = np.array([[reading["probabilities"][intent] for intent in INTENTS] for reading in readings])
    assert np.allclose(found, own.probabilities, atol=1e-5)
    assert [reading["in_scope"] for reading in readings] == own.in_scope.tolist()
    described = ask("GET", "/encoder").json
    assert reply.json["version"] == described["version"]
    assert described["precision"] == "fp32"
    for texts, message in (
        (["fine", " "], "texts[1] must have 1 to 4,000 characters, got ' '"),
        (["x" * 4001], "texts[0] must have 1 to 4,000 characters, got 4,001 characters"),
        (["x"] * 257, "a request may hold 256 texts, got 257"),
    ):
        assert message in ask("POST", "/encoder/intents", {"texts": texts}).json["detail"]
