"""Packed and cached embedding gives the vectors of one text at a time, in every number format."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import flashsale_env.encoders.text.inference as inference
from flashsale_env.encoders.corpus.generator import generate
from flashsale_env.encoders.text.backbone import MAX_TOKENS, load_backbone
from flashsale_env.encoders.text.embedding_cache import EmbeddingCache
from flashsale_env.encoders.text.inference import BLOCK, Reader, available_precisions, pool_all

TEXTS = [m.text for m in generate("evaluation", 120, 0)] + ["price " * n for n in (1, 30, 31, 40, 70, 200)]


@pytest.fixture(scope="module")
def tokens(tiny):
    """ "price " two hundred times has equal ends, so that a plain cut leaves the same tokens as reading both ends."""
    texts = [tiny.normalised(text) for text in TEXTS]
    return tiny.tokenizer(texts, truncation=True, max_length=MAX_TOKENS)["input_ids"]


@pytest.fixture(scope="module")
def one_by_one(tiny, tokens):
    """Each text alone: nothing shares its row, nothing is padded."""
    with torch.inference_mode():
        return torch.cat([tiny.pool([text]) for text in tokens])


@pytest.fixture
def reader(tiny):
    return Reader(tiny, "fp32")


@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_a_text_has_the_same_vector_alone_and_packed_with_others(tiny, tokens, one_by_one, batch_size):
    read = []
    packed = pool_all(tiny, tokens, batch_size=batch_size, progress=read.append)
    assert packed.dtype == torch.float32
    assert torch.allclose(packed, one_by_one, atol=1e-5)
    assert sum(read) == len(tokens)
    assert max(read) <= batch_size


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_a_shorter_number_format_moves_vectors_by_little(tiny, tokens, one_by_one, precision, monkeypatch):
    """bf16 keeps 8 significant bits and int8 7, so cosine similarities stay above 0.99 through two layers."""
    monkeypatch.setattr(inference, "cpu_capabilities", lambda: {"amx_bf16": True, "amx_int8": True})
    read = pool_all(tiny, tokens, precision=precision)
    assert 0 < (read - one_by_one).abs().max() < 0.1
    assert (read * one_by_one).sum(1).min() > 0.99


def test_converting_leaves_the_backbone_as_it_was(tiny, tokens, one_by_one, monkeypatch):
    monkeypatch.setattr(inference, "cpu_capabilities", lambda: {"amx_bf16": True, "amx_int8": True})
    before = {key: value.clone() for key, value in tiny.model.state_dict().items()}
    for precision in ("bf16", "int8"):
        Reader(tiny, precision)
    assert all(torch.equal(value, before[key]) for key, value in tiny.model.state_dict().items())
    assert all(type(m) is not inference._Int8Linear for m in tiny.model.modules())


@pytest.mark.parametrize(
    ("capabilities", "fastest"),
    [
        ({"amx_bf16": True, "amx_int8": True, "avx512_vnni": True}, "bf16"),
        ({"avx512_bf16": True, "avx512_vnni": True}, "int8"),
        ({"avx2": True}, "fp32"),
        ({}, "fp32"),
    ],
)
def test_auto_takes_the_fastest_format_of_the_processor(tiny, capabilities, fastest, monkeypatch):
    monkeypatch.setattr(inference, "cpu_capabilities", lambda: capabilities)
    assert Reader(tiny, "auto").precision == fastest
    assert fastest in available_precisions()


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_a_format_without_hardware_is_an_error_that_names_the_remedy(tiny, precision, monkeypatch):
    monkeypatch.setattr(inference, "cpu_capabilities", lambda: {"avx2": True})
    with pytest.raises(
        ValueError, match=rf"precision '{precision}' needs instructions .*Use precision='auto', or one of fp32"
    ):
        Reader(tiny, precision)


def test_an_unknown_precision_offers_the_nearest_and_a_batch_needs_a_text(tiny, tokens):
    with pytest.raises(ValueError, match=r"unknown precision 'bf18'\. Did you mean 'bf16'"):
        Reader(tiny, "bf18")
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        pool_all(tiny, tokens, batch_size=0)


def test_rows_hold_every_text_once_fit_and_waste_little():
    lengths = [*np.random.default_rng(0).integers(1, 40, 500).tolist(), MAX_TOKENS, BLOCK, BLOCK + 1]
    rows = inference._packed(lengths, most=256)
    assert sorted(i for _, row in rows for i in row) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in row) <= width and width % BLOCK == 0 for width, row in rows)
    assert sum(width for width, _ in rows) < 1.05 * sum(lengths)
    assert inference._packed([], most=256) == []


def test_batches_hold_no_more_tokens_than_suit_the_hardware(tiny, tokens, monkeypatch):
    monkeypatch.setitem(inference.BATCH_TOKENS, "cpu", 128)
    seen = []
    monkeypatch.setattr(
        Reader,
        "_pool",
        lambda self, rows, width: seen.append(len(rows) * width) or torch.zeros(sum(map(len, rows)), 64),
    )
    pool_all(tiny, tokens)
    assert max(seen) == 128
    assert len(seen) > 1


def test_no_texts_give_no_vectors(tiny, reader):
    assert pool_all(tiny, []).shape == (0, 64)
    assert reader.embed([]).shape == (0, 64)


def test_repeated_texts_are_computed_once_per_chunk_and_keep_their_order(reader, one_by_one, monkeypatch):
    monkeypatch.setattr(inference, "CHUNK", 50)
    order = np.random.default_rng(0).integers(0, 120, 300)
    read = []
    pool = Reader.pool_all
    monkeypatch.setattr(
        Reader, "pool_all", lambda self, tokens, **kw: read.append(len(tokens)) or pool(self, tokens, **kw)
    )
    done = []
    vectors = reader.embed([TEXTS[i] for i in order], progress=done.append)
    assert torch.allclose(vectors, one_by_one[order], atol=1e-5)
    assert sum(done) == 300
    chunks = [order[i : i + 50] for i in range(0, 300, 50)]
    assert read == [len({TEXTS[i] for i in chunk}) for chunk in chunks]


# ---------------------------------------------------------------------------------------------------------------- cache


def test_a_cached_vector_is_the_one_that_was_computed(reader, tmp_path):
    cache = EmbeddingCache(tmp_path)
    first = reader.embed(TEXTS[:40], cache=cache)
    assert (cache.hits, cache.misses) == (0, len(set(TEXTS[:40])))
    again = EmbeddingCache(tmp_path)
    mixed = TEXTS[20:60]
    second = reader.embed(mixed, cache=again)
    assert again.hits == len(set(mixed) & set(TEXTS[:40]))
    assert again.misses == len(set(mixed) - set(TEXTS[:40]))
    assert torch.equal(second[:20], first[20:])
    assert torch.allclose(second, reader.embed(mixed), atol=1e-5)


def test_other_weights_another_format_or_another_prefix_never_share_vectors(tiny, reader, tmp_path, monkeypatch):
    monkeypatch.setattr(inference, "cpu_capabilities", lambda: {"amx_bf16": True})
    other = load_backbone("tiny")
    with torch.no_grad():
        other.model.encoder.layer[1].output.dense.bias[3] += 1e-3
    readers = [reader, Reader(other, "fp32"), Reader(tiny, "bf16"), Reader(replace(tiny, prefix="query: "), "fp32")]
    assert len({r.key for r in readers}) == 4
    assert Reader(load_backbone("tiny"), "fp32").key == reader.key
    cache = EmbeddingCache(tmp_path)
    for r in readers:
        r.embed(TEXTS[:5], cache=cache)
    assert cache.hits == 0


@pytest.mark.parametrize("damage", ["truncated", "flipped", "foreign"])
def test_a_damaged_shard_is_ignored_with_a_warning_and_computed_again(reader, tmp_path, damage):
    right = reader.embed(TEXTS[:10], cache=EmbeddingCache(tmp_path))
    (shard,) = tmp_path.glob("*/*.safetensors")
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes({"truncated": shard.read_bytes()[:-9], "flipped": bytes(content), "foreign": b"hello"}[damage])
    cache = EmbeddingCache(tmp_path)
    with pytest.warns(UserWarning, match="is damaged .* ignored and removed"):
        assert torch.equal(reader.embed(TEXTS[:10], cache=cache), right)
    assert (cache.hits, cache.misses) == (0, 10)
    cache = EmbeddingCache(tmp_path)
    assert torch.equal(reader.embed(TEXTS[:10], cache=cache), right)
    assert (cache.hits, cache.misses) == (10, 0)
