"""`flashsale verify`: validation cases, verdicts and exit codes."""

import pytest


def test_verify_prints_anchors_with_verdicts(flashsale):
    words = ("verify", "gvr-periodic", "--set", "ticks=4", "--set", "grid=[0.5, 1.5, 2.5]", "--sales", 2000)
    answer = flashsale(*words, "--json")
    assert answer.code == 0
    assert answer.json["verdict"] == "pass"
    wanted = {"anchor", "quantity", "source", "expected", "simulated", "half_width", "verdict"}
    assert all(wanted <= set(row) for row in answer.json["rows"])
    assert "K = 4" in flashsale(*words).out
    assert flashsale(*words, "--markdown").out.startswith("| anchor | quantity |")


def test_verify_fails_with_exit_code_1_where_the_simulator_is_wrong(flashsale, monkeypatch):
    """Every agent sells one unit too many for its price."""
    from flashsale_env.experiments.verify import simulating

    right = simulating.mean_of
    wrong = lambda name, expected, values, **k: right(name, expected, values + 1, **k)  # noqa: E731
    monkeypatch.setattr(simulating, "mean_of", wrong)
    answer = flashsale("verify", "gvr-fixed-price", "--sales", 2000, "--json")
    assert answer.code == 1
    assert {row["verdict"] for row in answer.json["rows"]} == {"fail"}


def test_verify_lists_its_anchors(flashsale):
    from flashsale_env.experiments.verify.cases import CASES

    assert [row["name"] for row in flashsale("verify", "--list", "--json").json] == list(CASES)
    assert "n=10, rho=10.0" in flashsale("verify", "--list").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("verify", "gvr-optimum"), "Did you mean 'gvr-optimal'"),
        (("verify", "--set", "n=3"), "name exactly one"),
        (("verify", "gvr-optimal", "--set", "n"), "--set wants NAME=VALUE"),
        (("bench", "imports"), "Did you mean 'import'"),
    ],
)
def test_verify_and_bench_refuse_what_they_do_not_know(flashsale, words, message):
    assert message in flashsale(*words).complaint
