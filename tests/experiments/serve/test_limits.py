"""What is refused before a request is read."""

import asyncio

import pytest
from starlette.responses import PlainTextResponse

from flashsale_env.experiments.serve import limits
from flashsale_env.experiments.serve.limits import Limits, Rate


def test_a_client_has_its_rate_and_one_second_of_it_at_once():
    now = 0.0
    rate = Rate(2.0, clock=lambda: now)
    assert [rate.wait("a") for _ in range(3)] == [0.0, 0.0, 0.5]
    assert rate.wait("b") == 0.0, "another client is not held up"
    now = 0.5
    assert [rate.wait("a") for _ in range(2)] == [0.0, 0.5]
    now = 100.0
    assert [rate.wait("a") for _ in range(3)] == [0.0, 0.0, 0.5], "a quiet minute saves no more than a second's worth"


def test_only_so_many_clients_are_remembered(monkeypatch):
    monkeypatch.setattr(limits, "_MOST_CLIENTS", 3)
    rate = Rate(1.0, clock=lambda: 0.0)
    for client in "abcd":
        rate.wait(client)
    assert list(rate._left) == ["b", "c", "d"]


def ask(parts, headers=(), path="/x", pause=0.0, **options):
    """Send a request whose body comes in these parts through the middleware; status and headers of the reply."""
    options = {"most_bytes": 10, "rate": 100.0, "most_at_once": 5, **options}
    sent, seen = [], []

    async def app(scope, receive, send):
        seen.append((await receive())["body"])
        await PlainTextResponse("answered")(scope, receive, send)

    pieces = [{"type": "http.request", "body": part, "more_body": i < len(parts) - 1} for i, part in enumerate(parts)]

    async def receive():
        await asyncio.sleep(pause)
        return pieces.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": path, "headers": list(headers), "method": "POST", "client": ("10.0.0.1", 1)}
    asyncio.run(Limits(app, **options)(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), seen


def test_a_body_of_several_parts_arrives_whole():
    assert ask([b"abc", b"def"])[::2] == (200, [b"abcdef"])


@pytest.mark.parametrize(
    ("parts", "headers"),
    [
        ([b"x"], [(b"content-length", b"11")]),
        ([b"x" * 6, b"x" * 6], []),
        ([b"x" * 6, b"x" * 6], [(b"content-length", b"3")]),
    ],
    ids=["it says so", "it does not say", "it lies"],
)
def test_a_body_above_the_limit_is_refused_before_anything_reads_it(parts, headers):
    status, _, seen = ask(parts, headers)
    assert status == 413
    assert not seen


def test_a_body_that_stops_coming_gives_up_its_place(monkeypatch):
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.01)
    status, _, seen = ask([b"x", b"y"], pause=0.1)
    assert (status, seen) == (408, [])


def test_with_too_many_requests_in_hand_a_further_one_is_told_to_come_back():
    status, headers, seen = ask([b"x"], most_at_once=0)
    assert (status, seen) == (429, [])
    assert headers[b"retry-after"] == b"1"


def test_what_a_load_balancer_asks_is_never_refused():
    assert ask([b""], path="/ready", most_at_once=0, free=frozenset({"/ready"}))[0] == 200
