"""What every service has: schema, readiness, metrics, refusals; which folders make one."""

import re
import threading

import pytest

from flashsale_env.experiments.serve import policy
from flashsale_env.experiments.serve.application import find
from tests.experiments.serve.test_policy import GOOD


def test_the_schema_describes_the_routes_of_what_is_served(serve, table_policy):
    schema = serve(table_policy(0))("GET", "/openapi.json").json
    assert schema["openapi"].startswith("3.")
    assert set(schema["paths"]) == {"/health", "/ready", "/metrics", "/reload", "/policy", "/policy/actions"}
    body = schema["paths"]["/policy/actions"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "observations" in schema["components"]["schemas"][body["$ref"].rsplit("/", 1)[1]]["properties"]


def test_metrics_count_requests_by_route_and_status(serve, table_policy):
    ask = serve(table_policy(0))
    for body in ({"observations": [GOOD, GOOD]}, {"observations": []}):
        ask("POST", "/policy/actions", body)
    ask("GET", "/made/up/path")
    text = ask("GET", "/metrics").text
    count = dict(re.findall(r"flashsale_requests_total\{(route=.*?)\} (\S+)", text))
    assert count['route="/policy/actions",status="200"'] == "1.0"
    assert count['route="/policy/actions",status="422"'] == "1.0"
    assert count['route="other",status="404"'] == "1.0", "a path that a client makes up is no label"
    assert 'flashsale_batch_rows_sum{model="policy"} 2.0' in text


def test_a_full_queue_answers_429_with_the_time_to_come_back(serve, table_policy, monkeypatch):
    gate, entered = threading.Event(), threading.Event()
    answer = policy.ServedPolicy.answer

    def slow(self, rows):
        entered.set()
        gate.wait()
        return answer(self, rows)

    monkeypatch.setattr(policy.ServedPolicy, "answer", slow)
    ask = serve(table_policy(0), most_rows=2, most_waiting=2)
    replies = []

    def send():
        replies.append(ask("POST", "/policy/actions", {"observations": [GOOD, GOOD]}))

    threads = [threading.Thread(target=send) for _ in range(2)]
    threads[0].start()
    entered.wait()
    threads[1].start()
    while 'flashsale_waiting_rows{model="policy"} 2.0' not in ask("GET", "/metrics").text:
        pass
    refused = ask("POST", "/policy/actions", {"observations": [GOOD]})
    assert refused.status == 429
    assert int(refused.headers["retry-after"]) >= 1
    gate.set()
    for thread in threads:
        thread.join()
    assert [reply.status for reply in replies] == [200, 200], "what was accepted is answered"
    assert 'flashsale_refused_total{model="policy"} 1.0' in ask("GET", "/metrics").text


def test_a_folder_without_a_model_is_refused(tmp_path, table_policy):
    with pytest.raises(FileNotFoundError, match="no folder at"):
        find([str(tmp_path / "gone")])
    with pytest.raises(ValueError, match="holds neither a policy"):
        find([str(tmp_path)])
    one, other = str(table_policy(0)), str(table_policy(1))
    with pytest.raises(ValueError, match="both hold one policy"):
        find([one, other])
    assert [model.kind.name for model in find(["standard-ppo", "default"])] == ["policy", "encoder"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--engine", "rey"], "unknown engine 'rey'. Did you mean 'ray'"),
        (["--replicas", 2], "--replicas 2 is for --engine ray"),
        (["--precision", "int4"], "unknown --precision 'int4'. Did you mean 'int8'"),
        (["--queue", 10], "--queue 10 is below --rows 256"),
        (["--scenario", "standart"], "unknown scenario 'standart'. Did you mean 'standard'"),
    ],
)
def test_options_are_checked_before_anything_is_loaded(flashsale, options, message):
    assert message in flashsale("serve", "nowhere", *options).complaint


def test_a_port_that_is_taken_is_named(flashsale, table_policy):
    from flashsale_env.experiments.serve.running import bound

    with bound("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        answer = flashsale("serve", table_policy(0), "--port", port)
    assert f"--port {port}: another program listens there" in answer.complaint
