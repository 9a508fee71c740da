"""A language model at the till: asked over HTTP, bounded, journalled, and replayed without it."""

import json
import math
import time

import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env import agents
from flashsale_env.agents.language import (
    Bounds,
    Caller,
    Endpoint,
    Journal,
    LanguageAgent,
    NoAnswer,
    OutOfBounds,
    Recorded,
    Reply,
    best_draft,
    json_in,
    play_in_words,
    write_strategies,
)
from tests.agents.language.server import scripted

PERIODIC = "gvr-periodic"
SEEDS = agents.split_seeds("test", 0, 3)


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-123")
    return "sk-secret-123"


class Scripted:
    """A model in this process."""

    name = "scripted"

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    def ask(self, messages):
        self.asked.append(list(messages))
        return Reply(self.answer(messages) if callable(self.answer) else self.answer, 100, 10)


def by_stock(messages, number=0):
    """Prices by what the report says is on hand."""
    row = next(line for line in messages[-1]["content"].splitlines() if line.startswith("ticket |"))
    on_hand = int(row.split("|")[2])
    return f'Thinking about it ... ```json\n{{"price": {{"ticket": {1.25 if on_hand > 5 else 2}}}}}\n```'


class ByStock:
    """The same policy in numbers."""

    encoding = "multidiscrete"

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        units = fs.UnitReader(fs.load_scenario(PERIODIC))
        return np.where(units.on_hand(observation) > 5, 7, 4), state


def test_a_model_over_http_earns_what_its_policy_earns_in_numbers(tmp_path):
    """The same columns on the same customers, so that both stand in one table; and the replay is the same table."""
    journal = tmp_path / "journal.jsonl"
    with scripted(by_stock) as endpoint:
        caller = Caller(Endpoint("a-model", base_url=endpoint.base_url), journal=Journal(journal))
        played = play_in_words(LanguageAgent(caller), PERIODIC, seeds=SEEDS)
    wanted = agents.play(ByStock(), PERIODIC, seeds=SEEDS)
    assert played.table.keys() == wanted.keys()
    for name in wanted:
        np.testing.assert_array_equal(played.table[name], wanted[name], err_msg=name)
    assert caller.account.calls == len(endpoint.requests) == 30
    assert endpoint.requests[0]["model"] == "a-model"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [line["number"] for line in lines] == list(range(1, 31))
    assert sum(line["prompt_tokens"] for line in lines) == caller.account.prompt_tokens > 1000
    replayed = play_in_words(LanguageAgent(Caller(Recorded(journal))), PERIODIC, seeds=SEEDS)
    np.testing.assert_array_equal(replayed.table["ret"], wanted["ret"])
    with pytest.raises(NoAnswer, match="holds no further answer to the question"):
        play_in_words(LanguageAgent(Caller(Recorded(journal))), PERIODIC, seeds=SEEDS + np.uint64(1))


def test_the_key_reaches_the_endpoint_and_no_file_or_message(tmp_path, key):
    def refuses(messages, number):
        return 401, {"error": {"message": f"Incorrect API key provided: {key}", "type": "auth"}}

    path = tmp_path / "journal.jsonl"
    with scripted(refuses) as endpoint:
        model = Endpoint("a-model", base_url=endpoint.base_url)
        with pytest.raises(NoAnswer, match=r"model 'a-model' has not answered: .*\*\*\*") as refused:
            Caller(model, journal=Journal(path)).ask([{"role": "user", "content": "hello"}])
    assert endpoint.headers[0]["authorization"] == f"Bearer {key}"
    assert key not in str(refused.value)
    assert key not in repr(model)
    assert key not in path.read_text()
    assert "error" in json.loads(path.read_text())


def test_a_key_is_wanted_for_openai_and_not_for_an_endpoint_of_ones_own(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ValueError, match="environment variable OPENAI_API_KEY is not set"):
        Endpoint("a-model")
    assert Endpoint("a-model", base_url="http://localhost:1/v1").name == "a-model"


def test_a_busy_endpoint_is_asked_again_and_not_for_ever():
    def busy_twice(messages, number):
        return (503, {"error": {"message": "busy"}}) if number < 3 else "{}"

    with scripted(busy_twice) as endpoint:
        assert Endpoint("m", base_url=endpoint.base_url, retries=2).ask([{"role": "user", "content": "?"}]).text == "{}"
        assert len(endpoint.requests) == 3
    with scripted(lambda messages, number: (503, {"error": {"message": "busy"}})) as endpoint:
        with pytest.raises(NoAnswer, match="busy"):
            Endpoint("m", base_url=endpoint.base_url, retries=1).ask([{"role": "user", "content": "?"}])
        assert len(endpoint.requests) == 2


def test_a_slow_endpoint_times_out():
    with scripted(lambda messages, number: time.sleep(0.5) or "{}") as endpoint:
        model = Endpoint("m", base_url=endpoint.base_url, timeout=0.05, retries=0)
        with pytest.raises(NoAnswer, match=r"has not answered: .*timed out"):
            model.ask([{"role": "user", "content": "?"}])


@pytest.mark.parametrize(
    ("bounds", "name", "calls"),
    [
        (Bounds(calls=15), "calls", 15),
        (Bounds(tokens=900), "tokens", 9),
        (Bounds(spend=0.0017, prompt_price=1.0, completion_price=10.0), "spend", 9),
        (Bounds(seconds=0), "seconds", 0),
    ],
)
def test_a_bound_stops_the_play_and_keeps_the_sales_that_were_finished(bounds, name, calls):
    model = Scripted("{}")
    caller = Caller(model, bounds)
    agent = LanguageAgent(caller)
    if calls < 11:
        with pytest.raises(OutOfBounds, match=f"the bound of .* {name} is reached"):
            play_in_words(agent, PERIODIC, seeds=SEEDS[:2])
    else:
        played = play_in_words(agent, PERIODIC, seeds=SEEDS)
        assert len(played.table.seeds) == 1
        assert name in played.stopped
    assert len(model.asked) == calls


def test_bounds_are_checked():
    with pytest.raises(ValueError, match="bound calls must be at least 0, got -1"):
        Bounds(calls=-1)
    with pytest.raises(ValueError, match="bound seconds must be at least 0, got nan"):
        Bounds(seconds=math.nan)
    with pytest.raises(ValueError, match="spend needs prompt_price"):
        Bounds(spend=1.0)


def test_a_wrong_answer_is_sent_back_with_the_complaint_and_then_passed_over():
    def answer(messages):
        return '{"price": {"ticket": 2}}' if "was refused" in messages[-1]["content"] else '{"price": 2}'

    model = Scripted(answer)
    played = play_in_words(LanguageAgent(Caller(model)), PERIODIC, seeds=SEEDS[:1])
    assert (played.refused, played.passed) == (10, 0)
    assert "price must be an object by name" in model.asked[1][-1]["content"]
    stubborn = Scripted("I would rather not.")
    played = play_in_words(LanguageAgent(Caller(stubborn), attempts=2), PERIODIC, seeds=SEEDS[:1])
    assert (played.refused, played.passed) == (20, 10)
    at_list_price = agents.play(_Listed(), PERIODIC, seeds=SEEDS[:1])
    assert played.table["ret"] == at_list_price["ret"]


class _Listed:
    encoding = "multidiscrete"

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return np.zeros((len(observation), 1), np.int64), state


def test_a_question_is_bounded_by_the_memory():
    model = Scripted("{}")
    play_in_words(LanguageAgent(Caller(model), memory=2), PERIODIC, seeds=SEEDS[:1])
    assert [len(messages) for messages in model.asked] == [2, 4, 6, 6, 6, 6, 6, 6, 6, 6]
    one_call = Scripted('{"price": {"ticket": 1.25}, "ticks": 10}')
    play_in_words(LanguageAgent(Caller(one_call)), PERIODIC, seeds=SEEDS[:1])
    assert len(one_call.asked) == 1


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ('first {"a": 1}, no: {"b": {"c": 2}} done', '{"b": {"c": 2}}'),
        ("{not json} at all", "{not json} at all"),
        ('broken { then {"a": 1}', '{"a": 1}'),
        ("", ""),
    ],
)
def test_the_last_object_in_an_answer_counts(text, wanted):
    assert json_in(text) == wanted


def test_a_journal_is_never_written_over_and_a_broken_line_is_named(tmp_path):
    path = tmp_path / "journal.jsonl"
    Caller(Scripted("{}"), journal=Journal(path)).ask([{"role": "user", "content": "?"}])
    with pytest.raises(FileExistsError):
        Journal(path)
    with path.open("a") as file:
        file.write('{"model": "m", "mess')
    assert Recorded(path).ask([{"role": "user", "content": "?"}]).text == "{}"
    path.write_text("nonsense\n" + path.read_text())
    with pytest.raises(ValueError, match="line 1: not a line of a journal"):
        Recorded(path)
    with pytest.raises(FileNotFoundError, match="no journal at"):
        Recorded(tmp_path / "other.jsonl")


def test_a_model_writes_strategies_and_hears_what_they_earn():
    answers = iter(
        (
            'Here it is: {"phases": [{"price": {"ticket": 3}}]}',
            '{"phases": [{"price": {"ticket": 7}}]}',
            '{"name": "cheaper", "phases": [{"price": {"ticket": 1.25}}]}',
        )
    )
    model = Scripted(lambda messages: next(answers))

    def score(strategy):
        return 10.0 - strategy.as_document()["phases"][0]["price"]["ticket"]

    drafts = write_strategies(Caller(model), PERIODIC, score, rounds=3)
    assert [draft.score for draft in drafts] == [7.0, None, 8.75]
    assert "price[ticket] must be one of 3, 2.75" in drafts[1].complaint
    assert best_draft(drafts) is drafts[2]
    assert "It earns 7 a sale" in model.asked[1][-1]["content"]
    assert "This was refused" in model.asked[2][-1]["content"]
    with pytest.raises(ValueError, match="rounds must be at least 1"):
        write_strategies(Caller(model), PERIODIC, score, rounds=0)
