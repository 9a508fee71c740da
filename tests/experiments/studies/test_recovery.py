"""The study `recovery` from the command line."""

from flashsale_env import INTENTS
from flashsale_env.experiments.studies import recovery


def test_coverage_is_shown_by_intent_and_over_all(flashsale, monkeypatch):
    monkeypatch.setattr(recovery, "WORLDS", ("alike",))
    words = ("study", "recovery", "--logs", 2, "--visits", 20_000)
    found = flashsale(*words, "--json").json["alike"]
    assert [row["intent"] for row in found["rows"]] == list(INTENTS)
    assert found["seeds"] == 2
    shown = flashsale(*words).out
    assert f"{found['rows'][0]['true']:.3f}" in shown
    assert f"coverage over all intents: {found['coverage']['mean']:.1%}" in shown


def test_no_logs_are_refused(flashsale):
    assert "--logs" in flashsale("study", "recovery", "--logs", 0).complaint
