"""Robustness: perturbations change a message and not what it says, and their cost is measured on the same messages."""

import numpy as np
import pytest

from flashsale_env.encoders.corpus.phrases import phrases
from flashsale_env.encoders.studies import robustness
from flashsale_env.encoders.studies.robustness import PERTURBATIONS, evaluation_rows, robustness_study


class KnowsPrice:
    """Reads "price" in small letters as bargain_hunting, everything else as gift."""

    class Found:
        def __init__(self, intents):
            self.intents = intents

    def encode(self, texts):
        return self.Found(["bargain_hunting" if "price" in text else "gift" for text in texts])


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_a_perturbation_changes_every_message_and_is_the_same_for_the_same_seed(name):
    texts = [text for text in evaluation_rows(90, 0)[0] if len(text.split()) > 3]
    first, again = ([PERTURBATIONS[name](t, np.random.default_rng(5)) for t in texts] for _ in range(2))
    assert first == again
    assert sum(a != b for a, b in zip(first, texts, strict=True)) > 0.9 * len(texts)


def test_the_fall_is_the_share_of_messages_that_are_no_longer_read_right():
    texts, intents = ["the price"] * 30 + ["for my mum"] * 10, ["bargain_hunting"] * 30 + ["gift"] * 10
    found = robustness_study(KnowsPrice(), texts, intents)
    assert (found["rows"], found["accuracy"]) == (40, 1.0)
    by_name = {row["name"]: row for row in found["perturbations"]}
    assert list(by_name) == list(PERTURBATIONS)
    assert by_name["capitals"]["fall"]["mean"] == pytest.approx(0.75)
    assert by_name["capitals"]["accuracy"] == pytest.approx(0.25)
    assert by_name["mail signature"]["fall"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    half = 1.96 * np.sqrt(0.75 * 0.25 / 40)
    assert by_name["capitals"]["fall"]["high"] == pytest.approx(0.75 + half)


def test_greetings_signatures_and_small_talk_are_not_those_of_the_corpus():
    lines = " ".join(
        str(part) for table in phrases("en").dressing.values() for parts in table for part in parts if part != " "
    ).lower()
    for line in (*robustness._GREETINGS, *robustness._SIGNATURES):
        assert line.split("{")[0].strip().lower() not in lines


def test_messages_without_intents_are_refused():
    with pytest.raises(ValueError, match="got 1 messages and 0 intents"):
        robustness_study(KnowsPrice(), ["price"], [])
