"""Peers are measured where they are installed."""

from flashsale_env.experiments.bench import environments
from flashsale_env.experiments.bench.measuring import QUICK


def test_a_peer_that_is_not_installed_has_a_row_that_says_so(monkeypatch):
    nobody = environments.Peer("nobody", "no_such_module_of_nobody", "Nothing", lambda module: module.Nothing())
    monkeypatch.setattr(environments, "PEERS", (nobody,))
    rows = environments.peers(QUICK, repeats=1)
    (row,) = [row for row in rows if row.name == "nobody Nothing"]
    assert row.value is None
    assert row.notes == "not installed"
