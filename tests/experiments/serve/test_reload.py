"""A new policy takes over without a dropped request, and a bad one does not."""

import shutil
import threading

import numpy as np

from flashsale_env import agents
from tests.experiments.serve.test_policy import GOOD


def test_a_policy_that_is_trained_anew_takes_over_under_load_without_a_dropped_request(serve, table_policy, tmp_path):
    folder = table_policy(1, tmp_path / "policy")
    ask, stop, replies = serve(folder), threading.Event(), []

    def load():
        while not stop.is_set():
            replies.append(ask("POST", "/policy/actions", {"observations": [GOOD]}))

    clients = [threading.Thread(target=load) for _ in range(3)]
    for client in clients:
        client.start()
    expected = {}
    for seed in (1, 2, 3):
        table_policy(seed, folder)
        report = ask("POST", "/reload").json["models"]["policy"]
        expected[report["version"]] = (
            agents.load(folder, "gvr-periodic").predict(np.array(GOOD, np.float32))[0].tolist()
        )
        before = len(replies)
        while len(replies) < before + 20:
            pass
    stop.set()
    for client in clients:
        client.join()
    assert report["reloads"] == 2, "the first version was there already"
    assert {reply.status for reply in replies} == {200}
    assert {reply.json["version"] for reply in replies} == set(expected)
    for reply in replies:
        assert reply.json["actions"][0] == expected[reply.json["version"]], "each answer is of the version it names"


def test_the_folder_is_watched(serve, table_policy, tmp_path):
    folder = table_policy(1, tmp_path / "policy")
    ask = serve(folder, reload_seconds=0.02)
    before = ask("GET", "/policy").json["version"]
    table_policy(2, folder)
    while ask("GET", "/policy").json["version"] == before:
        pass
    assert 'flashsale_reloads_total{model="policy",taken="yes"} 1.0' in ask("GET", "/metrics").text


def test_a_version_that_clients_do_not_know_is_refused_and_the_old_one_goes_on(serve, table_policy, tmp_path):
    folder = table_policy(1, tmp_path / "policy")
    ask = serve(folder)
    before = ask("POST", "/policy/actions", {"observations": [GOOD]}).json
    shutil.rmtree(folder)
    agents.make("fixed_price", "mnl-price").save(folder)
    report = ask("POST", "/reload").json
    assert report["ready"]
    assert "its observation and decisions differ from those that clients know" in report["models"]["policy"]["refused"]
    (folder / "agent.json").write_text("{")
    assert "cannot be read" in ask("POST", "/reload").json["models"]["policy"]["refused"]
    assert ask("POST", "/policy/actions", {"observations": [GOOD]}).json == before
    table_policy(2, folder)
    report = ask("POST", "/reload").json["models"]["policy"]
    assert "refused" not in report
    assert report["reloads"] == 1
