"""The cache: its size, its files, and processes that share it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from flashsale_env.encoders.text.embedding_cache import EmbeddingCache


def test_the_cache_stays_within_its_size_and_drops_the_oldest(tmp_path):
    cache = EmbeddingCache(tmp_path, max_bytes=20_000)
    rng = np.random.default_rng(0)
    for k in range(8):
        cache.put("key", [f"{k} {i}" for i in range(10)], rng.standard_normal((10, 64)).astype(np.float32))
        assert sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors")) <= 20_000
    assert not cache.get("key", ["0 0"], 64)[1].any()
    assert cache.get("key", ["7 0"], 64)[1].all()


def test_many_small_writes_become_few_files_and_lose_nothing(tmp_path):
    cache = EmbeddingCache(tmp_path)
    for k in range(EmbeddingCache.MAX_SHARDS + 3):
        cache.put("key", [str(k)], np.full((1, 4), k, np.float32))
    assert len(list(tmp_path.rglob("*.safetensors"))) < 5
    vectors, found = EmbeddingCache(tmp_path).get("key", [str(k) for k in range(EmbeddingCache.MAX_SHARDS + 3)], 4)
    assert found.all()
    assert (vectors[:, 0] == np.arange(EmbeddingCache.MAX_SHARDS + 3)).all()


_WRITER = """
import sys, numpy as np
from flashsale_env.encoders.text.embedding_cache import EmbeddingCache
cache, who = EmbeddingCache(sys.argv[1]), int(sys.argv[2])
EmbeddingCache.MAX_SHARDS = 4
for k in range(12):
    cache.put("key", [f"{who} {k}", f"both {k}"], np.array([[who, k], [9, k]], np.float32))
    vectors, found = cache.get("key", [f"{who} {i}" for i in range(k + 1)], 2)
    assert (vectors[:, 0] == who).all()
"""


def test_a_cache_that_is_not_writable_is_refused_when_it_is_opened(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        EmbeddingCache(tmp_path / "file" / "cache")


def test_two_processes_share_a_cache_and_never_get_a_wrong_vector(tmp_path):
    """Both write and merge at once. A merge may lose vectors of the other process, but never mixes up texts."""
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path), str(who)], env={**os.environ}) for who in (1, 2)
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    cache = EmbeddingCache(tmp_path)
    for who, value in (("1", 1), ("2", 2), ("both", 9)):
        asked = [f"{who} {k}" for k in range(12)]
        vectors, found = cache.get("key", asked, 2)
        assert (vectors == [[value, k] for k in np.flatnonzero(found)]).all()
        assert found.mean() > 0.5


def test_a_shard_that_another_process_removes_during_reading_is_a_miss(tmp_path, monkeypatch):
    EmbeddingCache(tmp_path).put("key", ["price"], np.ones((1, 2), np.float32))

    def gone(path):
        path.unlink()
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_bytes", gone)
    assert not EmbeddingCache(tmp_path).get("key", ["price"], 2)[1].any()


def test_a_cache_needs_a_positive_size(tmp_path):
    with pytest.raises(ValueError, match="max_bytes must be positive, got 0"):
        EmbeddingCache(tmp_path, max_bytes=0)
