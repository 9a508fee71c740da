"""The encoder's benchmark runs, on distinct texts, and judges no target at quick sizes."""

import json

import pytest
import torch

from flashsale_env.experiments.bench import encoder as bench_encoder
from flashsale_env.experiments.bench.page import as_json


def test_texts_are_distinct_so_deduplication_gains_nothing():
    texts = bench_encoder._distinct(500)
    assert len(texts) == len(set(texts)) == 500
    assert texts == bench_encoder._distinct(500)


@pytest.mark.parametrize("name", ["texts", "repeats", "threads"])
def test_a_size_below_one_is_an_error(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        bench_encoder.run_encoder_bench(**{name: 0})


@pytest.mark.slow
def test_a_quick_run_gives_every_figure_and_judges_none():
    threads, seen = torch.get_num_threads(), []
    result = bench_encoder.run_encoder_bench(progress=lambda *call: seen.append(call), quick=True)
    assert [name for _, _, name in seen] == ["encoder-accuracy", "encoder-throughput", "encoder-memory"]
    assert torch.get_num_threads() == threads
    rows = {row["name"]: row for row in json.loads(as_json(result))["rows"]}
    assert all(row["value"] is not None or "not " in row["notes"] for row in rows.values())
    assert all(row["met"] is None for row in rows.values())
    assert {"fp32, 24 texts", "auto, 24 texts", "memory, 200 messages"} <= rows.keys()
    assert result["machine"]["cpu"]
