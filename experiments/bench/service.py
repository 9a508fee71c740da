"""The service under load: how long requests take, which rate it holds, and what happens above it.

Owns    the load: requests that come by chance at a given rate, whether or not earlier ones are answered (open loop).
Leaves  the service to `experiments.serve`, which runs in a process of its own, started as a user starts it.
Units   latency in milliseconds from the moment at which a request was due to the end of its answer, so that a slow
        answer counts against all requests that it delays; processor time in milliseconds a request, of the service
        alone; rates are requests per second, one row each.

The highest rate held is the highest one tried at which all requests are answered, 99 % of them within `WITHIN` ms.
Client and service share the processor, so on few cores the figures are those of both together.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flashsale_env import FlashSaleEnv
from flashsale_env.encoders.corpus.generator import generate
from flashsale_env.encoders.text.inference import available_precisions
from flashsale_env.experiments.bench.machine import cpu_flags
from flashsale_env.experiments.bench.measuring import Progress, Row, Session, make_row
from flashsale_env.versions import versions

COMMAND = "flashsale bench serve --out benchmarks/service --overwrite"

WITHIN = 50.0
POLICY, ENCODER = "standard-ppo", "default"
FIRST_RATE, MOST_RATE = 25.0, 12_800.0
SECONDS = 4.0  # at each rate
BISECTIONS = 3  # between the highest rate held and the lowest that is not
ABOVE = 2.0  # times the highest rate held
# More requests in flight than the service accepts at once, so that it has to refuse.
CONNECTIONS = 1024
_STARTS = 300  # seconds that the service may take to load its models


@dataclass(frozen=True)
class Load:
    """What came back from requests at one rate.

    Args:
        rate: requests per second.
        answered: latency of each request with status 200, ms, sorted.
        refused: number with status 429 or 503.
        failed: number with any other outcome.
    """

    rate: float
    answered: Sequence[float]
    refused: int
    failed: int

    def percentile(self, share: float) -> float:
        """Latency within which this share of the answers came, ms; infinite without an answer."""
        return float(np.quantile(self.answered, share)) if self.answered else float("inf")

    @property
    def holds(self) -> bool:
        """Whether the service keeps up with the rate."""
        return not (self.refused or self.failed) and self.percentile(0.99) <= WITHIN


def run_service_bench(
    repeats: int = 1, progress: Progress | None = None, *, seconds: float = SECONDS, quick: bool = False
) -> dict[str, Any]:
    """Load the shipped policy and the shipped encoder and return the figures, ready for JSON.

    Args:
        repeats: measurements of which a figure is the median.
        progress: called before each part with the number done, the number in all, and its name.
        seconds: of load at each rate.
        quick: sizes too small to mean anything.

    Returns:
        As `measuring.Session.result`.
    """
    session = Session(COMMAND, quick=quick, repeats=repeats)
    parts = {
        "policy": ([POLICY], "/policy/actions", _observations()),
        **{
            f"encoder {precision}": ([ENCODER, "--precision", precision], "/encoder/intents", _texts())
            for precision in available_precisions()
        },
    }
    for done, (name, (words, path, bodies)) in enumerate(parts.items()):
        if progress is not None:
            progress(done, len(parts), name)
        with running(words) as (port, process):
            begin = cpu_seconds(process)
            found = [_find(port, path, bodies, 0.5 if quick else seconds, quick=quick) for _ in range(repeats)]
            spent = None if begin is None else (cpu_seconds(process) or 0.0) - begin
        session.add("serve", [*_rows(name, found), _cost(name, found, spent)])
    return session.result(versions("fastapi", "uvicorn"), flags=cpu_flags(("amx_bf16", "avx512_vnni")))


def _observations(count: int = 64) -> list[bytes]:
    """Bodies with one observation of `standard` each: the ticks of a sale."""
    env = FlashSaleEnv("standard")
    observation, _ = env.reset(seed=0)
    bodies = []
    for _ in range(count):
        bodies.append(json.dumps({"observations": [observation.tolist()]}).encode())
        observation, _, closed, _, _ = env.step(np.zeros(env.action_space.shape or (), np.float32))
        if closed:
            observation, _ = env.reset()
    return bodies


def _texts(count: int = 256) -> list[bytes]:
    """Bodies with one message each."""
    return [json.dumps({"texts": [message.text]}).encode() for message in generate("evaluation", count, 0)]


@contextlib.contextmanager
def running(words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """A service in a process of its own: its port, and the number of the process.

    Raises:
        RuntimeError: it ends before it answers; the message is what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "said"
        command = [sys.executable, "-m", "flashsale_env.experiments", "serve", *words]
        with said.open("wb") as stream:
            process = subprocess.Popen(
                [*command, "--port", "0", "--rate", "1000000", "--reload", "0"], stdout=stream, stderr=stream
            )
        try:
            yield _port_of(process, said), process.pid
        finally:
            process.terminate()
            process.wait()


def _port_of(process: "subprocess.Popen[bytes]", said: Path) -> int:
    """The port in the line with which a service begins."""
    until = time.monotonic() + _STARTS
    while time.monotonic() < until and process.poll() is None:
        _, found, rest = said.read_text().partition(" at http://127.0.0.1:")
        if found and ";" in rest:
            return int(rest.partition(";")[0])
        time.sleep(0.05)
    raise RuntimeError(f"the service did not begin: {said.read_text().strip() or 'it said nothing'}")


def _find(port: int, path: str, bodies: Sequence[bytes], seconds: float, *, quick: bool) -> list[Load]:
    """Loads at rising rates up to the first that is not held, between the two, and far above."""
    requests = [_request(port, path, body) for body in bodies]

    def load(rate: float) -> Load:
        return asyncio.run(loaded(port, requests, rate, seconds))

    load(FIRST_RATE)  # warms caches and connections
    loads = [load(FIRST_RATE)]
    while loads[-1].holds and loads[-1].rate < MOST_RATE and not quick:
        loads.append(load(2 * loads[-1].rate))
    held, missed = _bracket(loads)
    for _ in range(0 if quick or not held or not missed else BISECTIONS):
        loads.append(load(float(np.sqrt(held * missed))))
        held, missed = _bracket(loads)
    loads += [load((held or FIRST_RATE) / 2), load(ABOVE * (held or FIRST_RATE))]
    return loads


def _bracket(loads: Sequence[Load]) -> tuple[float, float]:
    """The highest rate held, and the lowest that was not; 0 where there is none."""
    held = max((load.rate for load in loads if load.holds), default=0.0)
    return held, min((load.rate for load in loads if not load.holds and load.rate > held), default=0.0)


def _rows(name: str, found: Sequence[Sequence[Load]]) -> list[Row]:
    """The figures of one model."""
    held = [_bracket(loads)[0] for loads in found]
    half, above = [loads[-2] for loads in found], [loads[-1] for loads in found]
    percent = [100 * load.refused / max(1, len(load.answered) + load.refused + load.failed) for load in above]
    rows = [
        make_row(f"{name}, highest rate", held, "requests/s", notes=f"all answered, 99 % within {WITHIN:g} ms"),
    ]
    for share in (0.5, 0.95, 0.99):
        late = [load.percentile(share) for load in half]
        rows.append(make_row(f"{name}, p{100 * share:g} at half of it", late, "ms", notes=_rate(half[0])))
    rows.append(make_row(f"{name}, refused at twice it", percent, "%", notes=f"{_rate(above[0])}; with Retry-After"))
    if all(load.answered for load in above):
        late = [load.percentile(0.99) for load in above]
        rows.append(make_row(f"{name}, p99 at twice it", late, "ms", notes="of the requests that were answered"))
    failed = sum(load.failed for loads in found for load in loads)
    return [*rows, make_row(f"{name}, failed", [failed], "requests", at_most=0, notes="neither answered nor refused")]


def cpu_seconds(process: int) -> float | None:
    """Processor time that a process has taken, s; None on a system without /proc."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _cost(name: str, found: Sequence[Sequence[Load]], spent: float | None) -> Row:
    """Processor time of the service a request, refused ones among them; it hardly depends on what else is running."""
    if spent is None:
        return Row(f"{name}, CPU a request", None, "ms", notes="not measured: this system has no /proc")
    requests = sum(len(load.answered) + load.refused for loads in found for load in loads)
    notes = f"of the service alone, over {requests:,} requests at all rates"
    return make_row(f"{name}, CPU a request", [1000 * spent / max(1, requests)], "ms", notes=notes)


def _rate(load: Load) -> str:
    return f"{load.rate:,.0f} requests/s"


def _request(port: int, path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def loaded(port: int, requests: Sequence[bytes], rate: float, seconds: float, seed: int = 0) -> Load:
    """Send requests at Poisson times for so many seconds, and wait for what comes back.

    Args:
        port: of the service.
        requests: whole requests, sent in turn.
        rate: requests per second.
        seconds: of load.
        seed: of the times.
    """
    gaps = np.random.default_rng(seed).exponential(1 / rate, max(1, int(rate * seconds)))
    free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    places = asyncio.Semaphore(CONNECTIONS)
    begin = time.perf_counter()

    async def ask(number: int, due: float) -> tuple[int, float]:
        async with places:
            try:
                reader, writer = free.pop() if free else await asyncio.open_connection("127.0.0.1", port)
                writer.write(requests[number % len(requests)])
                status, stays = await _status(reader)
            except (OSError, asyncio.IncompleteReadError):
                return 0, 0.0
            if stays:
                free.append((reader, writer))
            else:
                writer.close()
        return status, 1000 * (time.perf_counter() - begin - due)

    tasks = []
    for number, due in enumerate(np.cumsum(gaps).tolist()):
        await asyncio.sleep(max(0.0, due - (time.perf_counter() - begin)))
        tasks.append(asyncio.create_task(ask(number, due)))
    replies = await asyncio.gather(*tasks)
    for _, writer in free:
        writer.close()
    answered = sorted(late for status, late in replies if status == 200)
    refused = sum(status in (429, 503) for status, _ in replies)
    return Load(rate, answered, refused, len(replies) - len(answered) - refused)


async def _status(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """Status of a reply that is read to its end, and whether its connection stays open."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    fields = dict(line.split(": ", 1) for line in head.splitlines()[1:] if ": " in line)
    await reader.readexactly(int(fields.get("content-length", 0)))
    return int(head.split(" ", 2)[1]), fields.get("connection") != "close"
