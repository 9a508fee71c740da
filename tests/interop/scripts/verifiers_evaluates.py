"""verifiers loads the environment and evaluates a scripted model behind a local endpoint."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import verifiers as vf
from openai import AsyncOpenAI

from flashsale_env import agents


class Model(BaseHTTPRequestHandler):
    """Always the same price."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        message = {"role": "assistant", "content": 'I ask {"price": {"ticket": 1.5}}'}
        choice = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": None}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        body = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


class Fixed:
    encoding = "multidiscrete"

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return np.full((len(observation), 1), 6), state


server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = AsyncOpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none")
env = vf.load_environment(
    "flashsale_env.experiments.adapters.verifiers", scenario="gvr-periodic", sales=4, eval_sales=3
)
results = asyncio.run(env.evaluate(client=client, model="m", num_examples=3, rollouts_per_example=1))
wanted = agents.play(Fixed(), "gvr-periodic", seeds=agents.split_seeds("validation", 0, 3))["ret"]
np.testing.assert_allclose(sorted(results["reward"]), sorted(wanted))
assert len(env.get_dataset()) == 4
print("ok", results["reward"])
