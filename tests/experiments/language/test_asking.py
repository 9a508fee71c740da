"""`flashsale ask` and `flashsale strategy`: language models and strategies at the command line."""

import json

import pytest

from flashsale_env.agents.language import Endpoint, Recorded
from flashsale_env.agents.strategies import read_strategy
from flashsale_env.experiments.language.asking import find_model
from tests.agents.language.server import scripted

PRICE = '{"price": {"ticket": 1.25}, "ticks": 10}'


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def test_a_model_is_an_endpoint_a_folder_or_a_journal(tmp_path):
    assert isinstance(find_model("m", "http://localhost:1/v1"), Endpoint)
    (tmp_path / "j.jsonl").write_text("")
    assert isinstance(find_model(str(tmp_path / "j.jsonl")), Recorded)
    with pytest.raises(ValueError, match="--base-url is for a model at an endpoint"):
        find_model(str(tmp_path), "http://localhost:1/v1")
    with pytest.raises(ValueError, match="OPENAI_API_KEY is not set"):
        find_model("m")


def test_sales_are_played_compared_and_replayed(flashsale, tmp_path):
    """The run's journal replays to the same figures without a model."""
    out = tmp_path / "run"
    with scripted(lambda messages, number: PRICE) as endpoint:
        asked = flashsale(
            *("ask", "gvr-periodic", "--model", "m", "--base-url", endpoint.base_url, "--episodes", "3"),
            *("--against", "fixed_price", "--out", out, "--json"),
        )
    result = asked.json
    assert result == json.loads((out / "result.json").read_text())
    assert result["calls"] == len(endpoint.requests) == 3
    assert result["sales"] == 3
    assert result["difference"]["diff"] == pytest.approx(0.0), "the tuned fixed price is 1.25 as well"
    replayed = flashsale(
        *("ask", "gvr-periodic", "--model", out / "journal.jsonl", "--episodes", "3", "--against", "fixed_price"),
        "--json",
    )
    again = replayed.json
    assert again["agent"] == {**result["agent"], "name": "m"}


def test_a_bound_before_two_sales_is_an_error(flashsale):
    with scripted(lambda messages, number: PRICE) as endpoint:
        done = flashsale(*("ask", "gvr-periodic", "--model", "m", "--base-url", endpoint.base_url, "--calls", "1"))
    assert "the bound of 1 calls is reached" in done.complaint


def test_a_strategy_is_scored_improved_and_kept(flashsale, tmp_path):
    document = tmp_path / "high.toml"
    document.write_text('name = "too high"\n[[phases]]\nprice = { ticket = 3.0 }\n')
    out = tmp_path / "run"
    done = flashsale(
        *("strategy", "gvr-periodic", document, "--trials", "8", "--searches", "2", "--sales", "8"),
        *("--episodes", "40", "--against", "fixed_price", "--out", out, "--json"),
    )
    result = done.json
    fixed, written, improved = result["rows"]
    assert [row["runs"] for row in result["rows"]] == [1, 1, 2]
    assert written["share"] < 0.9 < improved["share"]
    assert fixed["share"] == 1.0
    kept = read_strategy(out / "improved-0.toml", "gvr-periodic")
    assert kept.as_document() == result["improved"][0]


def test_a_model_writes_the_strategy(flashsale, tmp_path):
    def writes(messages, number):
        return json.dumps({"name": "mine", "phases": [{"price": {"ticket": (3, 1.25)[number - 1]}}]})

    with scripted(writes) as endpoint:
        done = flashsale(
            *("strategy", "gvr-periodic", "--model", "m", "--base-url", endpoint.base_url, "--rounds", "2"),
            *("--sales", "20", "--episodes", "20", "--against", "fixed_price", "--json"),
        )
    result = done.json
    assert [draft["score"] is not None for draft in result["drafts"]] == [True, True]
    row = next(row for row in result["rows"] if row["strategy"] == "mine, by m")
    assert row["share"] == pytest.approx(1.0), "the better of the two drafts is the tuned fixed price"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("strategy", "lost-sales"), "no strategy is shipped for 'lost-sales', only for gvr-periodic, standard"),
        (("strategy", "gvr-periodic", "nowhere.toml"), "no strategy at nowhere.toml"),
        (("strategy", "gvr-periodic", "--against", "ppo"), "ppo has to be trained first"),
        (("ask", "gvr-periodic", "--model", "m"), "OPENAI_API_KEY is not set"),
        (("ask", "gvr-periodic", "--model", "m", "--base-url", "http://x", "--spend", "1"), "spend needs prompt_price"),
        (("mcp", "gvr-periodik"), "Did you mean 'gvr-periodic'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(flashsale, arguments, complaint):
    assert complaint in flashsale(*arguments).complaint
