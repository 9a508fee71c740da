"""`flashsale explain`: why one message was read as it was."""

import pytest

import flashsale_env as fs

MESSAGE = "where is my parcel"


@pytest.fixture(scope="module")
def encoder(quick_demo):
    """The small encoder of the quick demo, with the demand model fitted on its embeddings."""
    return quick_demo[0] / "encoder"


def test_the_words_explain_the_intent_and_the_tastes_stand_beside_those_of_all_customers(flashsale):
    """With the shipped encoder and demand model; contributions add up but for what the quadrature leaves."""
    found = flashsale("explain", MESSAGE, "--json").json
    assert found["intent"] == "shipping_question"
    assert [word["text"] for word in found["words"]] == MESSAGE.split()
    told = {word["text"]: word["contribution"] for word in found["words"]}
    assert told["parcel"] > told["is"]
    assert max(found["words"], key=lambda word: word["occlusion"])["text"] == "parcel"
    total = sum(word["contribution"] for word in found["words"])
    assert total == pytest.approx(found["log_odds"] - found["baseline"], abs=0.05)
    assert found["in_scope"] is True
    tastes = {row["taste"]: row for row in found["tastes"]}
    titles = [product.title for product in fs.load_scenario("standard").products]
    assert list(tastes) == ["price sensitivity", "coupon affinity", *(f"relevance of {title}" for title in titles)]
    customers = fs.load_population("learned", titles)
    mean = (customers.price_sensitivity * customers.weight).sum() / customers.weight.sum()
    assert tastes["price sensitivity"]["average"] == pytest.approx(mean, rel=1e-4)


def test_the_terminal_shows_the_message_its_strongest_words_and_five_tastes(flashsale, encoder, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")  # a narrower table wraps the names of tastes
    answer = flashsale("explain", MESSAGE, "--encoder", encoder)
    assert answer.code == 0, answer.err
    assert MESSAGE in answer.out
    assert "logits" in answer.out
    assert answer.out.count("relevance of") == 3
    assert "price sensitivity" in answer.out


def test_an_asked_intent_is_explained_and_written_as_html_once(flashsale, encoder, tmp_path):
    page = tmp_path / "line.html"
    words = ("explain", "<b>5 & 6</b>?", "--intent", "gift", "--encoder", encoder, "--out", page)
    assert flashsale(*words, "--json").json["intent"] == "gift"
    text = page.read_text(encoding="utf-8")
    assert "gift" in text
    assert "<b>5" not in text
    assert text.startswith('<meta charset="utf-8">')
    assert "is there already" in flashsale(*words).complaint
    assert flashsale(*words, "--overwrite").code == 0


def test_a_message_in_a_language_the_encoder_does_not_know_is_said_once(flashsale):
    answer = flashsale("explain", "这个多少钱")
    assert answer.code == 0
    assert answer.err.count("was not trained on") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["  "], "MESSAGE is empty"),
        (["hello", "--intent", "gfit"], "Did you mean 'gift'"),
        (["hello", "--scenario", "gvr-periodic"], "ticket"),
        (["hello", "--encoder", "nowhere"], "no demand model in nowhere"),
    ],
)
def test_bad_input_costs_one_line(flashsale, words, message):
    assert message in flashsale("explain", *words).complaint
