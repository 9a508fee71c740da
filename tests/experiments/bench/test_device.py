"""The comparison of devices: its rows, with and without a GPU."""

import pytest
import torch

from flashsale_env.experiments.bench import device as bench_device


def test_every_width_is_trained_and_a_missing_gpu_has_a_row():
    found = bench_device.run_device_bench(widths=((8,), (16, 16)), quick=True)
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["8, cpu"]["value"] > 0
    assert rows["16x16, cpu"]["value"] > 0
    assert len(rows["8, cpu"]["repeats"]) == bench_device.ROLLOUTS
    if not torch.cuda.is_available():
        assert rows["cuda over cpu"]["value"] is None
        assert "no CUDA device" in rows["cuda over cpu"]["notes"]


@pytest.mark.parametrize(
    ("speeds", "verdict"), [((50.0, 300.0), "from 1024x1024 on"), ((50.0, 60.0), "not up to 1024x1024")]
)
def test_the_gpu_pays_off_from_the_first_width_at_which_it_is_faster(speeds, verdict):
    widths = ((64, 64), (1024, 1024))
    rates = {(width, "cpu"): [100.0] for width in widths}
    rates |= {(width, "cuda"): [speed] for width, speed in zip(widths, speeds, strict=True)}
    rows = {row.name: row for row in bench_device._compare(widths, ["cpu", "cuda"], rates)}
    assert rows["1024x1024, cuda over cpu"].value == speeds[1] / 100.0
    assert rows["the GPU pays"].notes == verdict


def test_no_repeats_are_refused():
    with pytest.raises(ValueError, match="repeats must be at least 1, got 0"):
        bench_device.run_device_bench(0)
