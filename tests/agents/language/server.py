"""A local endpoint of OpenAI's form that plays a scripted model."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# The answer to a request, as text; or (status, body) for an error.
Script = Callable[[list[dict[str, str]], int], str | tuple[int, dict[str, Any]]]


@dataclass
class Endpoint:
    """A running endpoint and what it was asked."""

    base_url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@contextlib.contextmanager
def scripted(script: Script) -> Iterator[Endpoint]:
    """Serve the script on a free port. Tokens are counted as words."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            endpoint.requests.append(request)
            endpoint.headers.append({name.lower(): value for name, value in self.headers.items()})
            answer = script(request["messages"], len(endpoint.requests))
            status, body = answer if isinstance(answer, tuple) else (200, completion(request, answer))
            content = json.dumps(body).encode()
            with contextlib.suppress(ConnectionError):  # of a client that has given up
                self.reply(status, content)

        def reply(self, status, content):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Retry-After-Ms", "1")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    endpoint = Endpoint(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def completion(request: dict[str, Any], text: str) -> dict[str, Any]:
    asked = sum(len(message["content"].split()) for message in request["messages"])
    answered = len(text.split())
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": request["model"],
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered},
    }
