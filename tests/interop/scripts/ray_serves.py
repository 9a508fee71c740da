"""Ray Serve: a policy on two replicas gives the answers that the policy itself gives."""

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import ray
from ray import serve

from flashsale_env import Simulator, agents
from flashsale_env.experiments.serve.cluster import deploy
from flashsale_env.experiments.serve.running import bound
from flashsale_env.experiments.serve.served import Settings

agent = agents.make("q_learning", "gvr-periodic")
agent.q[:] = np.random.default_rng(0).random(agent.q.shape)
folder = agent.save(Path(sys.argv[1]) / "policy" if len(sys.argv) > 1 else Path.cwd() / "policy")

simulator = Simulator("gvr-periodic", sales=20)
seen = [simulator.open(np.arange(20, dtype=np.uint64), np.zeros(20, np.int64))]
rng = np.random.default_rng(1)
seen += [simulator.advance(rng.uniform(-1, 1, (20, 1)))[0] for _ in range(3)]

with bound("127.0.0.1", 0) as free:
    port = free.getsockname()[1]
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
address = deploy(Settings((str(folder),), device="cpu"), "127.0.0.1", port, replicas=2)


def ask(body):
    request = urllib.request.Request(
        f"{address}/policy/actions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)


for observations in seen:
    wanted, _ = agent.predict(observations)
    assert np.allclose(ask({"observations": observations.tolist()})["actions"], wanted)
wrong = None
try:
    ask({"observations": [[1.0]]})
except urllib.error.HTTPError as refused:
    wrong = refused.code, json.load(refused)["detail"]
assert wrong == (422, "observations[0] must hold 4 numbers in the order of GET /policy, got 1."), wrong
serve.shutdown()
ray.shutdown()
print("ok")
