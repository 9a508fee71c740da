"""Explanations are complete, find the words that matter, and display a customer's message as text, never as code."""

import html
import re

import numpy as np
import pytest
import torch
from rich.console import Console

from flashsale_env.encoders.corpus.generator import generate
from flashsale_env.encoders.demand.tastes import Tastes
from flashsale_env.encoders.text.backbone import MAX_TOKENS
from flashsale_env.encoders.text.explain import TOLERANCE, explain, explain_tastes, to_html, to_terminal
from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.intents import INTENTS

ODD = 'is this <script>alert("1")</script> & genuine?\nor a fake'


@pytest.fixture(scope="module")
def encoder():
    settings = {"backbone": "tiny", "epochs": 4, "learning_rate": 1e-2, "progress": False, "device": "cpu"}
    return IntentEncoder.fine_tune(generate("train", 540, 0), generate("validation", 180, 0), **settings)


@pytest.fixture(scope="module")
def odd(encoder):
    return explain(encoder, ODD)


@pytest.mark.parametrize("intent", [None, *INTENTS])
def test_contributions_sum_to_the_effect_of_the_message(encoder, intent):
    """Completeness, the axiom that names the method: the sum is f(message) - f(blank message)."""
    for text in ("where is my order", "I want a refund, it came broken!", ODD):
        found = explain(encoder, text, intent)
        moved = found.log_odds - found.baseline
        assert abs(sum(word.contribution for word in found.words) + found.residual - moved) < 1e-4
        assert abs(found.residual) <= TOLERANCE
        assert sum(abs(word.contribution) for word in found.words) > 10 * TOLERANCE, "nothing to add up"


def test_the_log_odds_are_those_of_the_encoders_own_probability(encoder):
    """The explanation is of the probabilities at temperature 1, before calibration."""
    found = explain(encoder, "where is my order", "shipping_question")
    with torch.no_grad():
        pooled = encoder.backbone.pool(encoder.backbone.tokenize(["where is my order"]))
        p = torch.softmax(encoder._logits(pooled), 1)[0, INTENTS.index("shipping_question")].item()
    assert found.log_odds == pytest.approx(np.log(p / (1 - p)), abs=1e-4)
    assert found.probability == pytest.approx(
        encoder.encode(["where is my order"]).probabilities[0, INTENTS.index("shipping_question")], abs=1e-6
    )


def test_the_default_intent_is_the_most_probable_one(encoder):
    assert explain(encoder, "where is my order").intent == encoder.encode(["where is my order"]).intents[0]


def test_occlusion_is_the_change_when_the_word_is_left_out(encoder):
    """Removing the pieces of a word equals writing the message without it."""
    found = explain(encoder, "where is my order", "shipping_question")
    assert [word.text for word in found.words] == ["where", "is", "my", "order"]
    without = explain(encoder, "where is my", "shipping_question")
    assert found.words[3].occlusion == pytest.approx(found.log_odds - without.log_odds, abs=1e-4)


def test_words_are_whole_and_at_their_place_in_the_message(odd):
    assert [word.text for word in odd.words] == re.findall(r"\w+|[^\w\s]", ODD)
    assert all(ODD[word.start : word.end] == word.text for word in odd.words)


def test_the_shipped_encoder_relies_on_the_words_that_a_person_would_name():
    encoder = IntentEncoder.default(device="cpu")
    for text, telling in (("can i get emi on this", "emi"), ("its broken, I want my money back", "broken")):
        words = explain(encoder, text).words
        strongest = sorted(words, key=lambda word: -word.contribution)[:2]
        assert telling in [word.text for word in strongest]


def test_beyond_the_encoders_limit_nothing_is_explained(encoder):
    with pytest.warns(UserWarning, match="longer than 128 tokens"):
        found = explain(encoder, "price " * 200)
    assert len(found.words) == MAX_TOKENS - 2
    assert to_terminal(found).plain.count("price") >= 200


def test_a_message_is_explained_as_the_tokenizer_gets_it(encoder):
    plain, wide = (explain(encoder, text) for text in ("price of it", "ｐｒｉｃｅ of it"))
    assert wide.text == "price of it"
    assert [word.text for word in wide.words] == [word.text for word in plain.words]
    assert wide.log_odds == plain.log_odds


def test_an_unknown_intent_is_an_error_that_names_the_nearest(encoder):
    with pytest.raises(ValueError, match=r"unknown intent 'bargain_huntin'\. Did you mean 'bargain_hunting'"):
        explain(encoder, "price", "bargain_huntin")
    with pytest.raises(ValueError, match="row 0 is empty"):
        explain(encoder, " ")


def test_html_is_one_line_that_shows_the_message_and_runs_nothing(odd):
    line = to_html(odd)
    assert "\n" not in line
    assert "<script" not in line
    assert set(re.findall(r"<(\w+)", line)) == {"p", "b", "span"}
    shown = html.unescape(re.sub(r"<[^>]*>", "", line))
    assert shown == f"{odd.intent} {odd.probability:.2f} {ODD}"
    assert line.count("background:rgba(") == len(odd.words)


def test_the_terminal_shows_the_message_as_it_was_typed_without_reading_markup(encoder):
    text = "[bold]price[/bold] of [red]this"
    shown = to_terminal(explain(encoder, text))
    assert text in shown.plain
    console = Console(force_terminal=True, color_system="truecolor", width=200)
    with console.capture() as out:
        console.print(shown)
    assert "\x1b[" in out.get()


def test_words_for_the_intent_are_green_and_words_against_it_red(odd):
    line = to_html(odd)
    signs = [word.contribution >= 0 for word in odd.words]
    colours = re.findall(r"rgba\((\d+),(\d+)", line)
    assert [int(green) > int(red) for red, green in colours] == signs
    assert len(set(signs)) == 2


# --------------------------------------------------------------------------------------------------------------- tastes


TASTES = Tastes(
    relevance=np.array([[1.0, 0.0], [3.0, 0.0], [2.0, 6.0]], np.float32),
    price_sensitivity=np.array([2.0, 3.0, 7.0], np.float32),
    coupon_affinity=np.array([0.1, 0.5, 0.3], np.float32),
)


def test_a_voice_is_compared_with_the_average_voice():
    rows = explain_tastes(TASTES, 1, ("earbuds", "air fryer"))
    assert [row.taste for row in rows] == [
        "price sensitivity",
        "coupon affinity",
        "relevance of earbuds",
        "relevance of air fryer",
    ]
    assert [row.value for row in rows] == pytest.approx([3.0, 0.5, 3.0, 0.0])
    assert [row.average for row in rows] == pytest.approx([4.0, 0.3, 2.0, 2.0])
    assert [row.difference for row in rows] == pytest.approx([-1.0, 0.2, 1.0, -2.0])
    assert [row.share_below for row in rows] == pytest.approx([1 / 3, 2 / 3, 2 / 3, 0.0])


def test_the_average_uses_the_weights_of_the_population():
    rows = explain_tastes(TASTES, 0, ("earbuds", "air fryer"), weight=np.array([1, 1, 2], np.float32))
    assert rows[0].average == pytest.approx((2 + 3 + 2 * 7) / 4)
    assert explain_tastes(TASTES, 2, ("a", "b"), weight=np.array([1, 1, 2]))[0].share_below == pytest.approx(0.5)


def test_a_voice_or_a_product_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="there is no voice 3: choose one from 0 to 2"):
        explain_tastes(TASTES, 3, ("a", "b"))
    with pytest.raises(ValueError, match="tastes for 2 products, but 1 titles"):
        explain_tastes(TASTES, 0, ("a",))
