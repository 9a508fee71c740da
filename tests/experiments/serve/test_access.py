"""Who may ask, and which services may not be started at all."""

import pytest

from flashsale_env.experiments.serve.access import TOKEN, token_for

SECRET = "0123456789abcdef"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "shop.example"])
def test_a_service_that_other_machines_reach_is_not_started_without_a_token(host):
    with pytest.raises(ValueError, match=f"clients must send a token: set the variable {TOKEN}"):
        token_for(host, {})
    assert token_for(host, {TOKEN: SECRET}) == SECRET


def test_a_token_that_can_be_guessed_is_refused():
    with pytest.raises(ValueError, match="at least 16 characters, got 5"):
        token_for("127.0.0.1", {TOKEN: "12345"})


def test_the_command_refuses_before_it_loads_anything(flashsale, monkeypatch, tmp_path):
    monkeypatch.delenv(TOKEN, raising=False)
    answer = flashsale("serve", tmp_path / "nothing", "--host", "0.0.0.0")
    assert "clients must send a token" in answer.complaint


def test_nothing_but_health_is_answered_without_the_token(serve, table_policy):
    ask = serve(table_policy(0), token=SECRET, local=False)
    for method, path in (
        ("GET", "/policy"), ("POST", "/policy/actions"), ("GET", "/metrics"), ("GET", "/openapi.json"),
        ("POST", "/reload"), ("GET", "/nothing"),
    ):  # fmt: skip
        reply = ask(method, path)
        assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer"), path
        assert ask(method, path, Authorization="Bearer " + SECRET[:-1] + "x").status == 401
        assert ask(method, path, Authorization="Basic " + SECRET).status == 401
        assert ask(method, path, Authorization="Bearer " + SECRET).status != 401
    assert ask("GET", "/health").status == ask("GET", "/ready").status == 200


def test_on_loopback_a_page_under_a_name_of_its_own_is_refused(serve, table_policy):
    ask = serve(table_policy(0))
    assert ask("GET", "/policy", Host="evil.example").status == 421
    assert ask("GET", "/policy", Host="localhost:1").status == 200
