"""The study `ranking` from the command line, with the shipped encoder and few customers."""

import pytest

from flashsale_env.encoders.ranking import RANKERS
from flashsale_env.experiments.studies.ranking import CEILINGS

SMALL = ("--voices", 100, "--visits", 20_000, "--worlds", 2, "--sales", 4)


def test_every_list_is_shown_and_kept_and_reading_messages_helps(flashsale, tmp_path):
    out = tmp_path / "out"
    found = flashsale("study", "ranking", *SMALL, "--out", out, "--json").json
    rows = {row["ranker"]: row for row in found["rows"]}
    assert list(rows) == ["catalogue", *RANKERS, *CEILINGS]
    assert rows["catalogue"]["gain"] == rows["catalogue"]["ci_low"] == 0.0
    for row in rows.values():
        assert 0 < row["ndcg"] < 1
        assert 0 < row["conversion"] < 0.2
        assert row["ci_low"] <= row["gain"] <= row["ci_high"]
        assert row["gain"] == pytest.approx(row["profit"] - rows["catalogue"]["profit"])
    # What is cheap sells most: the list with the most purchases is not the one with the most profit.
    assert rows["margin"]["profit"] > rows["popularity"]["profit"] + 1000
    assert rows["true tastes"]["profit"] > rows["catalogue"]["profit"]
    assert [place["true"] for place in found["examined"]] == [1.0, 0.6, 0.4, 0.3]
    for place in found["examined"]:
        assert place["low"] - 0.2 <= place["true"] <= place["high"] + 0.2
    assert (out / "result.json").is_file()


def test_a_scenario_without_a_list_is_refused(flashsale, tmp_path):
    out = tmp_path / "out"
    words = ("study", "ranking", "--scenario", "standard", "--out", out)
    assert "scenario 'standard' has no [slate]" in flashsale(*words).complaint
    assert not out.exists()
