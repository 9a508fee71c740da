"""OpenEnv's own server and client play a sale of the numeric environment."""

import os
import threading
import time

os.environ["FLASHSALE_SCENARIO"] = "gvr-periodic"

import uvicorn
from openenv.core import GenericEnvClient

import flashsale_env as fs
from flashsale_env.experiments.adapters.openenv import app

server = uvicorn.Server(uvicorn.Config(app, factory=True, host="127.0.0.1", port=0, log_level="error"))
threading.Thread(target=server.run, daemon=True).start()
while not server.started:
    time.sleep(0.05)
port = server.servers[0].sockets[0].getsockname()[1]

numeric = fs.FlashSaleEnv("gvr-periodic", actions="multidiscrete")
numeric.reset(seed=7)
with GenericEnvClient(base_url=f"http://127.0.0.1:{port}").sync() as client:
    result = client.reset(seed=7)
    assert "Tick 0 of 10" in result.observation["text"], result
    result = client.step({"text": "no idea"})
    assert result.observation["refused"], result
    earned = 0.0
    while not result.done:
        result = client.step({"text": 'Half a ticket less: {"price": {"ticket": 1.5}}'})
        _, wanted, closed, _, info = numeric.step([6])
        assert result.reward == wanted, (result.reward, wanted)
        assert result.done == closed
        earned += result.reward
    assert result.observation["profit"] == info["profit"]
server.should_exit = True
print("ok", earned)
